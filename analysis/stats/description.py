"""One arm in numbers: mean, SD, their intervals, median, every seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.stats.types import SCOPE_SEEDS, Floats, Interval, as_floats

ROUNDING = 1e-9
"""Share of a value, or of a difference, below which a spread is rounding."""


@dataclass(frozen=True)
class Description:
    """Values of one arm over seeds, in the unit of the records.

    Attributes:
        n: Number of seeds.
        mean: Mean, or None without values.
        sd: Standard deviation with n - 1 (ddof 1), None below two seeds.
        ci: Student-t interval of the mean, None below two seeds.
        sd_ci: Chi-square interval of the SD (assumes normal seeds), None below two seeds.
        median: Median.
        low: Smallest value.
        high: Largest value.
        values: Every value by seed.
        scope: What the interval describes.
        warnings: What a reader must know.
    """

    n: int
    mean: float | None
    sd: float | None
    ci: Interval | None
    sd_ci: Interval | None
    median: float | None
    low: float | None
    high: float | None
    values: Mapping[int, float]
    scope: str = SCOPE_SEEDS
    warnings: tuple[str, ...] = ()


def describe(values: Mapping[int, float], level: float = 0.95, overlap: float | None = None) -> Description:
    """Describe the values of one arm, keyed by seed.

    Args:
        values: In the unit of the records.
        level: Coverage of the intervals.
        overlap: As for `mean_interval`.

    >>> d = describe({0: 0.70, 1: 0.72, 2: 0.74})
    >>> round(d.mean, 3), round(d.sd, 3), d.n
    (0.72, 0.02, 3)
    """
    ordered = dict(sorted(values.items()))
    x = as_floats(list(ordered.values())) if ordered else np.empty(0)
    if not x.size:
        return Description(0, None, None, None, None, None, None, None, {}, warnings=("no complete trial",))
    many = x.size > 1
    return Description(
        n=int(x.size),
        mean=mean(x),
        sd=sd(x) if many else None,
        ci=mean_interval(x, level, overlap) if many else None,
        sd_ci=sd_interval(x, level) if many else None,
        median=float(np.median(x)),
        low=float(x.min()),
        high=float(x.max()),
        values=ordered,
        warnings=_warnings(x),
    )


def mean(values: ArrayLike) -> float:
    """Mean, rounded once, so that it does not depend on the order of the values."""
    x = as_floats(values)
    return math.fsum(x) / x.size


def sd(values: ArrayLike) -> float:
    """Standard deviation with ddof 1; needs two values or more."""
    x = as_floats(values)
    center = mean(x)
    spread = math.sqrt(math.fsum((x - center) ** 2) / (x.size - 1))
    return 0.0 if is_constant(x) else spread


def is_constant(values: Floats) -> bool:
    """Return True if the values are equal up to rounding in the last digits.

    Differences carry the rounding of the values that were subtracted, which may be a thousand times as large.
    """
    return bool(np.ptp(values) <= ROUNDING * max(1e-300, float(np.abs(values).max(initial=0.0))))


def mean_interval(values: ArrayLike, level: float = 0.95, overlap: float | None = None) -> Interval:
    """Student-t interval of the mean: mean ± t(n-1) · SD · √(1/n + overlap). Assumes roughly normal seeds.

    Args:
        values: Shape (n,), two or more.
        level: Coverage.
        overlap: Test samples per training sample where each seed draws a test split of its own (Nadeau and Bengio
            2003); None where all seeds have the same one.
    """
    x = as_floats(values)
    half = t_quantile(level, x.size - 1) * sd(x) * math.sqrt(1 / x.size + (overlap or 0.0))
    return Interval(mean(x), mean(x) - half, mean(x) + half, level, "Student t")


def sd_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Chi-square interval of the SD; at n = 5 it reaches from 0.60 to 2.87 times the estimate."""
    x = as_floats(values)
    df, s = x.size - 1, sd(x)
    low, high = sd_factors(level, df)
    return Interval(s, s * low, s * high, level, "chi-square, normal seeds")


@lru_cache(maxsize=4096)
def t_quantile(level: float, df: float) -> float:
    """Half-width of a Student-t interval in standard errors; a report asks for the same one hundreds of times."""
    return float(stats.t.isf((1 - level) / 2, df))


@lru_cache(maxsize=4096)
def sd_factors(level: float, df: float) -> tuple[float, float]:
    """Bounds of an SD as multiples of the estimate (chi-square, normal values)."""
    low, high = (math.sqrt(df / float(stats.chi2.ppf((1 + side * level) / 2, df))) for side in (1, -1))
    return low, high


def _warnings(x: Floats) -> tuple[str, ...]:
    if x.size == 1:
        return ("one seed: no spread can be given",)
    if is_constant(x):
        return ("all seeds gave the same value: check that the training uses its seed",)
    return ()
