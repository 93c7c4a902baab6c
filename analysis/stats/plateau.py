"""How far each setting of a grid may be from the best, and the largest complete grid among some cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.stats.designs.blocks import pair_sds, pooled_variance
from analysis.stats.designs.dunnett import dunnett_one_sided
from analysis.stats.types import Floats

MIN_SEEDS = 3


@dataclass(frozen=True)
class BestBounds:
    """What the values allow for each of k settings against the best of the others, all statements together.

    A setting with `better` 0 is not better than the best of the others: the settings above 0 hold the best one.

    Attributes:
        worse: By how much each setting can be worse than the best of the others, at most (>= 0).
        better: By how much it can be better than all others, at most (>= 0).
        error: Standard error of the difference between two settings, pooled over all of them.
        df: Its degrees of freedom, (seeds - 1) (k - 1).
        sd_low: Smallest SD of the differences between two settings; the bounds assume that all of them are equal.
        sd_high: Largest one.
    """

    worse: tuple[float, ...]
    better: tuple[float, ...]
    error: float
    df: int
    sd_low: float
    sd_high: float

    @property
    def can_be_best(self) -> tuple[bool, ...]:
        """Which settings are not excluded; the best one is among them with 1 - alpha."""
        return tuple(bound > 0 for bound in self.better)


def compare_with_best(
    matrix: Floats, better: int = 1, alpha: float = 0.05, overlap: float | None = None
) -> BestBounds | None:
    """Hsu's multiple comparisons with the best, with seeds as blocks and one pooled error.

    With the means m and D = d · SE, where d is Dunnett's one-sided critical value for k - 1 comparisons, the setting i
    differs from the best of the others by at least min(0, m_i - max m_j - D) and by at most max(0, m_i - max m_j + D).
    All these bounds hold together with 1 - alpha, whichever setting is the best and although it was chosen after seeing
    the values. Assumes roughly normal values whose differences have equal spread for every two settings.

    Source: J. C. Hsu, Simultaneous confidence intervals for all distances from the "best", Ann. Statist. 9, 1981.

    Args:
        matrix: Values, shape (seeds, k).
        better: +1 where more is better, -1 where less is.
        alpha: Level of all bounds together.
        overlap: Test samples per training sample where each seed draws a test split of its own, else None.

    Returns:
        The bounds in the unit of the values; None below three seeds or two settings, or without spread.
    """
    n, k = matrix.shape
    values, df = better * matrix, (n - 1) * (k - 1)
    variance = pooled_variance(values) if n >= MIN_SEEDS and k > 1 else 0.0
    if not variance:
        return None
    error = math.sqrt(2 * variance * (1 / n + (overlap or 0.0)))
    width = dunnett_one_sided(k - 1, df, alpha) * error
    ahead, sds = _ahead(values.mean(axis=0)), pair_sds(values)
    worse, leads = np.maximum(0.0, width - ahead), np.maximum(0.0, width + ahead)
    return BestBounds(tuple(worse.tolist()), tuple(leads.tolist()), error, df, float(sds.min()), float(sds.max()))


def _ahead(means: Floats) -> Floats:
    """Each mean minus the largest of the others."""
    others = np.where(np.eye(means.size, dtype=bool), -np.inf, means[None, :])
    return np.asarray(means - others.max(axis=1))


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
