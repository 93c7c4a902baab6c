"""The MLflow mirror: logs what happens in a study to MLflow, in its own thread. The driver never waits for it."""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ablations.errors import StudyError, first_line
from ablations.state.lock import living_driver
from ablations.tracking.mlflow_runs import MLFLOW_ENV, MlflowRuns
from silhouette.errors import without_secret

FLUSH_SECONDS = 1.0
MAX_QUEUE = 100_000
"""Reports that wait at most; each is about a kilobyte. `ablate sync` delivers what does not fit."""
MAX_PAUSE = 30.0
"""Longest pause between two attempts to deliver, in seconds."""
CLOSE_SECONDS = 20.0
POLL_SECONDS = 0.1
"""How often the end asks whether it may still wait."""
MAX_MESSAGE = 120


@dataclass(frozen=True)
class TrialProgress:
    """What the mirror is told of a trial.

    Attributes:
        trial_id: Which trial.
        rows: New rows of its curve.
        record: Its record, once it has ended.
    """

    trial_id: str
    rows: Sequence[Mapping[str, Any]] = ()
    record: Mapping[str, Any] | None = None


_Delivery = tuple[list[Mapping[str, Any]], Mapping[str, Any] | None]
"""New epochs of a trial, and its record if it has one."""


class Mirror(threading.Thread):
    """Delivers the reports of trials to `MlflowRuns`. Its callers only put them into a queue.

    Args:
        runs: Where to deliver.
        spec_of: Returns what the worker of a trial was sent, by trial_id.
        warn: Called at most once, with one line, when the server does not answer.
    """

    def __init__(
        self, runs: MlflowRuns, spec_of: Callable[[str], Mapping[str, Any]], warn: Callable[[str], None]
    ) -> None:
        super().__init__(name="mlflow-mirror", daemon=True)
        self.runs, self.spec_of, self.warn = runs, spec_of, warn
        self.events: queue.Queue[TrialProgress] = queue.Queue(MAX_QUEUE)
        self.dropped = False
        self.warned = False
        self.closing = threading.Event()
        self.counts: Mapping[str, int] = {}

    def report(self, progress: TrialProgress) -> None:
        """Take the progress of a trial, without waiting. If the queue is full, `ablate sync` delivers it later."""
        try:
            self.events.put_nowait(progress)
        except queue.Full:
            self.dropped = True

    def close(self, counts: Mapping[str, int], patience: Callable[[], float] = lambda: CLOSE_SECONDS) -> bool:
        """Deliver what is left, and end the parent run.

        Args:
            counts: Number of trials by status.
            patience: Returns how many seconds the end may still wait. It is asked again and again, since a signal
                can come meanwhile; the first answer is the limit of all.

        Returns:
            True if MLflow has everything.
        """
        self.counts = counts
        self.closing.set()
        end = time.monotonic() + patience()
        while self.is_alive() and (left := min(end - time.monotonic(), patience())) > 0:
            self.join(min(left, POLL_SECONDS))
        return not (self.is_alive() or self.dropped)

    def run(self) -> None:
        """Deliver once a second until the study has ended and everything is delivered."""
        self._deliver(self.runs.open)
        self._deliver(partial(show_missed_records, self.runs))  # of an earlier run that was interrupted
        while not (self.closing.is_set() and self.events.empty()):
            for trial_id, (rows, record) in self._take().items():
                self._deliver(partial(self.runs.show, self.spec_of(trial_id), rows, record))
                if self.dropped and self.closing.is_set():
                    return  # the server does not answer, and the driver does not wait for it any more
        self._deliver(partial(show_missed_records, self.runs))  # of trials that ended during an interrupt
        self._deliver(lambda: self.runs.close(self.counts))

    def _take(self) -> dict[str, _Delivery]:
        """What has been reported since the last call, by trial_id."""
        found: dict[str, _Delivery] = {}
        self.closing.wait(FLUSH_SECONDS)
        for _ in range(MAX_QUEUE):  # everything that waits: then more rows share a call if calls are slow
            try:
                event = self.events.get_nowait()
            except queue.Empty:
                break
            rows, record = found.get(event.trial_id, ([], None))
            rows.extend(event.rows)
            found[event.trial_id] = (rows, event.record or record)
        return found

    def _deliver(self, call: Callable[[], None]) -> None:
        """Call until it succeeds; once the study has ended, at most once more."""
        pause = 1.0
        while True:
            last = self.closing.is_set()
            try:
                return call()
            except Exception as error:  # an MLflow server may fail in any way; the study must continue
                self._warn_once(error)
            if last:
                self.dropped = True
                return None
            self.closing.wait(pause)
            pause = min(MAX_PAUSE, 2 * pause)

    def _warn_once(self, error: Exception) -> None:
        if self.warned:
            return
        self.warned = True
        reason = f"{type(error).__name__}: {first_line(error)[:MAX_MESSAGE]}"
        line = f"MLflow at {self.runs.uri} does not answer ({reason}); "
        line += f"the study continues, and `ablate sync {self.runs.store.study}` completes the view"
        self.warn(without_secret(line))  # the error may contain the URI too


def show_missed_records(runs: MlflowRuns) -> None:
    """End the runs of trials that have a record although MLflow shows them as running.

    A driver that was interrupted may not have delivered them.
    """
    for trial_id in runs.unfinished():
        record = runs.store.finished_record(trial_id)
        if record is not None:
            _show_record(runs, record)


def sync(runs: MlflowRuns) -> int:
    """Bring all runs in line with the records and the report. Calling it again changes nothing.

    Returns:
        Number of trials shown.

    Raises:
        StudyError: If the MLflow server or database does not answer.
    """
    os.environ.update(MLFLOW_ENV)
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return _sync(runs)
    except (MlflowException, SQLAlchemyError) as error:
        reason = first_line(error)[:160]
        line = f"--mlflow: must be an MLflow server or database that answers ({reason}), got {runs.uri}"
        raise StudyError(without_secret(line)) from None  # the error may contain the URI too


def _sync(runs: MlflowRuns) -> int:
    records = runs.store.load().to_pylist(maps_as_pydicts="strict")
    for record in records:
        _show_record(runs, record)
    driver = living_driver(runs.store) or {}
    runs.close_stale([*(record["trial_id"] for record in records), *driver.get("running", ())])
    runs.attach_report()
    if not driver:
        runs.close(Counter(record["status"] for record in records))
    return len(records)


def _show_record(runs: MlflowRuns, record: Mapping[str, Any]) -> None:
    spec = {**record, "config": json.loads(record["config"] or "{}")}
    runs.show(spec, record["curve"] or (), record)
