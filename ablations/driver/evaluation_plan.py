"""What `ablate evaluate` measures: which metrics, on which trials, and which values are there already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablations.design.arms import Trial
from ablations.design.study import Study
from ablations.errors import StudyError
from ablations.formatting import counted
from ablations.state.kept import kept_trials
from ablations.state.provenance import plugin_digest
from ablations.workers.evaluating import EvaluationTask, Measure, Rebuild
from ablations.workers.experiment import load_experiment
from silhouette.evaluated import Evaluation
from silhouette.metric_functions import recorded_as
from silhouette.registry import own
from silhouette.registry.plugins import sources_in
from silhouette.results import SCHEMA, Store

COLUMNS = ("trial_id", "phase", "status", "seed", "threads", "data_sha256", "test_pool_sha256", "metrics", "plugins")


@dataclass(frozen=True)
class Pending:
    """What is to be measured, and what is not.

    Attributes:
        tasks: One for each trial that lacks a value.
        present: Values that are there already.
        changed: Functions whose sources changed, each with the number of values that are computed again.
        without: Complete trials that kept nothing.
        foreign: Trials with kept weights that the study, as given, does not have.
    """

    tasks: tuple[EvaluationTask, ...]
    present: int
    changed: Mapping[str, int]
    without: int
    foreign: int


def make_measures(names: Sequence[str]) -> tuple[Measure, ...]:
    """The metrics that a command line names, checked and imported here.

    Args:
        names: `module:function`, or a name that an installed package registers, each.

    Raises:
        StudyError: If one is not importable, takes other arguments, or two have the same name.
    """
    made = tuple(_measure(name) for name in dict.fromkeys(names))
    twice = [one.function for one in made if sum(other.metric == one.metric for other in made) > 1]
    if twice:
        raise StudyError(f"--metric: must have different names after the colon, got {' and '.join(twice)}")
    return made


def _measure(name: str) -> Measure:
    try:
        own("metric", name)
        return Measure(recorded_as("test", name), name, plugin_digest(name))
    except ValueError as error:
        raise StudyError(f"--metric: {error}") from None


def plan_evaluation(study: Study, store: Store, measures: Sequence[Measure], values: Iterable[Evaluation]) -> Pending:
    """Compare what trials kept with the values that are there.

    Args:
        study: The study, with the seeds of its folder and its winners; what is imported comes from it alone.
        store: Its results.
        measures: What to measure.
        values: What was measured before.

    Raises:
        StudyError: If no trial kept anything, or a name means something else already.
    """
    table = store.load([name for name in COLUMNS if name in SCHEMA.names])
    rows = [row for row in table.to_pylist() if (row["phase"], row["status"]) == ("confirm", "complete")]
    before = {(one.trial_id, one.metric): one for one in values}
    _check_names(measures, rows, before.values())
    kept, trials = kept_trials(store), {trial.trial_id: trial for trial in study.trials()}
    with_data = [row for row in rows if row["trial_id"] in kept["embeddings"] | kept["last"]]
    if not with_data:
        advice = 'set keep="embeddings" in the study before trials run'
        raise StudyError(
            f"keep: none of {counted(len(rows), 'complete trial')} of {study.name} kept anything; {advice}"
        )
    usable = [row for row in with_data if row["trial_id"] in kept["embeddings"] or row["trial_id"] in trials]
    missing = [(row, _missing(row["trial_id"], measures, before)) for row in usable]
    tasks = [
        _task(store, row, lacking, None if row["trial_id"] in kept["embeddings"] else _rebuild(study, trials, row))
        for row, lacking in missing
        if lacking
    ]
    again = Counter(one.function for task in tasks for one in task.measures if (task.trial_id, one.metric) in before)
    return Pending(
        tasks=tuple(tasks),
        present=sum(len(measures) - len(lacking) for _, lacking in missing),
        changed=again,
        without=len(rows) - len(with_data),
        foreign=len(with_data) - len(usable),
    )


def _check_names(measures: Iterable[Measure], rows: Iterable[Mapping[str, Any]], before: Iterable[Evaluation]) -> None:
    """A name stands for one thing in the results of a study."""
    own = {name for row in rows for name, _ in row.get("metrics") or ()}
    earlier = {one.metric: one.function for one in before}
    for one in measures:
        there = (
            f"was measured by {earlier[one.metric]}" if earlier.get(one.metric, one.function) != one.function else ""
        )
        if one.metric in SCHEMA.names or one.metric in own:
            there = "is in the records already"
        if there:
            raise StudyError(f"--metric: {one.metric} {there}; rename the function, got {one.function!r}")


def _missing(
    trial_id: str, measures: Iterable[Measure], before: Mapping[tuple[str, str], Evaluation]
) -> tuple[Measure, ...]:
    """Metrics that a trial has no value of, or one of other sources."""
    old = ((one, before.get((trial_id, one.metric))) for one in measures)
    return tuple(one for one, value in old if value is None or value.source_sha256 != one.source_sha256)


def _task(
    store: Store, row: Mapping[str, Any], measures: tuple[Measure, ...], rebuild: Rebuild | None
) -> EvaluationTask:
    digests = {name: row[name] for name in ("data_sha256", "test_pool_sha256")}
    plugins = sources_in(row.get("plugins"))
    return EvaluationTask(
        store.uri, store.study, row["trial_id"], measures, plugins=plugins, rebuild=rebuild, **digests
    )


def _rebuild(study: Study, trials: Mapping[str, Trial], row: Mapping[str, Any]) -> Rebuild:
    config = trials[row["trial_id"]].arm.config.model_dump(mode="json")
    return Rebuild(study.experiment, config, row["seed"], row["threads"] or 1)


def check_rebuilds(study: Study, pending: Pending) -> None:
    """Check that the networks of kept weights can be made again.

    Raises:
        StudyError: If the experiment of the study lacks a method for it.
    """
    if any(task.rebuild for task in pending.tasks):
        made = load_experiment(study.experiment)
        absent = [name for name in ("load_weights", "embeddings") if not callable(getattr(made, name, None))]
        if absent:
            raise StudyError(f"keep: kept weights need {absent[0]}() in the experiment, got {study.experiment!r}")
