"""The Tune callbacks of a run, the same ones in both phases."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ray.tune import Callback

from ablations.console.live import LiveDisplay
from ablations.console.status import TrialUpdate
from ablations.driver.supervisor import note_record
from ablations.errors import StudyError
from ablations.state.admission import DOCTOR
from ablations.tracking.mirror import Mirror, TrialProgress
from ablations.workers.records import ended_report, failed_record
from ablations.workers.spec import Report, RunContext, SeedGroupSpec, TrialSpec
from ablations.workers.trainable import REPORT, SPEC
from silhouette.results import Store

if TYPE_CHECKING:
    from ray.tune.experiment import Trial as TuneTrial

MAX_FAILURES = 3
"""How often a group continues from its checkpoint after its process or node died."""
ADMISSION_ERROR = re.compile(r"StudyError: (--\w[\w-]*: .+)")
"""What a worker raises on a node that must not run trials."""
IMPORT_ERROR = re.compile(r"creation task.*\b((?:ModuleNotFound|Import|Attribute)Error: .+)", re.DOTALL)
"""What a worker raises if it cannot import the code of its trials."""


BegunTrial = tuple[RunContext, SeedGroupSpec, TrialSpec]


class GroupSource(Protocol):
    """A phase: it hands out seed groups and takes their reports. `SearchController` and `ConfirmTrials` are two."""

    context: RunContext
    given_up: set[str]

    @property
    def left(self) -> int:
        """Groups still to begin."""
        ...

    def next(self) -> SeedGroupSpec | None:
        """Return the next group; None where none is left."""
        ...

    def take(self, spec: SeedGroupSpec, report: Report) -> int | None:
        """Take a report; return the epoch at which the worker must stop the group, None to continue."""
        ...

    def again(self, spec: SeedGroupSpec) -> bool:
        """Put a group back on which Tune gave up; return False if that has happened before."""
        ...

    def end(self, spec: SeedGroupSpec, status: str) -> None:
        """Note the end of a group that has no worker."""
        ...

    def name(self, spec: SeedGroupSpec) -> str:
        """Return the name that messages and the display show."""
        ...

    def row(self, spec: SeedGroupSpec, report: Report) -> TrialUpdate:
        """Return what the display shows of a report."""
        ...


class WorkerFailureCallback(Callback):  # type: ignore[misc]  # Ray ships no types
    """Print a line for each lost worker; stop the study if a node must not run trials.

    Args:
        source: The phase that runs.
        display: Shows a line for each lost worker.
    """

    def __init__(self, source: GroupSource, display: LiveDisplay) -> None:
        self.source, self.display = source, display
        self._failures: dict[str, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore, which is not used."""
        return {}

    def on_trial_recover(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """Called when Tune starts a group again."""
        raise_if_not_admitted(trial)
        failures, before = trial.num_failures, self._failures.get(trial.trial_id, 0)
        self._failures[trial.trial_id] = failures
        if failures > before:
            what = f"lost its worker ({failures} of {MAX_FAILURES}: {cause_of(trial)[:160]})"
        else:
            what = "node preempted; not counted as a failure"
        self.display.note(f"{self.source.name(spec_of(trial))}: {what}; it continues from its newest checkpoint")

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """Called when Tune gives up on a group."""
        raise_if_not_admitted(trial)


class ReportCallback(Callback):  # type: ignore[misc]  # Ray ships no types
    """Hand every report to the phase, the display and the MLflow mirror.

    Args:
        source: The phase that runs.
        store: Where the records are.
        display: Shows groups.
        mirror: Shows trials in MLflow.
        begun: Takes what the mirror needs to know of each trial, by trial_id.

    Attributes:
        open: Groups that have begun and not ended, by id.
    """

    def __init__(
        self, source: GroupSource, store: Store, display: LiveDisplay, mirror: Mirror, begun: dict[str, BegunTrial]
    ) -> None:
        self.source, self.store, self.display, self.mirror, self.begun = source, store, display, mirror, begun
        self.open: dict[str, SeedGroupSpec] = {}
        self._began: dict[str, tuple[str, float]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore, which is not used."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """Called when a group gets its worker."""
        spec = spec_of(trial)
        self.open[spec.id] = spec
        self._began.setdefault(spec.id, (datetime.now(UTC).isoformat(timespec="milliseconds"), time.monotonic()))
        self.begun |= {own.trial_id: (self.source.context, spec, own) for own in spec.trials}
        self._show(spec, Report("running", {own.trial_id: [] for own in spec.trials}))

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **info: Any
    ) -> None:
        """Called for each report, before the worker's next step. Tune would keep the report, so it is removed."""
        spec, report = spec_of(trial), result.pop(REPORT)
        stop_at = self.source.take(spec, report)
        worker = trial.temporary_state.ray_actor
        if stop_at is not None and worker is not None:
            worker.stop_group.remote(stop_at)  # Ray keeps the order of calls, so this comes before the next step
        self._show(spec, report)
        for note in report.notes:
            self.display.note(note)

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """Called when Tune gives up on a group: it runs once more, or the driver writes failed records."""
        spec = spec_of(trial)
        if self._settle(spec) or self.source.again(spec):
            return
        records = self._write_failed(spec, f"no worker could train it to its end: {cause_of(trial)}")
        self.source.end(spec, "failed")
        self._show(spec, Report("failed", records=records))

    def open_trials(self) -> list[str]:
        """Return the ids of the trials that run; a candidate of the tune phase has one for each seed."""
        return [trial.trial_id for spec in list(self.open.values()) for trial in spec.trials]

    def settle(self, has_time: Callable[[], bool]) -> None:
        """Update the display and MLflow from the records: a worker may have ended a trial after its last report.

        Args:
            has_time: Asked before each group.
        """
        for spec in list(self.open.values()):
            if not (has_time() and self._settle(spec)):
                self.display.table.status.pop(self.source.name(spec), None)
        self.display.show()

    def _settle(self, spec: SeedGroupSpec) -> bool:
        """Read from its records how a group ended; return False if a record is missing."""
        with suppress(OSError):  # a store that does not answer for a moment
            records = [self.store.finished_record(trial.trial_id) for trial in spec.trials]
            found = [record for record in records if record is not None]
            if len(found) == len(spec.trials):
                report = ended_report(self.source.context, found)
                self.source.take(spec, report)
                self._show(spec, report)
                return True
        return False

    def _write_failed(self, spec: SeedGroupSpec, error: str) -> list[dict[str, Any]]:
        context, records = self.source.context, []
        with suppress(OSError):  # such as a full disk; the trial then counts as missing, and runs again
            for trial in spec.trials:
                record = failed_record(context, spec, trial, error, epochs_reached=0) | self._time_lost(spec)
                if self.store.write_failure(record):
                    records.append(record)
        return records

    def _time_lost(self, spec: SeedGroupSpec) -> dict[str, Any]:
        """When a group began, and the seconds since then for each of its trials: no worker could say them."""
        started_at, began = self._began.get(spec.id, (None, time.monotonic()))
        return {"started_at": started_at, "seconds": (time.monotonic() - began) / len(spec.trials)}

    def _show(self, spec: SeedGroupSpec, report: Report) -> None:
        if report.ended:
            self.open.pop(spec.id, None)
        records = {record["trial_id"]: record for record in report.records}
        if records:
            note_record()
        for trial in spec.trials:
            if trial.trial_id in report.rows or trial.trial_id in records:
                rows, record = report.rows.get(trial.trial_id, ()), records.get(trial.trial_id)
                self.mirror.report(TrialProgress(trial.trial_id, rows, record))
        self.display.update(self.source.row(spec, report))


def spec_of(trial: TuneTrial) -> SeedGroupSpec:
    """The seed group of a Tune trial."""
    spec: SeedGroupSpec = trial.config[SPEC]
    return spec


def raise_if_not_admitted(trial: TuneTrial) -> None:
    """End the study if a worker failed because its node must not run trials.

    Every other trial would fail there too, and a node that fails fast is always free for the next one.

    Raises:
        StudyError: With the worker's own message.
    """
    said = error_of(trial)
    if refused := ADMISSION_ERROR.search(said):
        raise StudyError(refused[1])
    if failed := IMPORT_ERROR.search(said):
        line = failed[1].splitlines()[0]
        raise StudyError(f"--address: a node lacks this version of the project ({line}); {DOCTOR}")


def cause_of(trial: TuneTrial) -> str:
    """Last line of what Tune knows of a failure. For a worker that was killed, Tune may know nothing."""
    return (error_of(trial).splitlines() or ["killed, out of memory, or its node was lost"])[-1]


def error_of(trial: TuneTrial) -> str:
    """All failures of a trial, the latest last, as Tune notes them on the driver's machine.

    `trial.get_error()` reads them where Tune copies them at the end of a run, so it finds nothing yet.
    """
    try:
        return Path(trial.error_file or os.devnull).read_text(errors="replace").strip()
    except OSError:  # a full disk
        return ""
