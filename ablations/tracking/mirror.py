"""The MLflow mirror: delivers what happens in a study, from a thread of its own and never in the way."""

from __future__ import annotations

import json
import queue
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ablations.state.lock import living_driver
from ablations.tracking.mlflow_runs import MlflowRuns
from silhouette.errors import without_secret

FLUSH_SECONDS = 1.0
MAX_QUEUE = 100_000
"""Reports that wait at most; each is about a kilobyte. Beyond that they are left to `ablate sync`."""
MAX_PAUSE = 30.0
CLOSE_SECONDS = 20.0


class Mirror(threading.Thread):
    """Delivers what happens in a study to its `MlflowRuns`; its callers only ever put something into a queue.

    Args:
        view: Where to deliver to.
        spec_of: What the worker of a trial was sent, by trial_id.
        warn: Called at most once, with one line, when the server does not answer.
    """

    def __init__(
        self, view: MlflowRuns, spec_of: Callable[[str], Mapping[str, Any]], warn: Callable[[str], None]
    ) -> None:
        super().__init__(name="mlflow-mirror", daemon=True)
        self.view, self.spec_of, self.warn = view, spec_of, warn
        self.events: queue.Queue[Mapping[str, Any]] = queue.Queue(MAX_QUEUE)
        self.dropped = False
        self.warned = False
        self.closing = threading.Event()
        self.counts: Mapping[str, int] = {}

    def report(self, report: Mapping[str, Any]) -> None:
        """Take what a trial reports; never waits. What does not fit any more is left to `ablate sync`."""
        try:
            self.events.put_nowait(report)
        except queue.Full:
            self.dropped = True

    def close(self, counts: Mapping[str, int]) -> bool:
        """Deliver the rest; returns whether all has arrived within the time allowed."""
        self.counts = counts
        self.closing.set()
        self.join(CLOSE_SECONDS)
        return not (self.is_alive() or self.dropped)

    def run(self) -> None:
        """Flush once a second, or sooner when much has come, until the study has ended and all is delivered."""
        self._insist(self.view.open)
        while not (self.closing.is_set() and self.events.empty()):
            for trial_id, (rows, record) in self._gather().items():
                self._insist(partial(self.view.show, self.spec_of(trial_id), rows, record))
                if self.dropped and self.closing.is_set():
                    return  # the server is away and nobody waits for it any longer
        self._insist(lambda: self.view.close(self.counts))

    def _gather(self) -> dict[str, tuple[list[Mapping[str, Any]], Mapping[str, Any] | None]]:
        """What came since the last flush: the new epochs and the record, if any, by trial_id."""
        found: dict[str, tuple[list[Mapping[str, Any]], Mapping[str, Any] | None]] = {}
        self.closing.wait(FLUSH_SECONDS)
        for _ in range(MAX_QUEUE):  # all that waits: the longer a flush takes, the more rows share a call
            try:
                event = self.events.get_nowait()
            except queue.Empty:
                break
            rows, record = found.get(event["trial_id"], ([], None))
            rows.extend(event["rows"])
            found[event["trial_id"]] = (rows, event.get("record", record))
        return found

    def _insist(self, deliver: Callable[[], None]) -> None:
        """Try until it works; once the study has ended, try once more and leave it."""
        pause = 1.0
        while True:
            last = self.closing.is_set()
            try:
                return deliver()
            except Exception as error:  # an MLflow server may fail in any way; the study must not
                self._warn_once(error)
            if last:
                self.dropped = True
                return None
            self.closing.wait(pause)
            pause = min(MAX_PAUSE, 2 * pause)

    def _warn_once(self, error: Exception) -> None:
        if not self.warned:
            first = (str(error).strip().splitlines() or [""])[0][:120]
            line = f"MLflow at {self.view.uri} does not answer ({type(error).__name__}: {first}); "
            line += f"the study goes on, and `ablate sync {self.view.store.study}` completes the view"
            self.warn(without_secret(line))  # an error too may hold the URI
        self.warned = True


def sync(view: MlflowRuns) -> int:
    """Bring the whole view in line with the records and the report; running it again changes nothing.

    Returns:
        Number of trials shown.
    """
    records = view.store.load().to_pylist()
    for record in records:
        view.show({**record, "config": json.loads(record["config"] or "{}")}, record["curve"] or (), record)
    driver = living_driver(view.store) or {}
    view.close_stale([*(record["trial_id"] for record in records), *driver.get("running", ())])
    view.attach_report()
    if not driver:
        view.close(Counter(record["status"] for record in records))
    return len(records)
