"""What a search with n candidates finds on average."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate, stats

from analysis.stats.description import sd_factors
from analysis.stats.types import Floats, as_floats


def expected_best(values: ArrayLike, better: int = 1, last: int = 0) -> tuple[float, ...]:
    """Expected best of n candidates drawn without replacement from those tried, n = 1 … K (unbiased).

    The candidates must have been drawn independently of each other, so a search that learns has no such curve.
    Source: J. Dodge et al., Expected validation performance and estimation of a random variable's maximum, 2021.

    Args:
        values: Values of the candidates that finished.
        better: +1 where more is better, -1 where less is.
        last: Candidates without a value. They rank last, as if each had the worst value of those that finished.

    >>> expected_best([1, 2, 3, 4])
    (2.5, 3.3333333333333335, 3.75, 4.0)
    >>> expected_best([2, 4], last=2)
    (2.5, 3.0, 3.5, 4.0)
    """
    x = better * np.sort(better * as_floats(values))
    x = np.concatenate([np.full(last, x[0]), x])
    return tuple(_expected_of(x, n) for n in range(1, x.size + 1))


def _expected_of(x: np.ndarray, n: int) -> float:
    """The i-th value (from the worst) is the best of n with probability C(i, n-1) / C(K, n)."""
    whole = math.comb(x.size, n)
    return math.fsum(float(x[i]) * (math.comb(i, n - 1) / whole) for i in range(n - 1, x.size))


@dataclass(frozen=True)
class ChosenBest:
    """What choosing the best of equal candidates adds to its value on average, with the interval of its noise."""

    estimate: float
    low: float
    high: float


def choice_bias(values: Floats, level: float = 0.95) -> ChosenBest | None:
    """By how much the best of K equal candidates exceeds them, from their values on common seeds.

    A seed that is good for every candidate helps none to win. What makes a winner is the noise of settings × seeds: the
    residual SD of the two-way layout, over √s, times the expected maximum of K normal values. The interval is that of
    the SD (chi-square).

    Args:
        values: Shape (K candidates, s seeds).
        level: Coverage of the interval.

    Returns:
        The bias, in the unit of the values; None below two candidates or two seeds.
    """
    configs, seeds = values.shape
    if min(configs, seeds) < 2:
        return None
    rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    df = (configs - 1) * (seeds - 1)
    low, high = sd_factors(level, df)
    bias = math.sqrt(float((rest**2).sum()) / df / seeds) * expected_maximum(configs)
    return ChosenBest(bias, bias * low, bias * high)


@lru_cache(maxsize=512)
def expected_maximum(k: int) -> float:
    """Expected maximum of k standard normal values: 1.87 for 20.

    >>> round(expected_maximum(20), 3)
    1.867
    """
    if k < 2:
        return 0.0
    found = integrate.quad(
        lambda x: x * k * stats.norm.pdf(x) * stats.norm.cdf(x) ** (k - 1), -9, 9, epsabs=1e-10, limit=200
    )
    return float(found[0])
