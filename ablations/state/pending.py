"""Pending trials: those of the study without a finished record, and the time that they will take."""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ablations.design.arms import Trial
from ablations.design.budgets.declared import ended_seeds
from ablations.design.plans.fit import FILE
from ablations.design.seeds.stopping import UNTIL_DECIDED
from ablations.design.study import Study
from ablations.formatting import counted
from ablations.state.decisions import wanted_seeds
from silhouette.measured import metric_column, metric_columns
from silhouette.results import FINISHED, Store

_COLUMNS = ("trial_id", "status", "arm", "seconds", "epochs_reached", "error", "device")
_SIMILAR = ("dataset", "encoder", "objective")
"""Settings that decide most of the time that an epoch takes."""


@dataclass(frozen=True)
class StudyState:
    """The trials of a study, and what their records say.

    Attributes:
        wanted: All trials of the study, in running order.
        status: Status by trial_id, of those that have a record.
        errors: Error text by trial_id, of those that failed or diverged.
        pace: Seconds per epoch by arm label, from finished trials.
        gpu: Whether these trials ran on a GPU.
    """

    wanted: list[Trial]
    status: Mapping[str, str]
    errors: Mapping[str, str]
    pace: Mapping[str, float]
    gpu: bool = False

    @cached_property
    def to_run(self) -> list[Trial]:
        """Trials without a finished record; failed trials run again."""
        return [trial for trial in self.wanted if self.status.get(trial.trial_id) not in FINISHED]

    @cached_property
    def incomplete(self) -> list[Trial]:
        """Trials without a complete record; if there are any, the exit code is 1."""
        return [trial for trial in self.wanted if self.status.get(trial.trial_id) != "complete"]

    def needed(self, seeds_of: Mapping[str, int], seeds: Sequence[int]) -> StudyState:
        """The same without the trials of seeds that an arm does not need.

        Args:
            seeds_of: How many of the first seeds each arm needs, by label.
            seeds: The seeds of the study, in their order.
        """
        place = {seed: n for n, seed in enumerate(seeds, 1)}
        return replace(self, wanted=[t for t in self.wanted if place[t.seed] <= seeds_of.get(t.arm.label, 0)])

    def summary(self) -> str:
        """Numbers of trials planned, finished and to run, in one line."""
        planned, left = len(self.wanted), len(self.to_run)
        return f"{counted(planned, 'trial')} planned, {planned - left} finished, {left} to run"

    def counts(self) -> Counter[str]:
        """Number of trials by status; `missing` without a record."""
        return Counter(self.status.get(trial.trial_id, "missing") for trial in self.wanted)

    def values(self, metric: str, store: Store) -> dict[str, float]:
        """A metric by trial_id, of the complete trials."""
        table = store.load(("trial_id", "status", *metric_columns([metric])))
        table = table.filter(pc.equal(table["status"], "complete"))
        values = zip(table["trial_id"].to_pylist(), metric_column(table, metric).to_pylist(), strict=True)
        return {trial_id: value for trial_id, value in values if value is not None}

    def expected_seconds(self) -> float | None:
        """Computing time of all trials to run in seconds, from that of similar trials; None if there are none.

        It is None too where the config has no number of epochs.
        """
        if not self.pace or any(trial.arm.budget is None for trial in self.to_run):
            return None
        usual = statistics.median(self.pace.values())
        return sum((t.arm.budget or 0) * self.pace.get(t.arm.label, usual) for t in self.to_run)


def read_study_state(study: Study, store: Store) -> StudyState:
    """Compare the trials of a study with the records in its store."""
    wanted = list(study.trials())
    table = _only(store.load(_COLUMNS), wanted)
    columns = {name: table[name].to_pylist() for name in _COLUMNS}
    return StudyState(
        wanted=wanted,
        status=dict(zip(columns["trial_id"], columns["status"], strict=True)),
        errors={i: error for i, error in zip(columns["trial_id"], columns["error"], strict=True) if error},
        pace=_pace(zip(columns["arm"], columns["seconds"], columns["epochs_reached"], strict=True))
        or _pace_of_others(study, store),
        gpu=any((device or "").startswith("cuda") for device in pc.unique(table["device"]).to_pylist()),
    )


def may_see_test_values(store: Store) -> bool:
    """Return True if every confirm trial of the stored plan has ended, or the plan allows any number of looks."""
    plan = store.read_json(FILE)
    return (isinstance(plan, Mapping) and plan.get("stop") == UNTIL_DECIDED) or has_complete_plan(store)


def has_complete_plan(store: Store) -> bool:
    """Return True if every confirm trial of the stored plan has ended; before that nobody should see test values."""
    planned = planned_trials(store)
    table = store.load(("arm", "seed", "phase", "status"))
    rows = zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
    ended = {(arm, seed) for arm, seed, phase, status in rows if phase == "confirm" and status in FINISHED}
    return bool(planned) and planned <= ended


def within_budget(state: StudyState, store: Store) -> StudyState:
    """The same without the trials of seeds that a budget has dropped."""
    seeds = ended_seeds(store.read_json(FILE))
    return state if seeds is None else replace(state, wanted=[t for t in state.wanted if t.seed in set(seeds)])


def planned_trials(store: Store) -> set[tuple[str, int]]:
    """Label and seed of every confirm trial that the stored plan needs; none where there is no plan."""
    stored = store.read_json(FILE)
    if not isinstance(stored, Mapping) or not {"arms", "seeds"} <= stored.keys():
        return set()
    return {(arm, seed) for arm, seeds in wanted_seeds(stored, store).items() for seed in seeds}


def _only(table: pa.Table, wanted: list[Trial]) -> pa.Table:
    ids = pa.array([trial.trial_id for trial in wanted], pa.string())
    return table.filter(pc.is_in(table["trial_id"], value_set=ids))


def _pace(rows: Iterable[tuple[Any, float | None, int | None]]) -> dict[Any, float]:
    """Median seconds per epoch by the first member of each row."""
    found = defaultdict(list)
    for key, seconds, epochs in rows:
        if seconds and epochs:
            found[key].append(seconds / epochs)
    return {key: statistics.median(values) for key, values in found.items()}


def _pace_of_others(study: Study, store: Store) -> dict[str, float]:
    """The pace that other studies in the same results folder had with similar settings, by arm of this one."""
    if not all(hasattr(arm.config, field) for arm in study.arms for field in _SIMILAR):
        return {}
    kind_of = lru_cache(None)(lambda text: _kind(json.loads(text or "{}")))  # many trials share a config
    rows = []
    for name in store.siblings():
        table = Store(store.location, name).load(("config", "seconds", "epochs_reached"))
        columns = [table[column].to_pylist() for column in table.column_names]
        rows += [(kind_of(text), seconds, epochs) for text, seconds, epochs in zip(*columns, strict=True)]
    pace = _pace(rows)
    kinds = {arm.label: _kind(arm.config.model_dump()) for arm in study.arms}
    return {label: pace[kind] for label, kind in kinds.items() if kind in pace}


def _kind(config: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*(config.get(field) for field in _SIMILAR), bool(config.get("lambda_sil")))


def slots(cpus_per_trial: int, cpus: int) -> int:
    """How many trials run at once on a machine with that many CPUs."""
    return max(1, cpus // max(1, cpus_per_trial))
