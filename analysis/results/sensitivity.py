"""How the metric depends on a factor: curves with bands, plateau, insensitivity range, trend, shares of variance."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from analysis.results.variance import FIELD
from analysis.stats.anova import Effect, anova_shares
from analysis.stats.description import describe, mean, mean_interval
from analysis.stats.multiplicity import holm
from analysis.stats.types import SCOPE_SEEDS, Floats, Interval
from analysis.study.ledger import Ledger
from analysis.study.plan import Arm, Factor, Plan

MAX_LEVELS = 24  # more levels than this are an irregular sample, not a grid


@dataclass(frozen=True)
class Level:
    """One point of a curve: pointwise interval and the band that holds at all levels together."""

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
    insensitive: bool | None


@dataclass(frozen=True)
class Trend:
    """Page's test for a trend that the plan predicted; seeds are its blocks."""

    direction: str
    statistic: float
    p: float
    n: int
    method: str = "Page's L, one-sided as predicted"


@dataclass(frozen=True)
class Curve:
    """The metric along one factor, everything else held.

    Attributes:
        block: The condition.
        factor: Config field.
        label: Its name for people.
        log: Whether its axis is logarithmic.
        held: The other settings of this curve, in words.
        levels: Points in the order of the factor.
        default: The field's default, if it is a level.
        best: Level with the best mean.
        plateau: Levels not shown worse than any other (Holm over all pairs, so the choice of the best is
        paid for).
        insensitivity: Levels around the default whose interval of the difference lies inside the declared
        margin.
        trend: Page's test where the plan predicts a trend.
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
    trend: Trend | None
    reference: Interval | None
    n: int
    scope: str = SCOPE_SEEDS
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shares:
    """ANOVA shares of the complete grid of a block; `left_out` are levels without a full crossing."""

    block: str
    factors: tuple[str, ...]
    levels: tuple[tuple[Any, ...], ...]
    n: int
    effects: tuple[Effect, ...]
    cells: tuple[Mapping[str, Any], ...]
    left_out: tuple[str, ...]


def varied(plan: Plan) -> tuple[Factor, ...]:
    """Factors of the plan that arms inside one block differ in; the seed study's source is no such factor."""
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
        held = ", ".join(f"{_label(plan, k)}={_show(v)}" for k, v in sorted(shared.items()))
        lines.setdefault(held, []).append(arm)
    return {held: line for held, line in lines.items() if 3 <= len(line) <= MAX_LEVELS}


def _label(plan: Plan, name: str) -> str:
    return next((f.label for f in plan.factors if f.name == name), name)


