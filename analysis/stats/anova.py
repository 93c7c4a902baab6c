"""Exact ANOVA shares of a complete factorial grid: what factors, interactions and seeds explain."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.stats.types import SCOPE_SEEDS, Floats

RESIDUAL = "seeds"


@dataclass(frozen=True)
class Effect:
    """One line of the decomposition.

    Attributes:
        name: Factor, interaction (joined by ×), or `seeds` for the residual inside the cells.
        df: Degrees of freedom.
        sum_squares: Sum of squares.
        share: Its share of the total.
        low: Lower bound of the share, resampledstrap over seeds.
        high: Upper bound.
        noise_floor: 95 % point of the share that a factor without effect has; a smaller share is noise.
        f: F statistic against the residual; None for the residual.
        p: Its p. It assumes independent cells, so no verdict uses it.
    """

    name: str
    df: int
    sum_squares: float
    share: float
    low: float
    high: float
    noise_floor: float
    f: float | None
    p: float | None
    scope: str = SCOPE_SEEDS


def anova_shares(
    values: Floats, names: Sequence[str], rng: np.random.Generator, *, draws: int = 499, level: float = 0.95
) -> tuple[Effect, ...]:
    """Decompose a balanced grid.

    Args:
        values: Shape (levels of factor 1, levels of factor 2, …, seeds); every cell has the same seeds.
        names: Names of the factors.
        rng: Generator of the resampledstrap over seeds.
        draws: Number of resamples.
        level: Coverage of the intervals of the shares.

    Returns:
        Main effects, interactions, then the residual; the shares sum to 1. Empty when nothing varies.
    """
    table = _sums(values)
    total = sum(ss for _, ss in table.values())
    if total <= 0:
        return ()
    resampled = _resampledstrap(values, rng, draws)
    rest = table[()]
    return tuple(_effect(key, table[key], rest, total, resampled[key], names, level) for key in table)


def _effect(
    key: Key, own: tuple[int, float], rest: tuple[int, float], total: float, resampled: Sequence[float],
    names: Sequence[str], level: float,
) -> Effect:  # fmt: skip
    (df, ss), (df_rest, ss_rest) = own, rest
    share, noise = ss / total, ss_rest / df_rest
    f = (ss / df) / noise if key and noise > 0 else None
    shifted = np.clip(np.array(resampled) - float(np.mean(resampled)) + share, 0.0, 1.0)
    low, high = np.quantile(shifted, [(1 - level) / 2, (1 + level) / 2])
    dummy = float(stats.f.ppf(0.95, df, df_rest)) * df * noise / total if key else 0.0
    return Effect(
        name=" × ".join(names[i] for i in key) or RESIDUAL,
        df=df,
        sum_squares=ss,
        share=share,
        low=min(share, float(low)),
        high=max(share, float(high)),
        noise_floor=min(1.0, dummy),
        f=f,
        p=None if f is None else float(stats.f.sf(f, df, df_rest)),
    )


Key = tuple[int, ...]


def _sums(values: Floats) -> dict[Key, tuple[int, float]]:
    """Degrees of freedom and sum of squares by effect; the empty key is the residual inside the cells."""
    factors, seeds = values.ndim - 1, values.shape[-1]
    cells = values.mean(axis=-1)
    parts: dict[Key, Floats] = {(): np.asarray(cells.mean())}
    table: dict[Key, tuple[int, float]] = {}
    for size in range(1, factors + 1):
        for key in itertools.combinations(range(factors), size):
            others = tuple(i for i in range(factors) if i not in key)
            effect = cells.mean(axis=others, keepdims=True) if others else cells
            below = itertools.chain.from_iterable(itertools.combinations(key, r) for r in range(size))
            parts[key] = effect - sum(parts[b] for b in below)
            repeats = values.size / math.prod(values.shape[i] for i in key)
            df = math.prod(values.shape[i] - 1 for i in key)
            table[key] = (df, float(repeats * (parts[key] ** 2).sum()))
    rest = float(((values - cells[..., None]) ** 2).sum())
    table[()] = (cells.size * (seeds - 1), rest)
    return table


def _resampledstrap(values: Floats, rng: np.random.Generator, draws: int) -> dict[Key, list[float]]:
    """Shares by effect under resampling of whole seeds."""
    seeds = values.shape[-1]
    shares: dict[Key, list[float]] = {}
    for _ in range(draws):
        table = _sums(values[..., rng.integers(0, seeds, seeds)])
        total = sum(ss for _, ss in table.values()) or 1.0
        for key, (_, ss) in table.items():
            shares.setdefault(key, []).append(ss / total)
    return shares
