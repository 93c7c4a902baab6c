"""Ctrl-C, SIGTERM (a preempted node) and SIGHUP (a closed terminal) end a study in order, within seconds."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ablations.cluster.session import STOP_SIGNALS

REPEAT_SECONDS = {signal.SIGTERM: 2.0, signal.SIGHUP: 2.0, signal.SIGINT: 0.1}
"""A signal that comes again within so long is the same one: Slurm and a job's script, or a process and its group, each
send theirs. A person who presses Ctrl-C twice means it."""
GRACE_SECONDS = 8.0
"""From the signal to the end of the process. A trial in the middle of a long epoch continues from its checkpoint."""


class Interrupted(Exception):
    """Raised after a signal asked the study to stop; `code` is the exit code for that signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number
        self.number, self.came_at = number, time.monotonic()
        self.timer: threading.Timer | None = None

    def is_repeated_by(self, number: int) -> bool:
        """Return True if a signal that comes now is this one, sent again."""
        return number == self.number and time.monotonic() - self.came_at < REPEAT_SECONDS.get(signal.Signals(number), 0)

    def ended_in_order(self) -> None:
        """Note that nothing is left to do: a process that called `run_study`, such as a notebook, lives on."""
        if self.timer is not None:
            self.timer.cancel()


class Deadline:
    """The end of a run. Tune, the MLflow mirror and compaction share it.

    Without a signal there is none. The first signal sets it `GRACE_SECONDS` ahead.

    Args:
        clock: Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end: float | None = None

    def start(self) -> None:
        """Set the end, unless it is set already."""
        if self._end is None:
            self._end = self._clock() + GRACE_SECONDS

    def left(self, at_most: float, reserve: float = 0.0) -> float:
        """Return the seconds that a part of the end may take.

        Args:
            at_most: What it may take without a deadline.
            reserve: Seconds that belong to the parts after it.
        """
        return at_most if self._end is None else max(0.0, min(at_most, self._end - self._clock() - reserve))


_seen: list[Interrupted] = []
"""The signals of this process's study; the first one counts."""


def is_interrupted() -> bool:
    """Return True if a signal has come since `interruptible` was entered."""
    return bool(_seen)


def raise_if_interrupted() -> None:
    """Raise if a signal has come. After a signal, Tune ends its run in order and returns as after a full run.

    Raises:
        Interrupted: If one has come since `interruptible` was entered.
    """
    if _seen:
        raise _seen[0]


@contextmanager
def interruptible(
    deadline: Deadline, announce: Callable[[Interrupted], None], last_act: Callable[[Interrupted], None]
) -> Iterator[None]:
    """End a Tune run in order at the first signal; raise `Interrupted` when the block ends.

    Args:
        deadline: Started by the first signal.
        announce: Called at once, from a thread of its own.
        last_act: Called before the process is ended, if the shutdown takes longer than the deadline allows.
    """
    _seen.clear()

    def stop(number: int, _frame: FrameType | None) -> None:
        if _seen and _seen[0].is_repeated_by(number):
            return
        if _seen:  # the second signal ends the process at once
            _end(_seen[0], last_act)
        _seen.append(Interrupted(number))
        deadline.start()
        # not in here: a signal can come while the main thread prints
        _start(threading.Thread(target=announce, args=(_seen[0],)))
        _seen[0].timer = timer = threading.Timer(GRACE_SECONDS, _end, (_seen[0], last_act))
        _start(timer)
        if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
            raise _seen[0]
        os.kill(os.getpid(), signal.SIGUSR1)  # Tune has set its handler for it, and ends its run

    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    usual = signal.getsignal(signal.SIGUSR1)
    try:
        yield
    except Exception:
        # if Interrupted is raised during an import, the import may raise another error instead
        raise_if_interrupted()
        raise
    finally:
        signal.signal(signal.SIGUSR1, usual)
        for number, handler in before.items():
            signal.signal(number, handler)
    raise_if_interrupted()


def _start(thread: threading.Thread) -> None:
    thread.daemon = True
    thread.start()


def _end(interruption: Interrupted, last_act: Callable[[Interrupted], None]) -> None:
    """End this process at once; Ray's processes of this machine end with it."""
    try:
        last_act(interruption)
    finally:
        os._exit(interruption.code)
