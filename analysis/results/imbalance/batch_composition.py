"""The gain of each treatment, with the composition of its batches."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.stats.description import mean
from analysis.stats.paired_t import paired_test
from analysis.stats.pairing import pair
from analysis.study.ledger import Ledger
from analysis.study.plan import Plan
from analysis.study.resplits import resplits_of


@dataclass(frozen=True)
class GainPoint:
    """Gain of a treatment over n common seeds, with its interval and the mean composition of its batches."""

    treatment: str
    baseline: str
    block: str
    n: int
    difference: float
    ci_low: float | None
    ci_high: float | None
    scope: str
    singleton_share: float | None
    classes_per_batch: float | None
    single_class_batches: float | None


def composition(plan: Plan, ledger: Ledger) -> tuple[GainPoint, ...]:
    """Gain of every treatment with the composition of its batches, where the records have it."""
    if plan.phase != "confirm":
        return ()
    points = [_point(plan, ledger, family.baseline, label) for family in plan.families for label in family.treatments]
    return tuple(point for point in points if point is not None)


def _point(plan: Plan, ledger: Ledger, baseline: str, label: str) -> GainPoint | None:
    both = pair(ledger.values(label, plan.metric), ledger.values(baseline, plan.metric))
    batches = {name: _average(ledger, label, name) for name in _MEASURED}
    if not both.complete or len(both.keys) < 2 or batches["singleton_share"] is None:
        return None
    splits = resplits_of(plan, ledger, (label, baseline), both.keys)
    test = None if splits.refusal else paired_test(both.differences, splits.overlap)
    ci = test.interval(1 - plan.alpha) if test else None
    return GainPoint(
        label, baseline, plan.arm[label].block, len(both.keys), mean(both.differences),
        ci.low if ci else None, ci.high if ci else None, plan.scope_of(splits.moving), **batches,
    )  # fmt: skip


_MEASURED = ("singleton_share", "classes_per_batch", "single_class_batches")


def _average(ledger: Ledger, arm: str, name: str) -> float | None:
    values = list(ledger.values(arm, name).values())
    return mean(values) if values else None
