"""What a search with n candidates finds on average."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate, stats

from analysis.stats.types import as_floats


def expected_best(values: ArrayLike, better: int = 1) -> tuple[float, ...]:
    """Expected best of n candidates drawn without replacement from those tried, n = 1 … K (unbiased).

    Source: J. Dodge et al., Expected validation performance and estimation of a random variable's maximum, 2021.

    >>> expected_best([1, 2, 3, 4])
    (2.5, 3.3333333333333335, 3.75, 4.0)
    """
    x = better * np.sort(better * as_floats(values))
    return tuple(_expected_of(x, n) for n in range(1, x.size + 1))


def _expected_of(x: np.ndarray, n: int) -> float:
    """The i-th value (from the worst) is the best of n with probability C(i, n-1) / C(K, n)."""
    whole = math.comb(x.size, n)
    return math.fsum(float(x[i]) * (math.comb(i, n - 1) / whole) for i in range(n - 1, x.size))


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
