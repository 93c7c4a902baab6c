"""Start a run again if Ray ends its process. Ray ends a driver at once, from C++, when its head or raylet is gone.

So the run is a child of this process, which waits for it and hands signals on. It imports nothing heavy.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

MAX_LOSSES = 3
"""How often a run starts again without a new record."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RAY_EXITS = (1, -signal.SIGABRT, -signal.SIGSEGV)
"""How a driver ends that Ray ends: a failed check in C++ aborts it."""
RECORD, ENDED = b"r", b"e"
PR_SET_PDEATHSIG = 1
SI_KERNEL = 128
"""The code of a signal that the terminal sends. The process id is no mark of one: it is 0 for each sender outside of a
container."""


class _Run:
    """What a run knows of its supervisor; without one, all is empty."""

    pipe: int | None = None
    predecessor: int | None = None
    noted = False


def predecessor() -> int | None:
    """Return the process id of the driver that this one replaces after Ray ended it; None for a first driver."""
    return _Run.predecessor


def note_record() -> None:
    """Tell the supervisor that there is a new record."""
    if _Run.pipe is not None and not _Run.noted:
        _Run.noted = True
        _tell(RECORD)


def supervised(act: Callable[[], int], end: Callable[[int], NoReturn]) -> int:
    """Run a command in a child process, and again if Ray ends it.

    Args:
        act: The command; returns its exit code.
        end: Ends the child with an exit code.

    Returns:
        The exit code: that of the command, 128 + signal if a signal killed it, 1 if Ray ended it `MAX_LOSSES` times
        without a new record.
    """
    if sys.platform != "linux":  # no other system ends a child with its parent
        return act()
    losses = 0
    while True:
        status, told, stopped = _attempt(act, end)
        if ENDED in told or stopped or status not in RAY_EXITS:
            return status if status >= 0 else 128 - status
        losses = 1 if RECORD in told else losses + 1
        if losses > MAX_LOSSES:
            _print(f"Ray ended this run {losses} times without a new record; see the head's log and its memory")
            return 1
        _print(f"Ray ended under this run; it starts again ({losses} of {MAX_LOSSES} without a new record)")


def _attempt(act: Callable[[], int], end: Callable[[int], NoReturn]) -> tuple[int, bytes, bool]:
    """One child: its exit code (negative: its signal), what it told, and whether a signal asked it to stop."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*STOP_SIGNALS, signal.SIGCHLD})
    reader, writer = os.pipe()
    parent, child = os.getpid(), os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(reader)
        _Run.pipe = writer
        _live_and_die_with(parent)
        end(_run(act))
    os.close(writer)
    try:
        status, stopped = _wait(child)
        return status, os.read(reader, 2), stopped
    finally:
        os.close(reader)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _Run.predecessor = child


def _run(act: Callable[[], int]) -> int:
    try:
        code = act()
    except SystemExit as error:  # bad usage
        code = error.code if isinstance(error.code, int) else 1
    except Exception:
        traceback.print_exc()
        code = 1
    _tell(ENDED)
    return code


def _wait(child: int) -> tuple[int, bool]:
    """Until a child has ended; signals are handed on. A terminal sends Ctrl-C to the child too, so that one is not."""
    stopped = False
    while True:
        found = signal.sigwaitinfo({*STOP_SIGNALS, signal.SIGCHLD})
        if found.si_signo in STOP_SIGNALS:
            stopped = True
            if found.si_code != SI_KERNEL:
                with suppress(ProcessLookupError):
                    os.kill(child, found.si_signo)
            continue
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status), stopped


def _live_and_die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)


def _tell(mark: bytes) -> None:
    if _Run.pipe is not None:
        with suppress(OSError):
            os.write(_Run.pipe, mark)


def _print(line: str) -> None:
    print(f"ablate: {line}", file=sys.stderr, flush=True)
