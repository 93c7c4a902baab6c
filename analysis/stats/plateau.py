"""Which settings of a grid are as good as the best, and the largest complete grid among some cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.stats.comparison import paired_ps
from analysis.stats.multiplicity import holm
from analysis.stats.types import Floats


def plateau_set(matrix: Floats, better: int = 1, alpha: float = 0.05) -> list[bool]:
    """Which of k settings are not significantly worse than any other.

    Paired t over all k(k-1)/2 pairs, Holm-adjusted. The best setting is chosen after seeing the values; this is valid,
    because the correction covers every pair.

    Args:
        matrix: Values, shape (seeds, k).
        better: +1 where more is better, -1 where less is.
        alpha: Family-wise level.
    """
    k = matrix.shape[1]
    first, second = np.triu_indices(k, 1)
    if not first.size:
        return [True] * k
    gaps = better * (matrix[:, first] - matrix[:, second])
    apart = holm(paired_ps(gaps)) <= alpha
    worse = set(np.where(gaps.mean(axis=0) > 0, second, first)[apart].tolist()) if len(gaps) else set()
    return [i not in worse for i in range(k)]


def full_grid(arms: Mapping[tuple[Any, ...], str]) -> tuple[dict[tuple[Any, ...], str], tuple[str, ...]]:
    """The complete grid that remains when the level with the fewest cells is removed until the grid is complete.

    >>> full_grid({(0, 1): "a", (1, 1): "b", (1, 2): "c", (2, 1): "d", (2, 2): "e"})[1]
    ('a',)
    """
    kept = dict(arms)
    while kept:
        width = len(next(iter(kept)))
        levels = [sorted({key[i] for key in kept}, key=level_order) for i in range(width)]
        if math.prod(len(lv) for lv in levels) == len(kept):
            break
        counts = {
            (i, value): sum(key[i] == value for key in kept) * len(lv) for i, lv in enumerate(levels) for value in lv
        }
        i, value = min(counts, key=lambda at: (counts[at], at[0], level_order(at[1])))
        kept = {key: arm for key, arm in kept.items() if key[i] != value}
    return kept, tuple(arm for key, arm in arms.items() if key not in kept)


def level_order(value: Any) -> tuple[int, float, str]:
    """Sort key of a level: numbers by value, then everything else by its text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (0, float(value), "")
    return (1, 0.0, str(value))
