"""Exact tests of paired differences: sign-flip, Wilcoxon and the Hodges–Lehmann interval.

Both tests ask whether the differences are symmetric about zero. With n differences no p can be below 2/2^n, so that
five seeds can never give p below 0.05. An asymptotic p is used only where there are too many cases to enumerate; the
method then says so.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.stats.types import Floats, Interval, Test, as_floats

MAX_EXACT_FLIPS = 36  # two halves of 2^18 sums each are sorted and combined
MAX_EXACT_RANKS = 200  # the convolution over rank sums grows with n^3
_TIE = 1e-9  # sums this close, relative to the sum of |d|, are the same sum computed in another order


def smallest_p(n: int) -> float:
    """The smallest two-sided p that n non-zero differences allow: 2 / 2^n, at most 1.

    >>> smallest_p(5), smallest_p(10)
    (0.0625, 0.001953125)
    """
    return min(1.0, 2.0 ** (1 - n))


def sign_flip(differences: ArrayLike, *, rng: np.random.Generator | None = None, draws: int = 9999) -> Test:
    """Two-sided sign-flip (Fisher–Pitman) test of the mean difference.

    p is the share of the 2^n assignments of signs whose |sum| is at least the observed one. All are enumerated up to
    n = 36 (two halves, sorted and combined). Above, p comes from `draws` random assignments and the observed one, which
    needs `rng`.

    Raises:
        ValueError: If n > 36 and no generator is given.
    """
    d = as_floats(differences)
    nonzero = d[d != 0]
    floor = smallest_p(nonzero.size)
    if nonzero.size <= MAX_EXACT_FLIPS:
        return Test(_exact_flip_p(nonzero), d.size, floor, "sign-flip, all 2^n flips")
    if rng is None:
        raise ValueError(f"rng: needed for more than {MAX_EXACT_FLIPS} differences, got {nonzero.size}")
    p = _sampled_flip_p(nonzero, rng, draws)
    return Test(p, d.size, 1 / (draws + 1), f"sign-flip, {draws} random flips")


def _exact_flip_p(d: Floats) -> float:
    size = np.abs(d).sum()
    observed = abs(math.fsum(d)) - _TIE * size
    if observed <= 0:
        return 1.0
    half = d.size // 2
    left, right = _signed_sums(d[:half]), np.sort(_signed_sums(d[half:]))
    at_least = right.size - np.searchsorted(right, observed - left, side="left")
    return float(2 * at_least.sum() / (left.size * right.size))


def _signed_sums(d: Floats) -> Floats:
    sums = np.zeros(1)
    for value in np.abs(d):
        sums = np.concatenate([sums - value, sums + value])
    return sums


def _sampled_flip_p(d: Floats, rng: np.random.Generator, draws: int) -> float:
    observed = abs(math.fsum(d)) - _TIE * np.abs(d).sum()
    sums = math.fsum(d) - 2 * _random_subset_sums(d, rng, draws)
    return float((1 + (np.abs(sums) >= observed).sum()) / (draws + 1))


def _random_subset_sums(d: Floats, rng: np.random.Generator, draws: int) -> Floats:
    """Sums over random halves of d: eight values at a time, through a table of the 256 sums of each eight."""
    blocks = -(-d.size // 8)
    eights = np.pad(d, (0, 8 * blocks - d.size)).reshape(blocks, 8)
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    tables = np.einsum("bj,cj->bc", eights, bits)
    raw = np.frombuffer(rng.bytes(draws * blocks), dtype=np.uint8).reshape(draws, blocks)
    return np.asarray(tables[np.arange(blocks), raw].sum(axis=1))


def signed_ranks(differences: ArrayLike) -> Floats:
    """Ranks of |d| with the sign of d, mid-ranks for ties; zeros are dropped first."""
    d = as_floats(differences)
    d = d[d != 0]
    return np.asarray(np.sign(d) * _mid_ranks(np.abs(d)), dtype=np.float64)


def _mid_ranks(sizes: Floats) -> Floats:
    """Mid-ranks of the sizes, where sizes that differ only by rounding are equal: 0.3 - 0.2 ties with 0.1."""
    if not sizes.size:
        return sizes
    order = np.argsort(sizes, kind="stable")
    steps = np.flatnonzero(np.diff(sizes[order]) > 1e-12 * sizes.max()) + 1
    bounds = np.concatenate([[0], steps, [sizes.size]])  # each group of ties ends where the next one begins
    ranks = np.empty_like(sizes)
    ranks[order] = np.repeat((bounds[:-1] + bounds[1:] + 1) / 2, np.diff(bounds))
    return ranks


def wilcoxon(differences: ArrayLike) -> Test:
    """Two-sided Wilcoxon signed-rank test: zeros dropped, mid-ranks, exact null up to n = 200.

    >>> wilcoxon([1, 2, 3, 4, 5]).p
    0.0625
    """
    d = as_floats(differences)
    ranks = signed_ranks(d)
    n = ranks.size
    plus = float(ranks[ranks > 0].sum())
    if n == 0:
        return Test(1.0, d.size, 1.0, "Wilcoxon signed rank: every difference is zero", plus)
    if n <= MAX_EXACT_RANKS:
        p, method = _exact_rank_p(ranks, plus), "Wilcoxon signed rank, exact"
    else:
        p, method = (
            _normal_rank_p(ranks, plus),
            f"Wilcoxon signed rank, normal approximation (n > {MAX_EXACT_RANKS})",
        )
    return Test(p, d.size, smallest_p(n), method, plus)


@lru_cache(maxsize=16)
def _rank_sum_null(doubled: tuple[int, ...]) -> Floats:
    """Probability of each value of a sum of ranks, each taken or not, by convolution; the ranks are whole numbers."""
    null = np.zeros(sum(doubled) + 1)
    null[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(null)
        shifted[rank:] = null[: null.size - rank]
        null = (null + shifted) / 2
    null.flags.writeable = False  # the next call with these ranks returns the same array
    return null


def _exact_rank_p(ranks: Floats, plus: float) -> float:
    doubled = np.sort(np.rint(2 * np.abs(ranks)).astype(np.int64))
    null = _rank_sum_null(tuple(doubled.tolist()))
    center = doubled.sum() / 2
    far = np.abs(np.arange(null.size) - center) >= abs(2 * plus - center) - 1e-9
    return float(min(1.0, null[far].sum()))


def _normal_rank_p(ranks: Floats, plus: float) -> float:
    mean, var = np.abs(ranks).sum() / 2, (ranks**2).sum() / 4
    return float(min(1.0, 2 * stats.norm.sf((abs(plus - mean) - 0.5) / math.sqrt(var))))


def hodges_lehmann(differences: ArrayLike, level: float = 0.95) -> Interval:
    """Hodges–Lehmann shift (median of the Walsh averages) with its interval from the exact Wilcoxon null.

    The interval is the narrowest with a coverage of at least `level`. Where n is too small for that (below 6 at 95 %)
    it is the widest that exists. Its `level` is its true coverage.

    >>> hodges_lehmann([1, 2, 3, 4, 5]).level
    0.9375
    """
    d = as_floats(differences)
    n = d.size
    i, j = np.triu_indices(n)
    walsh = np.sort((d[i] + d[j]) / 2)
    cut, coverage = _walsh_cut(n, level)
    method = "Hodges–Lehmann, " + ("exact" if n <= MAX_EXACT_RANKS else "normal approximation")
    return Interval(float(np.median(walsh)), float(walsh[cut]), float(walsh[-1 - cut]), coverage, method)


def _walsh_cut(n: int, level: float) -> tuple[int, float]:
    """Number of Walsh averages outside the interval at each end, and the coverage."""
    if n > MAX_EXACT_RANKS:
        mean, var = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24
        return int(mean - stats.norm.ppf((1 + level) / 2) * math.sqrt(var)), level
    below = np.cumsum(_rank_sum_null(tuple(range(1, n + 1))))
    cut = int(np.searchsorted(below, (1 - level) / 2, side="right"))
    cut = max(cut - 1, 0)
    return cut, float(1 - 2 * below[cut])
