"""Compaction while a large study runs, so that `ablate status` and shutdown stay fast."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from silhouette.results import Store

POLL_SECONDS = 10.0
MAX_UNCOMPACTED = 1000
"""Records that are only in their own files. Each takes milliseconds to read, so this many take seconds."""
GROWTH = 4
"""A large study is copied again when it has grown by a quarter, so that copying takes a fixed share of its time."""
END_SECONDS = 2.0
"""How long the end of a run waits for a copy under way, if there is no deadline."""
RESULTS = "ABLATE_COMPACT_RESULTS"
"""The location reaches the process in its environment: other users can read a command line, and keys may be in it."""
COMPACT = f"""
import os, signal, sys
signal.signal(signal.SIGTERM, signal.default_int_handler)
os.nice(10)
from silhouette.results import Store
Store(os.environ[{RESULTS!r}], sys.argv[1]).compact()
"""


@contextmanager
def compacting(
    store: Store, begun: Callable[[], int], patience: Callable[[], float] = lambda: END_SECONDS
) -> Iterator[None]:
    """Copy the records into one file whenever many were added.

    A process of its own copies them, since reading records would block the driver's loop. If that process outlives the
    driver, or replaces a newer copy, no record is lost: readers also read the per-trial files.

    Args:
        store: Where the records are.
        begun: How many trials have begun since the run began: those that have ended, and the few that run.
        patience: Returns how many seconds the end may wait for a copy under way.
    """
    stop = threading.Event()
    thread = threading.Thread(target=_watch, args=(store, begun, stop), name="compaction", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(patience())  # a copy that takes longer ends by itself


def _watch(store: Store, begun: Callable[[], int], stop: threading.Event) -> None:
    at_start = copied = 0
    with suppress(OSError):  # a store that does not answer for a moment: then the first copy is made early
        at_start = len(store.trial_ids())
    while not stop.wait(POLL_SECONDS):
        now = begun()
        if now - copied >= max(MAX_UNCOMPACTED, (at_start + copied) // GROWTH):
            _compact(store, stop)
            copied = now


def _compact(store: Store, stop: threading.Event) -> None:
    """Make one copy. If it fails, the next one replaces it."""
    command, environment = [sys.executable, "-c", COMPACT, store.study], {**os.environ, RESULTS: store.uri}
    nowhere = subprocess.DEVNULL
    with suppress(OSError), subprocess.Popen(command, stdout=nowhere, stderr=nowhere, env=environment) as child:
        while child.poll() is None:
            if stop.wait(0.2):
                child.terminate()  # it removes its unfinished file; a run started with `&` in a script ignores SIGINT
                return
