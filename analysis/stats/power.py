"""Power, smallest detectable effect and seeds needed of the two-sided paired t-test."""

from __future__ import annotations

import math
from functools import lru_cache

from scipy import optimize, stats

from analysis.stats.noncentral_t import noncentral_t_cdf

MAX_SEEDS = 100_000


def power(d_z: float, n: int, alpha: float = 0.05) -> float:
    """Power of the two-sided paired t-test for the standardised difference d_z with n pairs.

    >>> round(power(1.0, 10), 4)
    0.8031
    """
    df = n - 1
    cut = float(stats.t.isf(alpha / 2, df))
    shift = abs(d_z) * math.sqrt(n)
    return 1 - noncentral_t_cdf(cut, df, shift) + noncentral_t_cdf(-cut, df, shift)


@lru_cache(maxsize=4096)
def detectable(n: int, alpha: float = 0.05, wanted: float = 0.8) -> float:
    """Smallest d_z that n pairs detect with the power wanted; 1.68 at n = 5, 1.00 at n = 10. Needs n >= 2.

    >>> round(detectable(5), 3)
    1.682
    """
    high = 0.1
    while power(high, n, alpha) < wanted:
        high *= 2
    return float(optimize.brentq(lambda d: power(d, n, alpha) - wanted, 0.0, high, xtol=1e-8))


@lru_cache(maxsize=4096)
def seeds_needed(d_z: float, alpha: float = 0.05, wanted: float = 0.8) -> int | None:
    """Fewest pairs that detect d_z with the power wanted; None above 100,000.

    >>> seeds_needed(0.5), seeds_needed(1.0)
    (34, 10)
    """
    if d_z <= 0 or power(d_z, MAX_SEEDS, alpha) < wanted:
        return None
    low, high = 1, 2
    while power(d_z, high, alpha) < wanted:
        low, high = high, min(2 * high, MAX_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if power(d_z, middle, alpha) < wanted else (low, middle)
    return high


def smallest_family_n(m: int, alpha: float = 0.05) -> int:
    """Fewest pairs with which an exact rank or sign-flip test can reject under Holm over m comparisons.

    >>> [smallest_family_n(m) for m in (1, 3, 6, 20)]
    [6, 7, 8, 10]
    """
    return math.ceil(math.log2(2 * m / alpha))
