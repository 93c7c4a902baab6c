"""Variance components of a crossed design: how much initialisation, data order, split and subset each add to one run.

Every source is random and crossed with all others: a run for each combination of its levels. The mean square of a
source or interaction S has the expectation σ²_rest + Σ_{T ⊇ S} (number of runs at one level of T) σ²_T, so each
component is a difference of sums of mean squares. Source: S. R. Searle, G. Casella and C. E. McCulloch, Variance
Components, 1992, chapter 4.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from analysis.stats.anova import sums_of_squares
from analysis.stats.types import Floats

RANDOMISE, FIX, UNCLEAR = "randomise", "may be fixed", "not known"
"""What to do with a source of randomness."""
SMALL = 0.1
"""A source whose share of the variance is surely below this may be fixed."""


@dataclass(frozen=True)
class Component:
    """One source of randomness, or an interaction of several.

    Attributes:
        sources: Names of the sources.
        df: Degrees of freedom.
        mean_square: Its mean square.
        variance: Estimate of its variance in one run, in the squared unit of the values; at least 0.
        low: Lower bound of that variance, at least 0; None for the last interaction, which holds all other noise.
        high: Upper bound.
        share: Its share of the variance of one run, from 0 to 1.
        share_low: The least share that the bounds allow.
        share_high: The largest share.
        f: F statistic against what its mean square would be without it; None for the last interaction.
        p: Its p; exact for two sources, Satterthwaite's approximation for more.
        advice: `randomise`, `may be fixed` or `not known`; empty for interactions.
    """

    sources: tuple[str, ...]
    df: int
    mean_square: float
    variance: float
    low: float | None
    high: float | None
    share: float
    share_low: float | None
    share_high: float | None
    f: float | None
    p: float | None
    advice: str


@dataclass(frozen=True)
class _Line:
    """Mean square of one source with the one that it is measured against, which is what it would be without it."""

    key: tuple[int, ...]
    df: int
    square: float
    against: float
    df_against: float
    runs: float

    @property
    def variance(self) -> float:
        return (self.square - self.against) / self.runs


def variance_components(values: Floats, names: Sequence[str], level: float = 0.95) -> tuple[Component, ...]:
    """The components of a complete crossed design with one run for each combination.

    The bounds are those of N. Ting et al., Confidence intervals on linear combinations of variance components that are
    unrestricted in sign, 1990, for a difference of two mean squares. A lower bound is above 0 exactly where the F test
    rejects at half of 1 - level. With more than two sources the mean square that a source is measured against is
    a sum, with Satterthwaite's degrees of freedom.

    Args:
        values: One result for each combination, shape (levels of source 1, levels of source 2, …), each 2 or more.
        names: Names of the sources, two or more.
        level: Coverage of each interval.

    Returns:
        The sources, then their interactions; the last one holds all noise that has no name. Empty without spread.

    Raises:
        ValueError: If names and axes differ in number, or a source has one level only.
    """
    if values.ndim != len(names) or values.ndim < 2 or min(values.shape) < 2:
        raise ValueError(f"values: one axis of two levels or more for each of {len(names)} sources, got {values.shape}")
    squares = {key: (df, ss / df) for key, (df, ss) in sums_of_squares(values).items()}
    lines = [_line(key, squares, values.shape) for key in squares]
    total = sum(max(0.0, line.variance) for line in lines)
    if total <= 0:
        return ()
    bounds = [_bounds(line, (1 - level) / 2) for line in lines]
    return tuple(_component(line, names, total, bound) for line, bound in zip(lines, bounds, strict=True))


def _line(key: tuple[int, ...], squares: dict[tuple[int, ...], tuple[int, float]], shape: Sequence[int]) -> _Line:
    """By inclusion and exclusion: what the mean square of a source would be if that source did nothing."""
    rest = [i for i in range(len(shape)) if i not in key]
    terms = [
        (-((-1.0) ** size), *squares[tuple(sorted((*key, *more)))])
        for size in range(1, len(rest) + 1)
        for more in itertools.combinations(rest, size)
    ]
    against = sum(sign * square for sign, _, square in terms)
    spread = sum(square**2 / df for _, df, square in terms)
    df_against = against**2 / spread if spread > 0 else math.inf
    runs = math.prod(shape[i] for i in rest)
    return _Line(key, *squares[key], max(0.0, against), max(df_against, 1.0), runs)


def _bounds(line: _Line, tail: float) -> tuple[float, float] | None:
    """Bounds of a variance; None for the last interaction, from which the noise cannot be told."""
    if line.runs == 1:
        return None
    f_high = float(stats.f.isf(tail, line.df, line.df_against))
    f_low = float(stats.f.isf(1 - tail, line.df, line.df_against))
    first_low, second_high = 1 - line.df / float(stats.chi2.isf(tail, line.df)), _over(line.df_against, 1 - tail) - 1
    first_high, second_low = line.df / float(stats.chi2.isf(1 - tail, line.df)) - 1, 1 - _over(line.df_against, tail)
    cross_low = ((f_high - 1) ** 2 - (first_low * f_high) ** 2 - second_high**2) / f_high
    cross_high = ((1 - f_low) ** 2 - (first_high * f_low) ** 2 - second_low**2) / f_low
    a, b = line.square, line.against
    down = (first_low * a) ** 2 + (second_high * b) ** 2 + cross_low * a * b
    up = (first_high * a) ** 2 + (second_low * b) ** 2 + cross_high * a * b
    low, high = a - b - math.sqrt(max(0.0, down)), a - b + math.sqrt(max(0.0, up))
    return max(0.0, low) / line.runs, max(0.0, high) / line.runs


def _over(df: float, tail: float) -> float:
    return df / float(stats.chi2.isf(tail, df))


def _component(line: _Line, names: Sequence[str], total: float, bounds: tuple[float, float] | None) -> Component:
    variance = max(0.0, line.variance)
    low, high = bounds or (None, None)
    others = total - variance
    share_low = None if low is None else low / (low + others) if low + others > 0 else 0.0
    share_high = None if high is None else high / (high + others) if high + others > 0 else 1.0
    f = line.square / line.against if line.against > 0 else None
    return Component(
        sources=tuple(names[i] for i in line.key),
        df=line.df,
        mean_square=line.square,
        variance=variance,
        low=low,
        high=high,
        share=variance / total,
        share_low=share_low,
        share_high=share_high,
        f=f,
        p=None if f is None else float(stats.f.sf(f, line.df, line.df_against)),
        advice=_advice(share_low, share_high) if len(line.key) == 1 else "",
    )


def _advice(low: float | None, high: float | None) -> str:
    """A source that surely adds little may be fixed; one that surely adds something must move with the seed."""
    if high is not None and high < SMALL:
        return FIX
    return RANDOMISE if low is not None and low > 0 else UNCLEAR
