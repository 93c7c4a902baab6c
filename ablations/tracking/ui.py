"""`ablate ui`: the MLflow user interface on 127.0.0.1, with a link to the runs of each study."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from types import FrameType, TracebackType
from urllib.request import ProxyHandler, Request, build_opener

from ablations.errors import StudyError
from ablations.tracking.mlflow_runs import MLFLOW_ENV
from ablations.tracking.runs_table import VIEW_TAG, view_path
from silhouette.errors import without_secret

HOST = "127.0.0.1"
START_SECONDS = 180.0
"""A server needs 5 to 30 s on an idle machine to import MLflow and to create or migrate its database."""
POLL_SECONDS = 0.2
CALL_SECONDS = 5.0
SERVER_ENV = {**MLFLOW_ENV, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Job execution serves the evaluation of language models. Without it the server starts faster."""
MAX_EXPERIMENTS = 1000


def serve(uri: str, port: int, shown: str) -> int:
    """Run an MLflow server until Ctrl-C. Print its address once it answers.

    Args:
        uri: MLflow tracking URI.
        port: Port on 127.0.0.1.
        shown: The URI without its secret, for messages.

    Returns:
        0 after Ctrl-C, 1 if the server ends by itself.

    Raises:
        StudyError: If the port is in use, or the server ends before it answers.
    """
    _check_port(port)
    with Server(uri, port) as server:
        if server.answers():
            print(f"MLflow UI of {shown} at {server.address} (Ctrl-C ends it)", flush=True)
            # a slow or unexpected answer costs the links, not the page
            with suppress(OSError, HTTPException, ValueError, KeyError):
                for name, link in server.study_links():
                    print(f"  {name}, runs by arm: {link}", flush=True)
            server.process.wait()
        elif not server.stopped:
            print(without_secret(server.messages()), file=sys.stderr, end="")
            raise StudyError(f"--mlflow: the MLflow server did not start, got {shown}; its messages are above")
    return 0 if server.stopped else 1


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise StudyError(f"--port: must be free, got {port} ({error.strerror}); give another --port") from None


class Server:
    """An MLflow server on 127.0.0.1 that ends with this process; a context manager.

    Its messages go to a temporary file, since MLflow prints notes and warnings also when all is well.

    Args:
        uri: MLflow tracking URI.
        port: Port to listen on.
    """

    def __init__(self, uri: str, port: int) -> None:
        self.environment = SERVER_ENV | {"MLFLOW_BACKEND_STORE_URI": uri}  # others can read a command line
        self.address, self.stopped = f"http://{HOST}:{port}", False
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115  # open as long as the server runs
        self.command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        self.command += ["--host", HOST, "--port", str(port), "--uvicorn-opts", "--log-level warning"]

    def __enter__(self) -> Server:
        """Start the server, and pass the signals that end this process on to it."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self._handlers = {number: signal.signal(number, self._stop) for number in numbers}
        self.process = subprocess.Popen(
            self.command,
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,  # Ctrl-C in a terminal then reaches this process only
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """End the server."""
        self.process.terminate()
        self.process.wait()
        self.log.close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopped = True
        self.process.terminate()

    def messages(self) -> str:
        """Return what the server has printed."""
        self.log.seek(0)
        return self.log.read()

    def answers(self) -> bool:
        """Wait for the first answer. Return False if the server ends, or does not answer in `START_SECONDS`."""
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                self._call("/health")
            except OSError:
                time.sleep(POLL_SECONDS)
            else:
                return True
        return False

    def study_links(self) -> Iterator[tuple[str, str]]:
        """Yield the name of each study on the server, and the address of its table of runs."""
        body = json.dumps({"max_results": MAX_EXPERIMENTS}).encode()
        found = json.loads(self._call("/api/2.0/mlflow/experiments/search", body))
        for experiment in found.get("experiments", ()):
            if any(tag["key"] == VIEW_TAG for tag in experiment.get("tags", ())):
                yield experiment["name"], f"{self.address}/{view_path(experiment['experiment_id'])}"

    def _call(self, path: str, body: bytes | None = None) -> bytes:
        """The server's answer, not through a proxy: the server is on this machine."""
        request = Request(self.address + path, body, {"Content-Type": "application/json"})
        with build_opener(ProxyHandler({})).open(request, timeout=CALL_SECONDS) as answer:
            return bytes(answer.read())
