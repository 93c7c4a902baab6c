"""ANOVA shares of a complete grid that the same seeds ran: what factors, interactions and seeds explain."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from analysis.stats.types import SCOPE_SEEDS, Floats

SEEDS, REST = "seeds", "seeds × settings"
"""What a seed adds to every setting alike, and what it does differently in each."""
ROUNDING = 1e-26
"""A sum of squares below this share of that of the values themselves is rounding."""
CAUTION = 0.4
"""Part of the error rate that an interval of a share spends: with all of it, some would cover 90 % instead of 95 %."""
FAR = 1000.0
"""Above it the noncentrality is computed by a normal approximation, whose error in probability is below 1e-3."""


@dataclass(frozen=True)
class Effect:
    """One line of the decomposition.

    Attributes:
        name: Factor, interaction (joined by ×), `seeds` or `seeds × settings`.
        df: Degrees of freedom.
        sum_squares: Sum of squares.
        share: Its share of the total.
        low: Lower bound of its share of the variance of a run, without what chance adds to its sum of squares.
        high: Upper bound.
        noise_floor: 95 % point of the share that a factor without effect has; a smaller share is noise.
        f: F statistic against the interaction of the effect with the seeds; None for the two lines of the seeds, and
            where that interaction is nil.
        p: Its p. It assumes that all differences between settings have the same spread, so no verdict uses it.
    """

    name: str
    df: int
    sum_squares: float
    share: float
    low: float
    high: float
    noise_floor: float
    f: float | None
    p: float | None
    scope: str = SCOPE_SEEDS


@dataclass(frozen=True)
class _Line:
    """An effect with the line that it is tested against: its interaction with the seeds."""

    df: int
    squares: float
    df_error: int
    error: float

    @property
    def noise(self) -> float:
        """Mean square that an effect without any influence has on average."""
        return self.error / self.df_error


def anova_shares(
    values: Floats, names: Sequence[str], rng: np.random.Generator, *, draws: int = 1999, level: float = 0.95
) -> tuple[Effect, ...]:
    """Decompose a balanced grid in which every cell has the same seeds.

    The seeds are blocks: what a seed adds to all settings is no noise of their differences. Each effect is therefore
    tested against its own interaction with the seeds. The interval of a share comes from draws of the variances and
    noncentralities that agree with the sums of squares (generalised pivotal quantities: S. Weerahandi, Generalized
    confidence intervals, 1993). It assumes normal noise of the same size in every cell; the tests simulate its
    coverage.

    Args:
        values: Shape (levels of factor 1, levels of factor 2, …, seeds), with two seeds or more.
        names: Names of the factors.
        rng: Generator of the draws.
        draws: Number of draws behind the intervals.
        level: Coverage of the intervals.

    Returns:
        Main effects, interactions, then what the seeds add; the shares sum to 1. Empty when nothing varies.
    """
    factors, seeds = values.ndim - 1, values.shape[-1]
    sums = sums_of_squares(values)
    total = math.fsum(ss for _, ss in sums.values())
    if total <= 0:
        return ()
    keys = [key for key in sums if factors not in key]
    lines = [_Line(*sums[key], *sums[(*key, factors)]) for key in keys]
    common = sums[(factors,)]
    rest = (math.prod(values.shape[:-1]) - 1) * (seeds - 1), math.fsum(line.error for line in lines)
    drawn = _drawn_shares(lines, common, rest, seeds, rng, draws)
    effects = [
        _effect(" × ".join(names[i] for i in key), line, total, share, level)
        for key, line, share in zip(keys, lines, drawn, strict=False)
    ]
    tail = zip((SEEDS, REST), (common, rest), drawn[-2:], strict=True)
    return (*effects, *(_seed_line(name, own, total, share, level) for name, own, share in tail))


def _effect(name: str, line: _Line, total: float, drawn: Floats, level: float) -> Effect:
    share = line.squares / total
    low, high = _bounds(share, drawn, level)
    f = line.squares / line.df / line.noise if line.error > 0 else None
    cut = float(stats.f.isf(0.05, line.df, line.df_error))
    return Effect(
        name=name,
        df=line.df,
        sum_squares=line.squares,
        share=share,
        low=low,
        high=high,
        noise_floor=min(1.0, cut * line.df * line.noise / total),
        f=f,
        p=None if f is None else float(stats.f.sf(f, line.df, line.df_error)),
    )


def _seed_line(name: str, own: tuple[int, float], total: float, drawn: Floats, level: float) -> Effect:
    share = own[1] / total
    low, high = _bounds(share, drawn, level)
    return Effect(name, own[0], own[1], share, low, high, noise_floor=0.0, f=None, p=None)


def _bounds(share: float, drawn: Floats, level: float) -> tuple[float, float]:
    tail = CAUTION * (1 - level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return min(share, float(low)), max(share, float(high))


Key = tuple[int, ...]


def sums_of_squares(values: Floats) -> dict[Key, tuple[int, float]]:
    """Degrees of freedom and sum of squares of every effect, main effects first: a complete grid, a factor per axis."""
    axes = range(values.ndim)
    least = ROUNDING * float((values**2).sum())
    parts: dict[Key, Floats] = {(): values.mean(keepdims=True)}
    table: dict[Key, tuple[int, float]] = {}
    for key in itertools.chain.from_iterable(itertools.combinations(axes, size) for size in range(1, values.ndim + 1)):
        effect = values.mean(axis=tuple(i for i in axes if i not in key), keepdims=True)
        below = itertools.chain.from_iterable(itertools.combinations(key, r) for r in range(len(key)))
        parts[key] = np.asarray(effect - sum(parts[b] for b in below))
        squares = values.size / effect.size * float((parts[key] ** 2).sum())
        table[key] = math.prod(values.shape[i] - 1 for i in key), squares if squares > least else 0.0
    return table


def _drawn_shares(
    lines: Sequence[_Line], common: tuple[int, float], rest: tuple[int, float], seeds: int, rng: np.random.Generator,
    draws: int,
) -> list[Floats]:  # fmt: skip
    """Draws of the share of variance of every line, then of the seeds and of seeds × settings; each (draws,)."""
    cells = 1 + sum(line.df for line in lines)
    noise = rest[1] / rng.chisquare(rest[0], draws)
    parts = [_drawn_variance(line, noise, rng) / (cells * seeds) for line in lines]
    parts.append((common[1] / rng.chisquare(common[0], draws) - noise) / cells)
    parts.append(noise)
    total = np.maximum(sum(parts), noise)  # from negative draws too: without them the noise could never be all of it
    return [np.divide(part, total, out=np.zeros(draws), where=total > 0).clip(0, 1) for part in parts]


def _drawn_variance(line: _Line, noise: Floats, rng: np.random.Generator) -> Floats:
    """Sum of squares of an effect without chance: noise times noncentrality, for draws of the noise, shape (draws,)."""
    chance = rng.random(noise.size)
    if not noise.any():
        return np.full(noise.size, line.squares)
    return np.asarray(noise * noncentrality(line.squares / noise, line.df, chance))


def noncentrality(x: Floats, df: int, chance: Floats) -> Floats:
    """The noncentrality with which a noncentral chi-square is at most x with the given chance.

    Where there is none, the value is zero or negative, by a normal approximation: the further, the smaller x is for
    that chance.

    >>> noncentrality(np.array([10.0, 1e6]), 3, np.array([0.5, 0.5])).round(1).tolist()
    [8.0, 999998.0]
    """
    near = np.minimum(x, FAR)
    shifted = np.sqrt(x) - special.ndtri(chance)
    normal = shifted * np.abs(shifted) - (df - 1)
    exact = np.where(chance < special.chdtr(df, near), special.chndtrinc(near, df, chance), np.minimum(normal, 0.0))
    return np.asarray(np.where(x <= FAR, exact, normal))
