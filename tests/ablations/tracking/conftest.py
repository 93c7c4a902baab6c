"""An MLflow database that is migrated once, and a real MLflow server on this machine."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from ablations.tracking.mlflow_runs import MlflowRuns
from ablations.tracking.ui import SERVER_ENV
from silhouette.results import Store
from tests.helpers.mlflow_runs import STUDY
from tests.helpers.waiting import answers, free_port, wait_for


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory):
    """An empty MLflow database: to create one takes seconds, to copy it nothing."""
    folder = tmp_path_factory.mktemp("mlflow")
    path = folder / "mlflow.db"
    assert MlflowRuns(f"sqlite:///{path}", Store(str(folder), "none"), STUDY).client.search_experiments()
    return path


@pytest.fixture
def database(migrated_database, tmp_path):
    """The URI of an empty MLflow database."""
    return f"sqlite:///{shutil.copy(migrated_database, tmp_path / 'view.db')}"


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "results"), "tiny")


class Server:
    """A real `mlflow server`, which a test can kill and start again."""

    def __init__(self, folder, database):
        self.folder, self.port, self.process = folder, free_port(), None
        self.uri = f"http://127.0.0.1:{self.port}"
        self.database = shutil.copy(database, folder / "server.db")

    def start(self):
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self.database}", "--workers", "1"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, env={**os.environ, **SERVER_ENV}, start_new_session=True, **quiet)
        wait_for(lambda: answers(f"{self.uri}/health"))

    def kill(self):
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def server(migrated_database, tmp_path):
    server = Server(tmp_path, migrated_database)
    server.start()
    yield server
    server.kill()
