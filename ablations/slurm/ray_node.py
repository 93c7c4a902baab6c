"""The Ray of one node of a job: its own ports, its own folder, and the CPUs and GPUs of the job on that node."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ablations.cluster.session import OBJECT_STORE_BYTES
from ablations.slurm.allocation import Allocation

ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",  # without one, whoever reaches the head may run code
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",  # without its head a node ends after 10 s, not 60
    "AUTOSCALER_METRIC_PORT": "0",  # two jobs may share a node
    "DASHBOARD_METRIC_PORT": "0",
    "PYTHONUNBUFFERED": "1",
}
"""Environment of all Ray processes of a job."""
END_SECONDS = 6.0
"""How long Ray may take to end. From `scancel` to the end of a job Slurm gives 30 s by default."""
LOG_LINES = 15


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("", 0))
        return int(found.getsockname()[1])


def make_folder() -> Path:
    """Make a folder for one job on one node, for its owner only. Its path is short: a socket's has 107 characters."""
    return Path(tempfile.mkdtemp(prefix="ray.", dir="/tmp"))


class RayNode:
    """`ray start --block` as a child process.

    Args:
        allocation: The job.
        folder: Where Ray keeps its files.
        options: Options of `ray start` that make it a head, or join one.

    Attributes:
        process: The child.
    """

    def __init__(self, allocation: Allocation, folder: Path, options: Sequence[str]) -> None:
        self.log = folder / "start.log"
        command = [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block"),
            *("--temp-dir", str(folder / "t"), "--object-store-memory", str(OBJECT_STORE_BYTES)),
            *("--num-cpus", str(allocation.cpus), "--num-gpus", str(allocation.gpus)),
            *("--min-worker-port", "0", "--max-worker-port", "0", "--dashboard-agent-listen-port", "0"),
            *options,
        ]
        with self.log.open("w") as sink:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
            )

    @property
    def alive(self) -> bool:
        """True until it has ended."""
        return self.process.poll() is None

    def last_words(self) -> str:
        """Return the end of what it printed."""
        with suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES:])
        return ""

    def end(self) -> None:
        """End it and all that it started."""
        if self.alive:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(END_SECONDS)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def head_options(host: str, port: int, client: int) -> list[str]:
    """Options of a head.

    Args:
        host: Its address.
        port: Its port.
        client: Port of Ray Client; Ray takes no 0 for it, and its default is one for all jobs of a machine.
    """
    return [
        *("--head", "--node-ip-address", host, "--port", str(port)),
        *("--ray-client-server-port", str(client), "--include-dashboard", "false"),
    ]


def head_state(address: str, seconds: float = 10.0) -> str:
    """Return `up`, `refused` (its machine lives, and nobody listens) or `unreachable`."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=seconds):
            return "up"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "unreachable"


def remove_folder(folder: Path) -> None:
    """Remove the folder of a node; processes that end meanwhile may still write into it."""
    for pause in (0.0, 0.5, 1.0):
        time.sleep(pause)
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
