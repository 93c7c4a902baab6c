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
    return _power_of_shift(abs(d_z) * math.sqrt(n), n - 1, alpha)


def _power_of_shift(shift: float, df: float, alpha: float) -> float:
    """Power of a two-sided t-test for a true effect of so many standard errors."""
    cut = float(stats.t.isf(alpha / 2, df))
    return 1 - noncentral_t_cdf(cut, df, shift) + noncentral_t_cdf(-cut, df, shift)


@lru_cache(maxsize=4096)
def detectable_shift(df: float, alpha: float = 0.05, wanted: float = 0.8) -> float:
    """Smallest true effect, in standard errors, that a two-sided t-test with df degrees of freedom detects.

    It serves every t-test whose standard error is known: paired, corrected for resplits, Welch's.

    >>> round(detectable_shift(4), 3) == round(detectable(5) * 5**0.5, 3)
    True
    """
    high = 1.0
    while _power_of_shift(high, df, alpha) < wanted:
        high *= 2
    return float(optimize.brentq(lambda shift: _power_of_shift(shift, df, alpha) - wanted, 0.0, high, xtol=1e-8))


@lru_cache(maxsize=4096)
def detectable(n: int, alpha: float = 0.05, wanted: float = 0.8) -> float:
    """Smallest d_z that n pairs detect with the power wanted; 1.68 at n = 5, 1.00 at n = 10. Needs n >= 2.

    >>> round(detectable(5), 3)
    1.682
    """
    return detectable_shift(n - 1, alpha, wanted) / math.sqrt(n)


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
