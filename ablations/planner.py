"""What is left to do: trials wanted minus records present."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ablations.arms import Trial
from ablations.study import Study
from silhouette.results import FINISHED, Store

_COLUMNS = ("trial_id", "status", "seconds", "error", "epochs_reached")


@dataclass(frozen=True)
class Plan:
    """The trials of a study and what the store knows of them.

    Attributes:
        wanted: All trials of the study, in running order.
        status: Status by trial_id, of those that have a record.
        seconds: Duration of the finished ones.
        errors: Error text by trial_id, of those that failed or diverged.
    """

    wanted: list[Trial]
    status: dict[str, str]
    seconds: list[float]
    errors: dict[str, str]

    @property
    def to_run(self) -> list[Trial]:
        """Trials without a finished record; failed ones are tried again."""
        return [trial for trial in self.wanted if self.status.get(trial.trial_id) not in FINISHED]

    @property
    def incomplete(self) -> list[Trial]:
        """Trials without a complete record: these make the exit code 1."""
        return [trial for trial in self.wanted if self.status.get(trial.trial_id) != "complete"]

    def values(self, metric: str, store: Store) -> dict[str, float]:
        """A metric by trial_id, of the complete trials."""
        table = store.load(("trial_id", "status", metric))
        complete = table.filter(pc.and_(pc.equal(table["status"], "complete"), pc.is_valid(table[metric])))
        return dict(zip(complete["trial_id"].to_pylist(), complete[metric].to_pylist(), strict=True))

    @property
    def counts(self) -> Counter[str]:
        """Number of wanted trials by status; `missing` without a record."""
        return Counter(self.status.get(trial.trial_id, "missing") for trial in self.wanted)

    def expected_seconds(self, slots: int) -> float | None:
        """Time for the trials to run on `slots` at once, from past records; None without any."""
        if not self.seconds:
            return None
        return statistics.median(self.seconds) * len(self.to_run) / max(1, slots)


def make_plan(study: Study, store: Store) -> Plan:
    """Compare what `study` wants with what `store` holds."""
    table = store.load(_COLUMNS)
    wanted = list(study.trials())
    rows = {row["trial_id"]: row for row in _wanted_rows(table, wanted).to_pylist()}
    return Plan(
        wanted=wanted,
        status={i: row["status"] for i, row in rows.items()},
        seconds=[r["seconds"] for r in rows.values() if r["status"] in FINISHED and r["seconds"] is not None],
        errors={i: row["error"] for i, row in rows.items() if row["error"]},
    )


def _wanted_rows(table: pa.Table, wanted: list[Trial]) -> pa.Table:
    ids = pa.array([trial.trial_id for trial in wanted], pa.string())
    return table.filter(pc.is_in(table["trial_id"], value_set=ids))
