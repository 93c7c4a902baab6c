"""The mirror against a real MLflow server over HTTP: up, down, dying and coming back, answering 500."""

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from ablations.tracking.mirror import Mirror, sync
from ablations.tracking.mlflow_runs import MLFLOW_ENV, MlflowRuns, tracking_uri
from silhouette.results import Store

STUDY = {"study": "tiny", "question": "Does <it> help?", "plan_hash": "0123456789abcdef"}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """A real `mlflow server` on this machine, which can be ended and started again."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        stores = ["--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        artifacts = ["--artifacts-destination", str(self.folder / "artifacts"), "--workers", "1"]
        self.process = subprocess.Popen(
            [*command, *stores, *artifacts],
            env={**os.environ, **MLFLOW_ENV},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=2)
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
            else:
                return
        raise TimeoutError("the MLflow server did not come up")

    def kill(self):
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    yield server
    server.kill()


def record(seed, status="complete"):
    return {
        "trial_id": f"{seed:016x}",
        "arm": "λ=0.2 long_tail×20",
        "seed": seed,
        "phase": "confirm",
        "settings": "{}",
        "config": '{"lambda_sil": 0.2}',
        "status": status,
        "epochs_planned": 3,
        "epochs_reached": 3,
        "val_top1": 0.5,
        "test_top1": 0.4 + seed / 100,
        "curve": [{"epoch": e, "val_top1": e / 10} for e in (1, 2, 3)],
        "error": None if status == "complete" else "boom",
    }


def spec_of(trial_id):
    row = record(int(trial_id, 16))
    return {**row, "config": {"lambda_sil": 0.2}}


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "results"), "tiny")


def trial_runs(view):
    found = view.client.search_runs([view.experiment])
    return {run.data.tags["trial_id"]: run for run in found if run.data.tags["kind"] == "trial"}


def feed(mirror, seeds):
    for seed in seeds:
        row = record(seed)
        for point in row["curve"]:
            mirror.report({"trial_id": row["trial_id"], "rows": [point]})
        mirror.report({"trial_id": row["trial_id"], "rows": [], "record": row})


def test_uri_is_absolute_and_the_environment_is_respected(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri("results") == f"sqlite:///{tmp_path}/results/mlflow.db"
    assert tracking_uri("s3://bucket/x") == f"sqlite:///{tmp_path}/results/mlflow.db"
    assert tracking_uri("results", "sqlite:///view.db") == f"sqlite:///{tmp_path}/view.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert tracking_uri("results") == "http://127.0.0.1:1"


def test_server_that_dies_and_comes_back_gets_everything_once(server, store):
    server.start()
    said = []
    mirror = Mirror(MlflowRuns(server.uri, store, STUDY), spec_of, said.append)
    mirror.start()
    feed(mirror, [0, 1])
    time.sleep(3)
    server.kill()
    feed(mirror, [2, 3])
    time.sleep(4)
    server.start()
    feed(mirror, [4])
    assert mirror.close({"complete": 5})
    assert len(said) == 1
    assert "does not answer" in said[0]
    view = MlflowRuns(server.uri, store, STUDY)
    runs = trial_runs(view)
    assert len(view.client.search_runs([view.experiment])) == 6
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    for seed in range(5):
        run = runs[f"{seed:016x}"]
        assert run.info.run_name == f"λ=0.2 long_tail×20 seed {seed}"
        assert run.data.metrics["test_top1"] == 0.4 + seed / 100
        history = view.client.get_metric_history(run.info.run_id, "val_top1")
        assert [(m.step, m.value) for m in history] == [(1, 0.1), (2, 0.2), (3, 0.3)]


class Always500(http.server.BaseHTTPRequestHandler):
    def answer(self):
        self.send_response(500)
        self.end_headers()

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *arguments):
        pass


@pytest.mark.parametrize("kind", ["dead", "500"])
def test_server_that_never_works_costs_one_warning_and_no_time(kind, store):
    port = free_port()
    if kind == "500":
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Always500)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    said = []
    mirror = Mirror(MlflowRuns(f"http://127.0.0.1:{port}", store, STUDY), spec_of, said.append)
    mirror.start()
    feed(mirror, range(50))
    assert not mirror.close({"complete": 50})
    assert len(said) == 1
    assert "ablate sync tiny" in said[0]


def test_queue_is_bounded_and_putting_never_waits(store, monkeypatch):
    monkeypatch.setattr("ablations.tracking.mirror.MAX_QUEUE", 10)
    mirror = Mirror(MlflowRuns("http://127.0.0.1:1", store, STUDY), spec_of, lambda text: None)
    feed(mirror, range(100))  # nobody takes anything out: the thread has not been started
    assert mirror.events.qsize() == 10
    assert mirror.dropped


def test_sync_ten_times_is_sync_once_and_ends_stale_runs(store, tmp_path):
    for seed in (0, 1):
        store.write_record(record(seed))
    store.write_record(record(2, "failed"))
    uri = f"sqlite:///{tmp_path}/view.db"
    view = MlflowRuns(uri, store, STUDY)
    view.show(spec_of(f"{7:016x}"), [{"epoch": 1, "val_top1": 0.1}], None)  # its driver died long ago
    for _ in range(10):
        view = MlflowRuns(uri, store, STUDY)
        assert sync(view) == 3
    runs = trial_runs(view)
    assert {run.data.tags["trial_id"]: run.info.status for run in runs.values()} == {
        f"{0:016x}": "FINISHED",
        f"{1:016x}": "FINISHED",
        f"{2:016x}": "FAILED",
        f"{7:016x}": "KILLED",
    }
    assert len(view.client.search_runs([view.experiment])) == 5
    history = view.client.get_metric_history(runs[f"{1:016x}"].info.run_id, "val_top1")
    assert [m.step for m in history] == [1, 2, 3]


def test_sync_attaches_the_report_and_its_verdicts(store, tmp_path):
    store.write_record(record(0))
    comparison = {"family": "all arms", "treatment": "λ=0.2", "verdict": "worse", "difference": -0.01}
    comparison |= {"ci_low": -0.02, "ci_high": -0.005, "p_adjusted": 0.01}
    store.write_json({"comparisons": [comparison]}, "report/report.json")
    view = MlflowRuns(f"sqlite:///{tmp_path}/view.db", store, STUDY)
    sync(view)
    parent = view.client.get_run(view.parent)
    assert parent.data.metrics["all arms/λ_0.2/difference"] == -0.01
    assert parent.data.tags["verdict/all arms/λ_0.2"] == "worse"
    assert [file.path for file in view.client.list_artifacts(view.parent, "report")] == ["report/report.json"]


def test_an_experiment_deleted_in_the_page_comes_back(store, tmp_path):
    store.write_record(record(0))
    view = MlflowRuns(f"sqlite:///{tmp_path}/view.db", store, STUDY)
    sync(view)
    view.client.delete_experiment(view.experiment)
    assert sync(MlflowRuns(view.uri, store, STUDY)) == 1
    assert view.client.get_experiment(view.experiment).lifecycle_stage == "active"
    assert len(trial_runs(view)) == 1


def test_the_error_of_a_trial_that_succeeded_later_goes(store, tmp_path):
    view = MlflowRuns(f"sqlite:///{tmp_path}/view.db", store, STUDY)
    spec = spec_of(f"{0:016x}")
    view.show(spec, [], record(0, "failed"))
    MlflowRuns(view.uri, store, STUDY).show(spec, [], record(0))
    (run,) = trial_runs(view).values()
    assert (run.data.tags["status"], "error" in run.data.tags) == ("complete", False)


def test_a_run_whose_making_was_not_confirmed_is_not_made_twice(store, tmp_path, monkeypatch):
    view = MlflowRuns(f"sqlite:///{tmp_path}/view.db", store, STUDY)
    make = view.client.create_run

    def made_but_not_said(*arguments, **named):
        make(*arguments, **named)
        raise ConnectionError("timed out")

    assert view.parent
    monkeypatch.setattr(view.client, "create_run", made_but_not_said)
    with pytest.raises(ConnectionError):
        view.show(spec_of(f"{1:016x}"), [], None)
    view.show(spec_of(f"{1:016x}"), [], record(1))
    (run,) = trial_runs(view).values()
    assert run.data.params == {"lambda_sil": "0.2", "seed": "1"}
    assert len(view.client.search_runs([view.experiment])) == 2


def test_no_secret_of_a_results_location_reaches_the_view(tmp_path):
    store = Store("s3://k3y:s3cret@bucket/x?region=eu-central-1", "tiny")
    view = MlflowRuns(f"sqlite:///{tmp_path}/view.db", store, STUDY)
    view.show(spec_of(f"{1:016x}"), [], None)
    for run in view.client.search_runs([view.experiment]):
        assert run.data.tags["results"] == "s3://bucket/x?region=eu-central-1"
        assert "s3cret" not in str(run.to_dictionary())


def test_results_in_a_folder_with_a_quote_are_shown_once(tmp_path):
    store = Store(str(tmp_path / "it's"), "tiny")
    store.write_record(record(0))
    for _ in range(2):
        view = MlflowRuns(f"sqlite:///{tmp_path}/view.db", store, STUDY)
        sync(view)
    assert len(view.client.search_runs([view.experiment])) == 2


def test_a_study_runs_on_while_its_mlflow_server_goes_and_comes_back(server, ablate):
    ablate.study()
    server.start()
    run = subprocess.Popen(
        ablate.command("run", "tiny.py", "--set", "epochs=6", "--seeds", "12", "--mlflow", server.uri),
        cwd=ablate.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    written = ablate.folder / "results/tiny/trials"
    while len(list(written.glob("*.parquet"))) < 6:
        assert run.poll() is None, run.stdout.read()
        time.sleep(0.1)
    server.kill()
    while len(list(written.glob("*.parquet"))) < 12:
        assert run.poll() is None, run.stdout.read()
        time.sleep(0.1)
    server.start()
    out, _ = run.communicate(timeout=300)
    assert run.returncode == 0, out
    assert "Traceback" not in out
    assert ablate("sync", "tiny", "--mlflow", server.uri).returncode == 0
    view = MlflowRuns(server.uri, Store(str(ablate.folder / "results"), "tiny"), STUDY)
    runs = view.client.search_runs([view.experiment])
    assert len(runs) == 25
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_sync_with_a_server_that_is_down_is_one_line(store, ablate):
    store.write_json(STUDY, "study.json")
    done = ablate("sync", "tiny", "--mlflow", f"http://127.0.0.1:{free_port()}")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("ablate: --mlflow: must be an MLflow server or database that answers")


def test_parameters_are_the_config_and_the_seed_alone(store, tmp_path):
    view = MlflowRuns(f"sqlite:///{tmp_path}/view.db", store, STUDY)
    view.show({**spec_of(f"{1:016x}"), "results": "s3://key:secret@bucket"}, [], None)
    (run,) = trial_runs(view).values()
    assert set(run.data.params) == {"lambda_sil", "seed"}
