"""Ctrl-C, SIGTERM (a preempted node) and SIGHUP end a study in order, and soon."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ablations.cluster.session import STOP_SIGNALS

GRACE_SECONDS = 8.0
"""A trial in the middle of a long epoch is not waited for; it goes on from its last checkpoint."""


class Interrupted(Exception):
    """Raised where a study was asked to stop; `code` is the exit code that says so."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


_seen: list[Interrupted] = []
"""The signals of this process's study; the first one counts."""


def raise_if_interrupted() -> None:
    """Leave, if a signal has come: Tune ends its run in order then, and returns as if it had come to its end.

    Raises:
        Interrupted: If one has come since `interruptible` was entered.
    """
    if _seen:
        raise _seen[0]


@contextmanager
def interruptible(last_words: Callable[[Interrupted], None]) -> Iterator[None]:
    """Turn the first signal into the orderly end of a Tune run, and into `Interrupted` on leaving.

    Args:
        last_words: Called, before the process is ended, if the orderly end takes longer than `GRACE_SECONDS`.
    """
    _seen.clear()

    def stop(number: int, _frame: FrameType | None) -> None:
        if _seen:  # the second signal does not wait
            _end(_seen[0], last_words)
        _seen.append(Interrupted(number))
        timer = threading.Timer(GRACE_SECONDS, _end, (_seen[0], last_words))
        timer.daemon = True
        timer.start()
        if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
            raise _seen[0]
        os.kill(os.getpid(), signal.SIGUSR1)  # Tune has set its handler: its own way to be told

    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    usual = signal.getsignal(signal.SIGUSR1)
    try:
        yield
    except Exception:
        # raised in the middle of an import, say, an Interrupted may come back as an error of another kind
        raise_if_interrupted()
        raise
    finally:
        signal.signal(signal.SIGUSR1, usual)
        for number, handler in before.items():
            signal.signal(number, handler)
    raise_if_interrupted()


def _end(interruption: Interrupted, last_words: Callable[[Interrupted], None]) -> None:
    """End this process at once; Ray's processes of this machine end with it."""
    try:
        last_words(interruption)
    finally:
        os._exit(interruption.code)
