"""Metrics that were measured after a study on what its trials kept: values by arm and seed, of the records in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.study.ledger import Ledger
from silhouette.evaluated import Evaluation, latest


@dataclass(frozen=True)
class EvaluatedMetric:
    """One such metric.

    Attributes:
        name: Its name, such as `test_nc1`.
        function: `module:function` that computed it.
        source_sha256: Digest of the function's sources.
        values: Values by arm and seed, of the records in use that have one.
        missing: Records in use without a value.
    """

    name: str
    function: str
    source_sha256: str
    values: Mapping[str, Mapping[int, float]]
    missing: int


def evaluated_metrics(ledger: Ledger, values: list[Evaluation]) -> tuple[EvaluatedMetric, ...]:
    """The metrics in the order of their names.

    Args:
        ledger: The study's records, sorted.
        values: All values that were measured; those of older sources of a function are not used.
    """
    found: dict[str, list[Evaluation]] = {}
    for one in latest(values):
        found.setdefault(one.metric, []).append(one)
    return tuple(_metric(ledger, name, found[name]) for name in sorted(found))


def _metric(ledger: Ledger, name: str, values: list[Evaluation]) -> EvaluatedMetric:
    by_trial = {one.trial_id: one.value for one in values if one.value is not None}
    arms = {
        arm: {seed: by_trial[r.trial_id] for seed, r in used.items() if r.trial_id in by_trial}
        for arm, used in ledger.used.items()
    }
    missing = sum(len(used) for used in ledger.used.values()) - sum(map(len, arms.values()))
    return EvaluatedMetric(name, values[0].function, values[0].source_sha256, arms, missing)
