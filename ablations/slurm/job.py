"""What the batch script of a job runs: Ray on its nodes, the study, and their end in order."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

from ablations.errors import StudyError
from ablations.slurm.allocation import Allocation, address_of, read_allocation
from ablations.slurm.ray_node import (
    ENVIRONMENT,
    RayNode,
    free_port,
    head_options,
    head_state,
    make_folder,
    remove_folder,
)
from ablations.slurm.worker_node import requeue

POLL_SECONDS = 0.2
HEAD_SECONDS = 90.0
"""How long a head may take to listen, on a busy machine."""
HEAD_TRIES = 3
"""Ports are free when they are chosen; another job may take one before the head does."""
WORKER_END_SECONDS = {"end": 10.0}
"""How long the workers may take to end, by what ends the job: after `scancel` Slurm kills all after 30 s by default."""
ENOUGH_SECONDS = 60.0
"""The same for every other end."""
SIGNAL_SECONDS = 2.0
"""A signal that comes while a worker starts is lost, so it is repeated."""
INTERRUPTED = 128 + signal.SIGTERM
"""Exit code of a study that SIGTERM ended in order."""


class Job:
    """One start of a job. Signals only note what is asked for; `run` acts on it.

    Args:
        allocation: What Slurm gave.
        command: What runs in it, as arguments of `ablate`.

    Attributes:
        stop: `requeue` after USR1 (the limit is near), `end` after TERM (`scancel`, preemption).
    """

    def __init__(self, allocation: Allocation, command: Sequence[str]) -> None:
        self.allocation, self.command = allocation, list(command)
        self.stop = ""
        self.head: RayNode | None = None
        self.workers: subprocess.Popen[bytes] | None = None
        self.address = ""

    def run(self) -> int:
        """Run the study; returns its exit code. A job that must begin again is handed back to Slurm."""
        signal.signal(signal.SIGUSR1, self._hear)
        signal.signal(signal.SIGTERM, self._hear)
        self.folder = make_folder()
        os.environ["TMPDIR"] = str(self.folder)
        try:
            code = self._run_on_cluster() if self.allocation.nodes > 1 else self._run_alone()
        finally:
            self._end_ray()
            remove_folder(self.folder)
        if self.stop == "requeue" and code == INTERRUPTED:
            self._say("begins again where it was")
            if requeue(self.allocation.job):
                time.sleep(HEAD_SECONDS)  # Slurm ends this script; its exit code must not end the job before
        return code

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            self.stop = "end"
        else:
            self.stop = self.stop or "requeue"

    def _say(self, text: str) -> None:
        print(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} job {self.allocation.job}: {text}", flush=True)

    def _run_alone(self) -> int:
        """One node needs no cluster: the study starts a Ray of its own, which listens on the loopback only."""
        self._say(f"start {self.allocation.restarts + 1} on {self.allocation.node}")
        os.environ["RAY_TMPDIR"] = str(self.folder)
        os.environ.pop("RAY_ADDRESS", None)
        return self._run_study([])

    def _run_on_cluster(self) -> int:
        os.environ.update(ENVIRONMENT, RAY_AUTH_TOKEN=secrets.token_hex(32))  # of this job; srun hands it on
        self._start_head()
        os.environ["RAY_ADDRESS"] = self.address
        start, nodes = self.allocation.restarts + 1, self.allocation.node_list
        self._say(f"start {start} on {nodes}, head {self.address}")
        self._start_workers()
        return self._run_study(["--address", self.address])

    def _start_head(self) -> None:
        host = address_of(self.allocation.node)
        if host is None:
            detail = f"the name {self.allocation.node} gives no address that other nodes reach"
            raise StudyError(f"SLURMD_NODENAME: {detail}; ask the site for a name service or /etc/hosts that has it")
        for _ in range(HEAD_TRIES):
            self.address = f"{host}:{free_port()}"
            if self.stop or self._listens():
                return
        words = self.head.last_words() if self.head else ""
        self._say(f"Ray's last words:\n{words}")
        raise StudyError(f"--nodes: Ray could not start a head on {self.allocation.node}; its words stand above")

    def _listens(self) -> bool:
        """Start a head at the chosen address and wait for it; False if it ended."""
        host, _, port = self.address.rpartition(":")
        self.head = RayNode(self.allocation, self.folder, head_options(host, int(port), free_port()))
        given_up_at = time.monotonic() + HEAD_SECONDS
        while self.head.alive and time.monotonic() < given_up_at and not self.stop:
            if head_state(self.address, 1.0) == "up":
                return True
            time.sleep(POLL_SECONDS)
        self.head.end()
        return False

    def _start_workers(self) -> None:
        """One step over the other nodes. Nothing waits for them: a study begins on the nodes that are there."""
        others = self.allocation.nodes - 1
        self.workers = subprocess.Popen(
            [
                *("srun", "-N", str(others), "-n", str(others), "-c", str(self.allocation.cpus)),
                *(f"--exclude={self.allocation.node}", "--no-kill", "--wait=0", "--kill-on-bad-exit=0"),
                *(sys.executable, "-m", "ablations", "cluster", "node"),
            ],
            stdin=subprocess.DEVNULL,
            # Slurm would make the folder of this node on the others
            env={name: value for name, value in os.environ.items() if name != "TMPDIR"},
        )

    def _run_study(self, options: Sequence[str]) -> int:
        if self.stop:
            return INTERRUPTED
        study = subprocess.Popen([sys.executable, "-m", "ablations", *self.command, *options], stdin=subprocess.DEVNULL)
        told = False
        while study.poll() is None:
            if self.stop and not told:
                told = True
                study.terminate()
            if self.head and not self.head.alive and not self.stop:
                self._restart_head()
            time.sleep(POLL_SECONDS)
        code = study.returncode if study.returncode >= 0 else 128 - study.returncode
        asked = f", asked to stop ({self.stop})" if self.stop else ""
        self._say(f"ablate {self.command[0]} ended with {code}{asked}")
        return code

    def _restart_head(self) -> None:
        """The head died and this node lives: `ablate run` waits for a new one at the same address."""
        assert self.head is not None
        self._say(f"Ray's head ended; it starts again. Its last words:\n{self.head.last_words()}")
        self.head.end()
        self._listens()

    def _end_ray(self) -> None:
        """End the workers, then the head. `srun` hands USR1 on; TERM would make it kill its step."""
        if self.workers is not None:
            end, next_signal = time.monotonic() + WORKER_END_SECONDS.get(self.stop, ENOUGH_SECONDS), 0.0
            while self.workers.poll() is None and time.monotonic() < end:
                if time.monotonic() >= next_signal:
                    self.workers.send_signal(signal.SIGUSR1)
                    next_signal = time.monotonic() + SIGNAL_SECONDS
                time.sleep(POLL_SECONDS)
            with suppress(ProcessLookupError):
                self.workers.kill()
        if self.head is not None:
            self.head.end()


def run_job(command: Sequence[str]) -> int:
    """Run a study, or `ablate doctor`, in this job.

    Args:
        command: Arguments of `ablate`, without `--address`.

    Returns:
        The exit code of the command.

    Raises:
        StudyError: Outside a job, or if Ray cannot start.
    """
    return Job(read_allocation(), command).run()
