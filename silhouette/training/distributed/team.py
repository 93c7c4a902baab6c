"""The processes of a training, as the worker that starts them sees them: call them, and end all if one is lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from silhouette.errors import InputError
from silhouette.training.distributed.messages import receive, send

TIMEOUT_SECONDS = 300.0
"""After so long without the others a process gives up, in the start and in a step; rank 0 evaluates alone."""
SETTLE_SECONDS = 2.0
"""When one process fails the others do too; so long it takes at most until all have said why."""


class LostProcess(RuntimeError):
    """A process of a training has ended, or does not answer the others."""


class Team:
    """Processes that train together. They end with this object, and with the process that made it.

    Args:
        starts: What each process gets to know, by rank.

    Raises:
        InputError: If the trial cannot be trained.
        LostProcess: If a process does not start.
    """

    def __init__(self, starts: Sequence[dict[str, Any]]) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self._connections: list[Connection] = []
        self._end = weakref.finalize(self, _end, self._processes, self._connections)
        # on this machine alone: the store that the processes find each other by would else listen on all interfaces
        with socket.create_server(("127.0.0.1", 0)) as listener:
            shared = {"port": listener.getsockname()[1], "listener": listener.fileno(), "timeout": TIMEOUT_SECONDS}
            for rank in range(len(starts)):
                self._start(listener.fileno() if rank == 0 else None)
        self.call("start", [{**start, **shared} for start in starts])

    def _start(self, listener: int | None) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            fd = theirs.fileno()
            command = [sys.executable, "-m", "silhouette.training.distributed.process", str(fd)]
            handed = (fd,) if listener is None else (fd, listener)
            process = subprocess.Popen(command, pass_fds=handed, env=_environment(), start_new_session=True)
        self._processes.append(process)
        self._connections.append(Connection(ours.detach()))

    @property
    def pids(self) -> list[int]:
        """Process ids, by rank."""
        return [process.pid for process in self._processes]

    def call(self, name: str, arguments: Sequence[Any]) -> list[Any]:
        """Send a command to the first processes, one argument to each, and return what they answer.

        Raises:
            InputError: If the trial cannot be trained.
            LostProcess: If one has ended.
            torch.OutOfMemoryError: If the GPU of one has no memory left.
            RuntimeError: If one raised something else. After any error all processes are ended.
        """
        called = self._connections[: len(arguments)]
        try:
            for connection, argument in zip(called, arguments, strict=True):
                with suppress(OSError):  # it has ended, which is found below
                    send(connection, (name, argument))
            return self._answers(called)
        except BaseException:
            self.close()
            raise

    def _answers(self, called: list[Connection]) -> list[Any]:
        answers: dict[int, Any] = {}
        faults: dict[int, tuple[str, str] | None] = {}
        deadline = None
        while len(answers) + len(faults) < len(called) and (deadline is None or time.monotonic() < deadline):
            waiting = [one for rank, one in enumerate(called) if rank not in answers and rank not in faults]
            for ready in wait(waiting, None if deadline is None else max(0.0, deadline - time.monotonic())):
                rank = called.index(ready)  # type: ignore[arg-type]
                try:
                    state, value = receive(called[rank])
                except (EOFError, OSError):
                    state, value = "error", None
                (answers if state == "ok" else faults)[rank] = value
            if faults and deadline is None:
                deadline = time.monotonic() + SETTLE_SECONDS
        if faults:
            self._raise(faults)
        return [answers[rank] for rank in range(len(called))]

    def _raise(self, faults: dict[int, Any]) -> None:
        """Raise what went wrong first: a lost process makes the others fail, and so does one out of memory."""
        for rank in (rank for rank, fault in faults.items() if fault is None):
            code = self._processes[rank].wait(SETTLE_SECONDS) if self._has_ended(rank) else None
            raise LostProcess(f"process {rank} of {len(self._processes)} was lost: {_how(code)}")
        for kind, error in (("input", InputError), ("memory", torch.OutOfMemoryError), ("other", RuntimeError)):
            for rank, fault in faults.items():
                if fault[0] == kind:
                    where = "" if kind == "input" else f"process {rank} of {len(self._processes)}: "
                    raise error(where + fault[1])

    def _has_ended(self, rank: int) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self._processes[rank].wait(SETTLE_SECONDS)
        return self._processes[rank].returncode is not None

    def close(self) -> None:
        """End all processes."""
        self._end()


def _end(processes: list[subprocess.Popen[bytes]], connections: list[Connection]) -> None:
    for connection in connections:
        connection.close()  # a process ends when it finds this
    for process in processes:
        process.kill()  # one that is stopped, or in a call that does not return
    for process in processes:
        process.wait()


def _environment() -> dict[str, str]:
    """Return the environment of a process: it imports what this one can, and speaks on this machine alone."""
    local = {"GLOO_SOCKET_IFNAME": _loopback(), "NCCL_SOCKET_IFNAME": _loopback()}
    return {**os.environ, **local, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}


def _loopback() -> str:
    """Return the name of the interface of 127.0.0.1: `lo`, or `lo0` on macOS."""
    names = [name for _, name in socket.if_nameindex()]
    return next((name for name in ("lo", "lo0") if name in names), "lo")


def _how(code: int | None) -> str:
    """Return how a process ended, in words.

    >>> _how(-9), _how(1)
    ('signal SIGKILL', 'exit code 1')
    """
    if code is None:
        return "it does not answer"
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
