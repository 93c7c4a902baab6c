"""Several comparisons at once: Holm, Benjamini–Hochberg and the many-to-one max-t sign-flip test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from analysis.stats.types import Floats, as_floats

MAX_EXACT_MAX_T = 16  # 2^15 flips of every comparison at once


def holm(p: ArrayLike) -> Floats:
    """Holm's adjusted p-values (family-wise error, no assumption), in the order given.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, 1979.

    >>> [round(float(v), 3) for v in holm([.03, .01, .02])]
    [0.04, 0.03, 0.04]
    """
    raw = as_floats(p)
    order = np.argsort(raw, kind="stable")
    steps = raw[order] * np.arange(raw.size, 0, -1)
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Benjamini–Hochberg adjusted p-values (false discovery rate), in the order given.

    >>> [round(float(v), 3) for v in benjamini_hochberg([.01, .02, .03, .5])]
    [0.04, 0.04, 0.04, 0.5]
    """
    raw = as_floats(p)
    order = np.argsort(raw, kind="stable")
    steps = raw[order] * raw.size / np.arange(1, raw.size + 1)
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(steps[::-1])[::-1])
    return adjusted


def adjust(p: Sequence[float | None], correction: str) -> list[float | None]:
    """Adjusted p-values of a family; a comparison without p still counts in its size.

    Args:
        p: Raw p-values; None where no test was possible.
        correction: `holm` or `bh`.
    """
    if not p:
        return []
    filled = [1.0 if value is None else value for value in p]
    adjusted = {"holm": holm, "bh": benjamini_hochberg}[correction](filled)
    return [None if value is None else float(a) for value, a in zip(p, adjusted, strict=True)]


def step_levels(p: Sequence[float | None], correction: str, alpha: float) -> list[float]:
    """The level at which the correction tested each comparison, in the order given.

    The t-interval at one minus this level excludes zero exactly where the correction rejects.

    Holm: alpha / (m - j + 1) for the j-th smallest p; from the first p that is not rejected on, the level of that one.
    Benjamini–Hochberg: alpha R / m with R rejections, and alpha / m without any (Y. Benjamini and D. Yekutieli, False
    discovery rate-adjusted multiple confidence intervals, 2005).

    Args:
        p: Raw p-values; None where no test was possible. It counts in m.
        correction: `holm` or `bh`.
        alpha: Level of the whole family.

    >>> [round(level, 4) for level in step_levels([.01, .3, .02], "holm", .05)]
    [0.0167, 0.05, 0.025]
    >>> [round(level, 4) for level in step_levels([.03, .04], "holm", .05)]
    [0.025, 0.025]
    """
    if not p:
        return []
    filled = as_floats([1.0 if value is None else value for value in p])
    return list({"holm": _holm_levels, "bh": _bh_levels}[correction](filled, alpha).tolist())


def _holm_levels(p: Floats, alpha: float) -> Floats:
    order = np.argsort(p, kind="stable")
    steps = alpha / np.arange(p.size, 0, -1)
    failed = np.flatnonzero(p[order] > steps)
    last = steps[failed[0]] if failed.size else alpha
    levels = np.empty_like(p)
    levels[order] = np.minimum(steps, last)
    return levels


def _bh_levels(p: Floats, alpha: float) -> Floats:
    rejected = int((benjamini_hochberg(p) <= alpha).sum())
    return np.full_like(p, alpha * max(1, rejected) / p.size)


def max_t_sign_flip(differences: Floats, *, rng: np.random.Generator | None = None, draws: int = 9999) -> Floats:
    """Many-to-one max-|t| sign-flip test: single-step adjusted p for each of k comparisons.

    The signs of all comparisons are flipped together seed by seed, so that their correlation (through the shared
    baseline) is kept. All flips are enumerated up to 16 seeds and sampled above, which needs `rng`. The smallest p is
    2 / 2^n for every k.

    Args:
        differences: Treatment minus baseline, shape (n seeds, k comparisons).
        rng: Generator for more than 16 seeds.
        draws: Number of sampled flips.

    Returns:
        Adjusted p-values, shape (k,); 1 where all differences of a comparison are zero.

    Raises:
        ValueError: If n > 16 and no generator is given.
    """
    n = differences.shape[0]
    observed = _t_square(differences.mean(axis=0), differences)
    if n <= MAX_EXACT_MAX_T:
        hits = _count_exceeding(_all_signs(n), differences, observed)
        return np.asarray(hits / 2 ** (n - 1))
    if rng is None:
        raise ValueError(f"rng: needed for more than {MAX_EXACT_MAX_T} seeds, got {n}")
    signs = 2.0 * rng.integers(0, 2, size=(draws, n), dtype=np.int8) - 1.0
    return np.asarray((1 + _count_exceeding(signs, differences, observed)) / (draws + 1))


def _all_signs(n: int) -> np.ndarray:
    """Every way to sign n differences up to a global flip, which changes no |t|: shape (2^(n-1), n)."""
    codes = np.arange(2 ** (n - 1), dtype=np.int64)[:, None]
    return np.asarray(1 - 2 * ((codes >> np.arange(n)) & 1), dtype=np.int8)


def _count_exceeding(signs: np.ndarray, d: Floats, observed: Floats) -> Floats:
    hits = np.zeros(d.shape[1])
    for start in range(0, signs.shape[0], 2048):
        flipped = _t_square(signs[start : start + 2048] @ d / d.shape[0], d).max(axis=1)
        hits += (flipped[:, None] >= observed * (1 - 1e-9) - 1e-15).sum(axis=0)
    return hits


def _t_square(means: Floats, d: Floats) -> Floats:
    """t² per comparison from flipped means: the sum of squares does not change when signs flip."""
    n = d.shape[0]
    squares = (d**2).sum(axis=0)
    rest = np.maximum(squares - n * means**2, 1e-12 * squares)
    return np.asarray(np.where(squares > 0, n * (n - 1) * means**2 / np.where(rest > 0, rest, 1.0), 0.0))
