"""How the metric depends on a factor: curves with bands, largest losses, and the range like the default."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.formatting import show_level
from analysis.results.guards import refusal_of_copies
from analysis.results.standing import refusal_of_seeds, refusal_of_study
from analysis.stats.description import describe, mean_interval
from analysis.stats.paired_t import PairedTest, paired_test
from analysis.stats.plateau import MIN_SEEDS, BestBounds, compare_with_best, level_order
from analysis.stats.types import SCOPE_SEEDS, Floats, Interval
from analysis.study.ledger import Ledger
from analysis.study.plan import FIELD, Arm, Factor, Plan
from analysis.study.resplits import overlap_of, resplits_of

MAX_LEVELS = 24  # more levels are an irregular sample, not a grid


@dataclass(frozen=True)
class Level:
    """One point of a curve: pointwise interval and the band that holds at all levels together.

    Attributes:
        on_plateau: Whether it can be the best level, by Hsu's multiple comparisons with the best.
        worse_by_at_most: By how much it can be worse than the best of the other levels; None below three common seeds.
        better_by_at_most: By how much it can be better than all other levels.
        insensitive: Whether its interval of the difference from the default lies inside the margin; None without one.
    """

    value: Any
    arm: str
    n: int
    mean: float | None
    ci_low: float | None
    ci_high: float | None
    band_low: float | None
    band_high: float | None
    values: Mapping[int, float]
    on_plateau: bool
    worse_by_at_most: float | None
    better_by_at_most: float | None
    insensitive: bool | None


@dataclass(frozen=True)
class Curve:
    """The metric along one factor, everything else equal.

    Attributes:
        block: The condition.
        factor: Config field.
        label: Its name for people.
        log: Whether its axis is logarithmic.
        held: The other settings of this curve, as text.
        levels: Points in the order of the factor.
        default: The field's default, if it is a level.
        best: Level with the best mean.
        plateau: Levels that can be the best: together they hold it with 1 - alpha, the choice after seeing included.
        insensitivity: Levels around the default whose interval of the difference lies inside the declared margin, all
            of them with 1 - alpha together. None without margin, default or verdict.
        insensitivity_level: Level of those intervals.
        error: Standard error of the difference between two levels, pooled over all levels; None without a spread.
        sd_low: Smallest SD of the differences between two levels; the pooled error assumes that all are equal.
        sd_high: Largest one.
        reason: Why nothing is said about best and default, or empty.
        reference: Arm that the curve is compared with (baseline of the block), with its interval.
        n: Seeds common to all levels.
        warnings: What a reader must know.
    """

    block: str
    factor: str
    label: str
    log: bool
    held: str
    levels: tuple[Level, ...]
    default: Any
    best: Any
    plateau: tuple[Any, ...]
    insensitivity: tuple[Any, ...] | None
    insensitivity_level: float | None
    error: float | None
    sd_low: float | None
    sd_high: float | None
    reason: str
    reference: Interval | None
    n: int
    scope: str = SCOPE_SEEDS
    warnings: tuple[str, ...] = ()


def varied(plan: Plan) -> tuple[Factor, ...]:
    """Factors in which arms of one block differ; the source of randomness of a seed study is not one of them."""
    return tuple(f for f in plan.factors if f.name not in plan.block_fields and f.name != FIELD)


def setting(plan: Plan, arm: Arm, factor: Factor) -> Any:
    """Value of a factor in an arm: as set, else as configured, else the default."""
    return arm.settings.get(factor.name, arm.config.get(factor.name, factor.default))


def curves(plan: Plan, ledger: Ledger) -> tuple[Curve, ...]:
    """A curve for each block, factor and setting of the other factors that has three levels or more."""
    if plan.phase != "confirm":
        return ()
    found = []
    for block, factor in itertools.product(plan.blocks, varied(plan)):
        arms = [a for a in plan.arms if a.block == block]
        for held, line in _lines(plan, arms, factor).items():
            curve = _curve(plan, ledger, block, factor, held, line)
            if curve is not None:
                found.append(curve)
    return tuple(found)


def _lines(plan: Plan, arms: Sequence[Arm], factor: Factor) -> dict[str, list[Arm]]:
    """Arms that differ in one factor only, by what they share."""
    others = [f for f in varied(plan) if f.name != factor.name]
    lines: dict[str, list[Arm]] = {}
    for arm in arms:
        extra = {k: v for k, v in arm.settings.items() if k not in plan.block_fields and k != factor.name}
        known = {f.name: setting(plan, arm, f) for f in others}
        shared = {**{k: v for k, v in extra.items() if k not in known}, **known}
        held = ", ".join(f"{_label(plan, k)}={show_level(v)}" for k, v in sorted(shared.items()))
        lines.setdefault(held, []).append(arm)
    return {held: line for held, line in lines.items() if 3 <= len(line) <= MAX_LEVELS}


def _label(plan: Plan, name: str) -> str:
    return next((f.label for f in plan.factors if f.name == name), name)


def _curve(plan: Plan, ledger: Ledger, block: str, factor: Factor, held: str, line: Sequence[Arm]) -> Curve | None:
    arms = sorted(line, key=lambda a: level_order(setting(plan, a, factor)))
    arms = [a for a in arms if ledger.values(a.label, plan.metric)]
    if len(arms) < 3:
        return None
    values = [setting(plan, a, factor) for a in arms]
    labels = [a.label for a in arms]
    matrix, seeds = common_seeds(ledger, plan.metric, labels)
    splits = resplits_of(plan, ledger, labels, seeds)
    bounds, reason = bounds_of(plan, ledger, labels, matrix, seeds)
    near = None if reason else _near(plan, matrix, values, factor.default, splits.overlap)
    levels = tuple(_level(plan, ledger, arm, values, i, bounds, near) for i, arm in enumerate(arms))
    best = max((lv for lv in levels if lv.mean is not None), key=lambda lv: plan.better * (lv.mean or 0.0))
    return Curve(
        block=block,
        factor=factor.name,
        label=factor.label,
        log=factor.log,
        held=held,
        levels=levels,
        default=factor.default if factor.default in values else None,
        best=best.value,
        plateau=tuple(lv.value for lv in levels if lv.on_plateau),
        insensitivity=_range_around(levels, factor.default) if near is not None else None,
        insensitivity_level=near.level if near is not None else None,
        error=bounds.error if bounds else None,
        sd_low=bounds.sd_low if bounds else None,
        sd_high=bounds.sd_high if bounds else None,
        reason=reason,
        reference=_reference(plan, ledger, block, arms),
        n=len(seeds),
        scope=plan.scope_of(splits.moving),
        warnings=_curve_warnings(levels, best, len(seeds)),
    )


def bounds_of(
    plan: Plan, ledger: Ledger, arms: Sequence[str], matrix: Floats, seeds: Sequence[int]
) -> tuple[BestBounds | None, str]:
    """What the values allow for each arm against the best of the others, or why nothing may be said.

    As for the comparisons, all arms need all planned seeds.

    Args:
        plan: The study.
        ledger: Its records, sorted.
        arms: Labels.
        matrix: Their values, shape (seeds, arms).
        seeds: The seeds that all of them have.
    """
    splits = resplits_of(plan, ledger, arms, seeds)
    reason = (
        refusal_of_study(plan, ledger)
        or _refusal_of_seeds(plan, ledger, arms)
        or refusal_of_copies(plan, ledger, arms)
        or splits.refusal
    )
    return None if reason else compare_with_best(matrix, plan.better, plan.alpha, splits.overlap), reason


def _refusal_of_seeds(plan: Plan, ledger: Ledger, arms: Sequence[str]) -> str:
    first, *rest = (set(ledger.values(arm, plan.metric)) for arm in arms)
    return next((reason for other in rest if (reason := refusal_of_seeds(plan, ledger, first, other))), "")


def _curve_warnings(levels: Sequence[Level], best: Level, n: int) -> tuple[str, ...]:
    notes = []
    if best.value in (levels[0].value, levels[-1].value) and level_order(best.value)[0] == 0:
        notes.append("the best level is at the edge of the grid: the optimum may lie beyond it")
    if len({frozenset(lv.values) for lv in levels}) > 1:
        notes.append(f"levels have different seeds, {n} of them common to all")
    return tuple(notes)


def common_seeds(ledger: Ledger, metric: str, arms: Sequence[str]) -> tuple[Floats, tuple[int, ...]]:
    """Values of several arms on the seeds they all have: shape (seeds, arms), and the seeds."""
    by_arm = [ledger.values(arm, metric) for arm in arms]
    seeds = tuple(sorted(set.intersection(*(set(v) for v in by_arm)))) if by_arm else ()
    return np.array([[v[s] for v in by_arm] for s in seeds], dtype=np.float64).reshape(len(seeds), len(arms)), seeds


def _level(
    plan: Plan, ledger: Ledger, arm: Arm, values: Sequence[Any], i: int, bounds: BestBounds | None, near: _Near | None
) -> Level:
    overlap = overlap_of(plan, ledger, arm.label)
    d = describe(ledger.values(arm.label, plan.metric), 1 - plan.alpha, overlap)
    band = mean_interval(list(d.values.values()), 1 - plan.alpha / len(values), overlap) if d.n > 1 else None
    return Level(
        value=values[i],
        arm=arm.label,
        n=d.n,
        mean=d.mean,
        ci_low=d.ci.low if d.ci else None,
        ci_high=d.ci.high if d.ci else None,
        band_low=band.low if band else None,
        band_high=band.high if band else None,
        values=d.values,
        on_plateau=bounds is None or bounds.can_be_best[i],
        worse_by_at_most=bounds.worse[i] if bounds else None,
        better_by_at_most=bounds.better[i] if bounds else None,
        insensitive=near.inside[i] if near else None,
    )


@dataclass(frozen=True)
class _Near:
    """Which levels are like the default, by intervals at this level."""

    inside: tuple[bool, ...]
    level: float


def _near(plan: Plan, matrix: Floats, values: Sequence[Any], default: Any, shared: float | None) -> _Near | None:
    """Whether the interval of (level - default) lies inside the margin; None without margin, default or three seeds.

    The range is read off from the default outwards and ends at the first level outside: on each side a fixed sequence
    of tests, which holds its level without a correction. With levels on both sides each gets half of alpha.
    """
    if not plan.sesoi or default not in values or matrix.shape[0] < MIN_SEEDS:
        return None
    at = list(values).index(default)
    sides = (at > 0) + (at + 1 < len(values))
    level = 1 - 2 * plan.alpha / sides
    tests = [paired_test(matrix[:, i] - matrix[:, at], shared) for i in range(len(values))]
    inside = (i == at or _lies_inside(test, level, plan.sesoi) for i, test in enumerate(tests))
    return _Near(tuple(inside), level)


def _lies_inside(test: PairedTest | None, level: float, margin: float) -> bool:
    ci = test.interval(level) if test else None
    return ci is not None and -margin < ci.low and ci.high < margin


def _range_around(levels: Sequence[Level], default: Any) -> tuple[Any, ...]:
    """The insensitive levels around the default, without a gap."""
    at = next(i for i, lv in enumerate(levels) if lv.value == default)
    low = high = at
    while low > 0 and levels[low - 1].insensitive:
        low -= 1
    while high + 1 < len(levels) and levels[high + 1].insensitive:
        high += 1
    return tuple(lv.value for lv in levels[low : high + 1])


def _reference(plan: Plan, ledger: Ledger, block: str, arms: Sequence[Arm]) -> Interval | None:
    """Interval of the block's baseline, if it is not on the curve."""
    inside = {a.label for a in arms}
    base = next((a for a in plan.arms if a.block == block and a.baseline and a.label not in inside), None)
    if base is None:
        return None
    values = list(ledger.values(base.label, plan.metric).values())
    return mean_interval(values, 1 - plan.alpha, overlap_of(plan, ledger, base.label)) if len(values) > 1 else None
