"""Several treatments against one control with seeds as blocks and one pooled error: Dunnett's test and intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize, special, stats

from analysis.stats.designs.blocks import pair_sds, pooled_variance
from analysis.stats.types import Floats

MIN_SEEDS = 3


@dataclass(frozen=True)
class ManyToOne:
    """k treatments against one control, all statements together, in the unit of the values.

    Attributes:
        differences: Mean of each treatment minus that of the control.
        p: Two-sided p of each, adjusted over all k.
        low: Lower bounds; all k intervals together cover with 1 - alpha.
        high: Upper bounds.
        error: Standard error of each difference, pooled over all arms.
        df: Its degrees of freedom, (seeds - 1) k.
        critical: Critical value of |difference| / error.
        sd_low: Smallest SD of the differences to the control; the test assumes that all of them are equal.
        sd_high: Largest one.
    """

    differences: tuple[float, ...]
    p: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    error: float
    df: int
    critical: float
    sd_low: float
    sd_high: float


def compare_with_control(matrix: Floats, alpha: float = 0.05, overlap: float | None = None) -> ManyToOne | None:
    """Dunnett's two-sided comparison with a control, with seeds as blocks.

    The residual of seeds × arms is the error, so what a seed adds to all arms alike does not count, and k arms give k
    times the degrees of freedom of one paired t-test. It assumes normal values whose differences have equal spread for
    every two arms. Where they have not, differences with a large spread are called too often: compare `sd_low` with
    `sd_high`, and trust Holm's correction of paired t-tests instead.

    Source: C. W. Dunnett, A multiple comparison procedure for comparing several treatments with a control, 1955.

    Args:
        matrix: Values, shape (seeds, 1 + k); the control is the first column.
        alpha: Level of all comparisons together.
        overlap: Test samples per training sample where each seed draws a test split of its own, else None.

    Returns:
        The comparisons; None below three seeds or without spread.
    """
    n, k = matrix.shape[0], matrix.shape[1] - 1
    variance = pooled_variance(matrix) if n >= MIN_SEEDS and k > 0 else 0.0
    if not variance:
        return None
    error, df = math.sqrt(2 * variance * (1 / n + (overlap or 0.0))), (n - 1) * k
    gaps = matrix[:, 1:].mean(axis=0) - matrix[:, 0].mean()
    critical = dunnett_two_sided(k, df, alpha)
    sds = pair_sds(matrix)[:k]  # the pairs with the control stand first
    return ManyToOne(
        differences=tuple(gaps.tolist()),
        p=tuple(min(1.0, 1 - within_two_sided(abs(gap) / error, k, df)) for gap in gaps.tolist()),
        low=tuple((gaps - critical * error).tolist()),
        high=tuple((gaps + critical * error).tolist()),
        error=error,
        df=df,
        critical=critical,
        sd_low=float(sds.min()),
        sd_high=float(sds.max()),
    )


@lru_cache(maxsize=4096)
def dunnett_one_sided(k: int, df: int, alpha: float = 0.05) -> float:
    """One-sided critical value of k comparisons with one control and equal group sizes (correlation 1/2).

    >>> round(dunnett_one_sided(1, 10), 2), round(dunnett_one_sided(4, 20), 2)
    (1.81, 2.3)
    """
    if k == 1:
        return float(stats.t.isf(alpha, df))
    upper = float(stats.t.isf(alpha / k, df))
    return float(optimize.brentq(lambda d: _below(d, k, df) - (1 - alpha), 0.0, upper, xtol=1e-6))


@lru_cache(maxsize=4096)
def dunnett_two_sided(k: int, df: int, alpha: float = 0.05) -> float:
    """Two-sided critical value of k comparisons with one control and equal group sizes (correlation 1/2).

    >>> round(dunnett_two_sided(1, 10), 2), round(dunnett_two_sided(4, 20), 2)
    (2.23, 2.65)
    """
    if k == 1:
        return float(stats.t.isf(alpha / 2, df))
    upper = float(stats.t.isf(alpha / k / 2, df))
    return float(optimize.brentq(lambda d: within_two_sided(d, k, df) - (1 - alpha), 0.0, upper, xtol=1e-6))


_NORMAL_NODES, _NORMAL_WEIGHTS = np.polynomial.hermite_e.hermegauss(64)
_UNIFORM_NODES, _UNIFORM_WEIGHTS = np.polynomial.legendre.leggauss(96)


def _below(d: float, k: int, df: int) -> float:
    """P(all k statistics <= d): over the control's mean (normal) and the pooled SD (chi, by its quantiles)."""
    return _mixed(special.ndtr(_shifted(d, df)) ** k)


def within_two_sided(d: float, k: int, df: int) -> float:
    """P(all k |statistics| <= d): one minus the adjusted p of a statistic d.

    >>> round(1 - within_two_sided(2.228, 1, 10), 3)
    0.05
    """
    if k == 1:
        return float(1 - 2 * special.stdtr(df, -abs(d)))
    return _mixed((special.ndtr(_shifted(d, df)) - special.ndtr(_shifted(-d, df))) ** k)


def _shifted(d: float, df: int) -> Floats:
    """Bound of a treatment's standardised mean, given the pooled SD (rows) and the control's mean (columns)."""
    sds = np.sqrt(stats.chi2.ppf((1 + _UNIFORM_NODES) / 2, df) / df)
    return np.asarray(math.sqrt(2) * d * sds[:, None] + _NORMAL_NODES[None, :])


def _mixed(inside: Floats) -> float:
    given_sd = inside @ _NORMAL_WEIGHTS / math.sqrt(2 * math.pi)
    return float(given_sd @ _UNIFORM_WEIGHTS / 2)