def _show(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _order(value: Any) -> tuple[int, float, str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (0, float(value), "")
    return (1, 0.0, str(value))


def _curve(plan: Plan, ledger: Ledger, block: str, factor: Factor, held: str, line: Sequence[Arm]) -> Curve | None:
    arms = sorted(line, key=lambda a: _order(setting(plan, a, factor)))
    arms = [a for a in arms if ledger.values(a.label, plan.metric)]
    if len(arms) < 3:
        return None
    values = [setting(plan, a, factor) for a in arms]
    matrix, seeds = common_seeds(ledger, plan.metric, [a.label for a in arms])
    plateau = plateau_set(matrix, plan.better, plan.alpha)
    near = _insensitive(plan, matrix, values, factor.default)
    levels = tuple(
        _level(plan, ledger, arm, value, len(arms), plateau[i], None if near is None else near[i])
        for i, (arm, value) in enumerate(zip(arms, values, strict=True))
    )
    shown = [lv for lv in levels if lv.mean is not None]
    best = max(shown, key=lambda lv: plan.better * (lv.mean or 0.0))
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
        trend=page_trend(matrix, factor.trend) if factor.trend else None,
        reference=_reference(plan, ledger, block, arms),
        n=len(seeds),
        warnings=_curve_warnings(levels, best, len(seeds)),
    )


def _curve_warnings(levels: Sequence[Level], best: Level, n: int) -> tuple[str, ...]:
    notes = []
    if best.value in (levels[0].value, levels[-1].value) and _order(best.value)[0] == 0:
        notes.append("the best level is at the edge of the grid: the optimum may lie beyond it")
    if len({frozenset(lv.values) for lv in levels}) > 1:
        notes.append(f"levels have different seeds; tests use the {n} common ones")
    if n < 3:
        notes.append("fewer than 3 common seeds: no plateau can be told apart")
    return tuple(notes)


def common_seeds(ledger: Ledger, metric: str, arms: Sequence[str]) -> tuple[Floats, tuple[int, ...]]:
    """Values of several arms on the seeds they all have: shape (seeds, arms), and the seeds."""
    by_arm = [ledger.values(arm, metric) for arm in arms]
    seeds = tuple(sorted(set.intersection(*(set(v) for v in by_arm)))) if by_arm else ()
    return np.array([[v[s] for v in by_arm] for s in seeds], dtype=np.float64).reshape(len(seeds), len(arms)), seeds


def _level(
    plan: Plan, ledger: Ledger, arm: Arm, value: Any, k: int, on_plateau: bool, insensitive: bool | None
) -> Level:
    d = describe(ledger.values(arm.label, plan.metric), 1 - plan.alpha)
    band = mean_interval(list(d.values.values()), 1 - plan.alpha / k) if d.n > 1 else None
    return Level(
        value=value,
        arm=arm.label,
        n=d.n,
        mean=d.mean,
        ci_low=d.ci.low if d.ci else None,
        ci_high=d.ci.high if d.ci else None,
        band_low=band.low if band else None,
        band_high=band.high if band else None,
        values=d.values,
        on_plateau=on_plateau,
        insensitive=insensitive,
    )


def paired_p(differences: Floats) -> float:
    """Two-sided paired-t p; 1 where the differences have no spread or are fewer than three."""
    return float(paired_ps(differences[:, None])[0])


def paired_ps(differences: Floats) -> Floats:
    """Two-sided paired-t p of each column; 1 where it has no spread or there are fewer than three rows."""
    n = differences.shape[0]
    if n < 3:
        return np.ones(differences.shape[1])
    spread = differences.std(axis=0, ddof=1)
    flat = np.ptp(differences, axis=0) <= 1e-12 * np.maximum(np.abs(differences).max(axis=0), 1e-300)
    t = differences.mean(axis=0) * math.sqrt(n) / np.where(flat, 1.0, spread)
    return np.where(flat, 1.0, 2 * stats.t.sf(np.abs(t), n - 1))


def plateau_set(matrix: Floats, better: int = 1, alpha: float = 0.05) -> list[bool]:
    """Which of k settings are not shown worse than any other.

    Paired t over all k(k-1)/2 pairs, Holm-adjusted: valid although the best one is picked after looking,
    because
    every pair is paid for.

    Args:
        matrix: Values, shape (seeds, k).
        better: +1 where more is better, -1 where less is.
        alpha: Family-wise level.
    """
    k = matrix.shape[1]
    first, second = np.triu_indices(k, 1)
    if not first.size:
        return [True] * k
    gaps = better * (matrix[:, first] - matrix[:, second])
    apart = holm(paired_ps(gaps)) <= alpha
    worse = set(np.where(gaps.mean(axis=0) > 0, second, first)[apart].tolist()) if len(gaps) else set()
    return [i not in worse for i in range(k)]


def _insensitive(plan: Plan, matrix: Floats, values: Sequence[Any], default: Any) -> list[bool] | None:
    """Whether the 1 - 2α interval of (level - default) lies inside the margin; None without margin or default."""
    if not plan.sesoi or default not in values or matrix.shape[0] < 3:
        return None
    base = matrix[:, list(values).index(default)]
    out = []
    for i, value in enumerate(values):
        ci = mean_interval(matrix[:, i] - base, 1 - 2 * plan.alpha)
        out.append(value == default or (-plan.sesoi < ci.low and ci.high < plan.sesoi))
    return out


def _range_around(levels: Sequence[Level], default: Any) -> tuple[Any, ...]:
    """The unbroken run of insensitive levels that holds the default."""
    at = next(i for i, lv in enumerate(levels) if lv.value == default)
    low = high = at
    while low > 0 and levels[low - 1].insensitive:
        low -= 1
    while high + 1 < len(levels) and levels[high + 1].insensitive:
        high += 1
    return tuple(lv.value for lv in levels[low : high + 1])


def page_trend(matrix: Floats, direction: str) -> Trend | None:
    """Page's test that the metric goes in the predicted direction along the levels; None below three seeds.

    Source: E. B. Page, Ordered hypotheses for multiple treatments, 1963; p exact for small n (SciPy).
    """
    if matrix.shape[0] < 3 or matrix.shape[1] < 3:
        return None
    data = matrix if direction == "increasing" else -matrix
    result = stats.page_trend_test(data)
    return Trend(direction, float(result.statistic), float(result.pvalue), matrix.shape[0])


def _reference(plan: Plan, ledger: Ledger, block: str, arms: Sequence[Arm]) -> Interval | None:
    """Interval of the block's baseline, when it is not itself on the curve."""
    inside = {a.label for a in arms}
    base = next((a for a in plan.arms if a.block == block and a.baseline and a.label not in inside), None)
    values = list(ledger.values(base.label, plan.metric).values()) if base else []
    return mean_interval(values, 1 - plan.alpha) if len(values) > 1 else None


def shares(plan: Plan, ledger: Ledger, rng: np.random.Generator) -> tuple[Shares, ...]:
    """ANOVA shares of each block whose arms hold a complete grid of one factor or more."""
    if plan.phase != "confirm":
        return ()
    parts = [_block_shares(plan, ledger, block, rng) for block in plan.blocks]
    return tuple(part for part in parts if part is not None)


def _block_shares(plan: Plan, ledger: Ledger, block: str, rng: np.random.Generator) -> Shares | None:
    factors = [f for f in varied(plan) if _numeric_or_named(f)]
    arms = [a for a in plan.arms if a.block == block and ledger.values(a.label, plan.metric)]
    factors = [f for f in factors if len({_order(setting(plan, a, f)) for a in arms}) > 1]
    if not factors or len(arms) < 3:
        return None
    grid, left_out = full_grid({tuple(setting(plan, a, f) for f in factors): a.label for a in arms})
    levels = tuple(tuple(sorted({key[i] for key in grid}, key=_order)) for i in range(len(factors)))
    kept = [i for i, lv in enumerate(levels) if len(lv) > 1]
    if len(grid) < 3 or not kept:
        return None
    order = list(itertools.product(*levels))
    matrix, seeds = common_seeds(ledger, plan.metric, [grid[key] for key in order])
    if len(seeds) < 2:
        return None
    shape = [len(levels[i]) for i in kept]
    effects = anova_shares(matrix.T.reshape(*shape, len(seeds)), [factors[i].label for i in kept], rng)
    return Shares(
        block=block,
        factors=tuple(factors[i].label for i in kept),
        levels=tuple(levels[i] for i in kept),
        n=len(seeds),
        effects=effects,
        cells=_cells(plan, matrix, order, kept, [grid[key] for key in order]),
        left_out=left_out,
    )


def _numeric_or_named(factor: Factor) -> bool:
    return len(factor.values) > 1


def _cells(
    plan: Plan, matrix: Floats, order: Sequence[tuple[Any, ...]], kept: Sequence[int], arms: Sequence[str]
) -> tuple[Mapping[str, Any], ...]:
    plateau = plateau_set(matrix, plan.better, plan.alpha)
    return tuple(
        {
            "at": [key[i] for i in kept],
            "arm": arm,
            "mean": mean(matrix[:, j]),
            "sd": float(matrix[:, j].std(ddof=1)),
            "on_plateau": plateau[j],
        }
        for j, (key, arm) in enumerate(zip(order, arms, strict=True))
    )


def full_grid(arms: Mapping[tuple[Any, ...], str]) -> tuple[dict[tuple[Any, ...], str], tuple[str, ...]]:
    """The largest full crossing found by leaving out the level with the fewest cells, again and again.

    >>> full_grid({(0, 1): "a", (1, 1): "b", (1, 2): "c", (2, 1): "d", (2, 2): "e"})[1]
    ('a',)
    """
    kept = dict(arms)
    while kept:
        width = len(next(iter(kept)))
        levels = [sorted({key[i] for key in kept}, key=_order) for i in range(width)]
        if math.prod(len(lv) for lv in levels) == len(kept):
            break
        counts = {
            (i, value): sum(key[i] == value for key in kept) * len(lv) for i, lv in enumerate(levels) for value in lv
        }
        i, value = min(counts, key=lambda at: (counts[at], at[0], _order(at[1])))
        kept = {key: arm for key, arm in kept.items() if key[i] != value}
    return kept, tuple(arm for key, arm in arms.items() if key not in kept)
