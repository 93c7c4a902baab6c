"""Ctrl-C, SIGTERM (a preempted node) and SIGHUP end a study in order, and soon."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_SECONDS = 8.0
"""A trial in the middle of a long epoch is not waited for; it goes on from its last checkpoint."""


class Interrupted(Exception):
    """Raised where a study was asked to stop; `code` is the exit code that says so."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


class Guard:
    """Turns the first signal into the orderly end of a Tune run, and into `Interrupted` on leaving; a context manager.

    Args:
        last_words: Called, before the process is ended, if the orderly end takes longer than `GRACE_SECONDS`.
    """

    def __init__(self, last_words: Callable[[Interrupted], None]) -> None:
        self.last_words = last_words
        self.seen: Interrupted | None = None

    def __enter__(self) -> Guard:
        """Begin to listen."""
        self._before = {number: signal.getsignal(number) for number in (*NUMBERS, signal.SIGUSR1)}
        self.arm()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Listen no more."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.seen is not None and kind is None:
            raise self.seen

    def arm(self) -> None:
        """Set the handlers; again after `ray.init`, which sets its own."""
        for number in NUMBERS:
            signal.signal(number, self._stop)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if self.seen is not None:  # the second signal does not wait
            _end(self.seen, self.last_words)
        self.seen = Interrupted(number)
        timer = threading.Timer(GRACE_SECONDS, _end, (self.seen, self.last_words))
        timer.daemon = True
        timer.start()
        if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
            raise self.seen
        os.kill(os.getpid(), signal.SIGUSR1)  # Tune has set its handler: its own way to be told


def _end(interruption: Interrupted, last_words: Callable[[Interrupted], None]) -> None:
    """End this process at once; Ray's processes of this machine end with it."""
    try:
        last_words(interruption)
    finally:
        os._exit(interruption.code)
