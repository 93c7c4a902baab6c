"""Two spreads that are measured on the same seeds: the ratio of their variances, its interval and its test."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.stats.description import is_constant, sd, t_quantile
from analysis.stats.types import as_floats


@dataclass(frozen=True)
class VarianceRatio:
    """Variance of the first values over that of the second, with its interval and the p that it is 1."""

    estimate: float
    low: float
    high: float
    p: float
    level: float


def variance_ratio(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> VarianceRatio | None:
    """Pitman and Morgan's test and interval for paired values; None below three pairs or without any spread.

    The sum and the difference of two paired values are uncorrelated exactly where both have the same variance. Normal
    values are assumed; the pairs may be correlated or not. Sources: E. J. G. Pitman 1939; W. A. Morgan 1939.

    >>> found = variance_ratio([1, 2, 4, 3, 5], [2, 5, 7, 4, 10])
    >>> round(found.estimate, 2), round(found.p, 2)
    (0.27, 0.04)
    """
    x, y = as_floats(a), as_floats(b)
    if x.size < 3 or is_constant(x) or is_constant(y):
        return None
    ratio, df = sd(x) ** 2 / sd(y) ** 2, x.size - 2
    alone = max(1 - float(np.corrcoef(x, y)[0, 1]) ** 2, 1e-15)
    t = abs(ratio - 1) * math.sqrt(df / (4 * ratio * alone))
    k = 1 + 2 * alone * t_quantile(level, df) ** 2 / df
    factor = k + math.sqrt(k * k - 1)
    return VarianceRatio(ratio, ratio / factor, ratio * factor, float(2 * stats.t.sf(t, df)), level)
