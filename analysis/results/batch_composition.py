"""The gain of each treatment, with the composition of its batches."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.results.imbalance import gap_interval
from analysis.stats.description import mean
from analysis.stats.pairing import pair
from analysis.study.ledger import Ledger
from analysis.study.plan import Plan


@dataclass(frozen=True)
class GainPoint:
    """Gain of a treatment, with the mean composition of its batches."""

    treatment: str
    baseline: str
    block: str
    difference: float
    ci_low: float | None
    ci_high: float | None
    singleton_share: float | None
    classes_per_batch: float | None
    single_class_batches: float | None


def composition(plan: Plan, ledger: Ledger) -> tuple[GainPoint, ...]:
    """Gain of every treatment with the composition of its batches, where the records have it."""
    if plan.phase != "confirm":
        return ()
    points = []
    for family in plan.families:
        for label in family.treatments:
            both = pair(ledger.values(label, plan.metric), ledger.values(family.baseline, plan.metric))
            batches = {name: _average(ledger, label, name) for name in _MEASURED}
            if not both.complete or len(both.keys) < 2 or batches["singleton_share"] is None:
                continue
            ci = gap_interval(both.differences)
            points.append(
                GainPoint(
                    label, family.baseline, plan.arm[label].block, mean(both.differences),
                    ci.low if ci else None, ci.high if ci else None, **batches,
                )
            )  # fmt: skip
    return tuple(points)


_MEASURED = ("singleton_share", "classes_per_batch", "single_class_batches")


def _average(ledger: Ledger, arm: str, name: str) -> float | None:
    values = list(ledger.values(arm, name).values())
    return mean(values) if values else None
