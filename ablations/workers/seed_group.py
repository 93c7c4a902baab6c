"""One seed group: seeds of one config that train in lock-step, from first epoch or checkpoint to their records."""

from __future__ import annotations

import gc
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ablations.cluster.place import Place
from ablations.state.checkpoints import Checkpoints
from ablations.state.provenance import host_columns, plugin_sources, source_digest
from ablations.workers.experiment import Experiment, experiment_for, load_experiment
from ablations.workers.keeping import keep_trial, write_record_first
from ablations.workers.outcomes import check_status, fault_of_rows, numbered, outcome_of
from ablations.workers.records import ended_report, failed_record, group_means, identity, lost_seconds
from ablations.workers.spec import Report, Rows, RunContext, SeedGroupSpec, TrialSpec
from silhouette.config import make_config
from silhouette.results import Store

REPORT_SECONDS = 1.0
"""Short epochs are reported together, since each report costs the driver milliseconds."""
MAX_ERROR = 4000
"""Characters of a traceback that a record keeps: its end."""


class SeedGroup:
    """Trains the seeds of a group and writes their records. Knows nothing of Ray.

    Args:
        context: What all groups of the phase share.
        spec: The group.
        place: Where it runs.

    Attributes:
        status: `running` until the records are written, then the worst status of them.
        trainings: One experiment for each seed, while the group trains.
    """

    def __init__(self, context: RunContext, spec: SeedGroupSpec, place: Place = Place()) -> None:  # noqa: B008
        self.context, self.spec, self.place = context, spec, place
        self.store = Store(context.results, context.study)
        self.checkpoints = Checkpoints(self.store, spec.id, context.checkpoint_seconds)
        self.status = "running"
        self.trainings: list[Experiment] = []
        self._started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._earlier_seconds, self._start = 0.0, time.perf_counter()
        self._reported = 0
        self._retried = False
        self._stop_at: int | None = None

    def step(self) -> Report:
        """Train all seeds for one epoch, or for a second of short ones, but never past a rung.

        After the first exception the group starts again from its newest checkpoint. The second exception becomes the
        error of the records. A GPU that is out of memory would fail again, so there is no second try.
        """
        reported = self._reported
        try:
            return self._step()
        except Exception as error:  # whatever a trial raises must not end the study
            if self._retried or _is_out_of_memory(error):
                return self._fail("".join(traceback.format_exception(error))[-MAX_ERROR:])
            self._retried, self.trainings, self._reported = True, [], reported  # the lost report is made again
            return Report(self.status)
        finally:
            if not self.trainings:
                _free_memory()

    def stop(self, epoch: int) -> None:
        """Take the decision of the search: the group ends at this epoch, or at once if it is already beyond it.

        The epoch is that of the rung, not the present one: a worker that replaces a lost one may be behind it.
        """
        self._stop_at = epoch

    def save(self) -> None:
        """Write a checkpoint, if the group has begun and not ended."""
        if self.trainings and self.status == "running" and self._epoch > 0:
            self.checkpoints.save(self._epoch, self._state())

    def _step(self) -> Report:
        written = None if self.trainings else self._written()
        if written is not None:
            return written
        self.trainings = self.trainings or self._begin()
        start = time.perf_counter()
        while not (self._has_ended() or self._is_at_new_rung()):
            self._train_epoch()
            if time.perf_counter() - start >= REPORT_SECONDS:
                break
        rows = self._new_rows()
        status, error = fault_of_rows((row for own in rows.values() for row in own), self.context.metric)
        if error:
            return self._fail(error, status)
        if self._has_ended():
            return self._finish(rows)
        self.checkpoints.save_if_due(self._epoch, self._state())
        return Report(self.status, rows, group_means(self.context, rows), at_rung=self._epoch in self.context.rungs)

    @property
    def _planned(self) -> int | None:
        return self.spec.config(self.context).get("epochs")

    @property
    def _epoch(self) -> int:
        return min((training.epoch for training in self.trainings), default=0)

    def _train_epoch(self) -> None:
        for training in self.trainings:
            training.step()
            check_status(training, self._planned)
            if training.status == "diverged":  # the group has ended: the other seeds need not continue
                return

    def _has_ended(self) -> bool:
        statuses = {training.status for training in self.trainings}
        stopped = self._stop_at is not None and self._epoch >= self._stop_at
        return "diverged" in statuses or statuses == {"complete"} or stopped

    def _is_at_new_rung(self) -> bool:
        """Whether the search has not decided on this epoch, which may also be that of a checkpoint."""
        return self._epoch in self.context.rungs and self._reported < self._epoch

    def _begin(self) -> list[Experiment]:
        """The experiments, as the newest checkpoint has them.

        A checkpoint that other code wrote is not continued: a record stands for one code from its first epoch on.
        """
        state, trainings = self.checkpoints.newest(), self._build()
        if state is None or any(state.get(key) != now for key, now in self._code().items()):
            return trainings
        try:
            for training, own in zip(trainings, state["trainings"], strict=True):
                training.load_state_dict(own)
            self._started_at, self._earlier_seconds = state["started_at"], state["seconds"]
        except Exception:  # an experiment may reject a state by any error
            return self._build()
        return trainings

    def _build(self) -> list[Experiment]:
        name = self.context.experiment
        config: Any = make_config(self.spec.config(self.context), load_experiment(name).Config)
        experiment = experiment_for(name, config)
        threads = self.context.threads
        return [experiment(config, trial.seed, threads=threads) for trial in self.spec.trials]

    def _state(self) -> dict[str, Any]:
        states = [training.state_dict() for training in self.trainings]
        times = {"started_at": self._started_at, "seconds": self._seconds()}
        return {"trainings": states, **self._code(), **times}

    @property
    def _plugins(self) -> tuple[str, ...]:
        return self.spec.plugins(self.context)

    def _code(self) -> dict[str, Any]:
        """Digests of the project and of what is a person's own in the trials."""
        own = {"plugins": plugin_sources(self._plugins)} if self._plugins else {}
        return {"source_sha256": source_digest(), **own}

    def _seconds(self) -> float:
        return self._earlier_seconds + time.perf_counter() - self._start

    def _new_rows(self) -> dict[str, Rows]:
        reported, self._reported = self._reported, self._epoch
        pairs = zip(self.spec.trials, self.trainings, strict=True)
        return {trial.trial_id: numbered(training.curve, reported) for trial, training in pairs}

    def _written(self) -> Report | None:
        """Return the end that an earlier worker wrote before it was lost; None if records are missing.

        If some records exist, they give the epoch at which the search stopped the group.
        """
        records = [r for trial in self.spec.trials if (r := self.store.finished_record(trial.trial_id))]
        if len(records) < len(self.spec.trials):
            stopped = [record["epochs_reached"] for record in records if record["status"] == "stopped"]
            if stopped:  # a decision that this worker has taken stays
                self._stop_at = max(stopped)
            return None
        return self._end(records)

    def _finish(self, rows: Mapping[str, Rows]) -> Report:
        """Write the records. Test data are read in the confirm phase only."""
        pairs = list(zip(self.spec.trials, self.trainings, strict=True))
        test, planned = self.spec.phase == "confirm", self._planned
        reports, bits = self.context.reports, self.context.max_test_bits
        outcomes = [outcome_of(t, planned, test=test, reports=reports, max_bits=bits) for t in self.trainings]
        records = [self._record(trial, outcome) for (trial, _), outcome in zip(pairs, outcomes, strict=True)]
        return self._write(records, rows, self._keep(pairs, outcomes))

    def _keep(self, pairs: Sequence[tuple[TrialSpec, Experiment]], outcomes: Sequence[Mapping[str, Any]]) -> list[str]:
        """Keep what the study asks for, of complete confirm trials; returns a line for each that could not be kept."""
        if self.context.keep == "none" or self.spec.phase != "confirm":
            return []
        kept = (
            keep_trial(self.store, trial.trial_id, self.context.keep, training)
            for (trial, training), outcome in zip(pairs, outcomes, strict=True)
            if outcome["status"] == "complete"
        )
        return [note for note in kept if note]

    def _fail(self, error: str, status: str = "failed") -> Report:
        """Write the error for every trial that has no finished record: a record that is written stays."""
        reached = self._epoch
        records = [self._finished(trial) or self._failed(trial, error, reached, status) for trial in self.spec.trials]
        return self._write(records, {})

    def _finished(self, trial: TrialSpec) -> dict[str, Any] | None:
        with suppress(OSError):  # a store that does not answer; writing will wait for it
            return self.store.finished_record(trial.trial_id)
        return None

    def _failed(self, trial: TrialSpec, error: str, reached: int, status: str) -> dict[str, Any]:
        return self._record(trial, failed_record(self.context, self.spec, trial, error, reached) | {"status": status})

    def _record(self, trial: TrialSpec, outcome: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **identity(self.context, self.spec, trial),
            "started_at": self._started_at,
            "seconds": self._seconds() / len(self.spec.trials),  # the seeds took turns
            "earlier_seconds": lost_seconds(self.store, trial.trial_id),
            **self.place._asdict(),
            **host_columns(self._plugins),
            **outcome,
        }

    def _write(self, records: list[dict[str, Any]], rows: Mapping[str, Rows], notes: Sequence[str] = ()) -> Report:
        lost = [note for record in records if (note := write_record_first(self.store, record))]
        return self._end(records, rows, [*notes, *lost])

    def _end(
        self, records: list[dict[str, Any]], rows: Mapping[str, Rows] | None = None, notes: Sequence[str] = ()
    ) -> Report:
        """Drop experiments and checkpoints: the records are written."""
        report = ended_report(self.context, records, rows, notes)
        self.status, self.trainings = report.status, []
        self.checkpoints.clear()
        return report


def _free_memory() -> None:
    """Release the GPU memory of a group that ended, so that the next one on this GPU can use it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


def _is_out_of_memory(error: Exception) -> bool:
    """Whether a GPU had no memory left."""
    return type(error).__name__ == "OutOfMemoryError"
