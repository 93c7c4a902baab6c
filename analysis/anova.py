"""Exact ANOVA shares of a complete factorial grid: what each factor and interaction explains, against the seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.base import SCOPE_SEEDS, Floats

RESIDUAL = "seeds"


@dataclass(frozen=True)
class Effect:
    """One line of the decomposition.

    Attributes:
        name: Factor, interaction (joined by ×) or `seeds` for the residual inside the cells.
        df: Degrees of freedom.
        sum_squares: Sum of squares.
        share: Its share of the total.
        low: Lower bound of the share, bootstrap over seeds.
        high: Upper bound.
        noise_floor: 95 % point of the share when settings are shuffled inside each seed: below it, it is
        noise.
        f: F statistic against the residual; None for the residual.
        p: Its p; assumes independent cells, so it stands beside the shares and carries no verdict.
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
        rng: Generator of the bootstrap over seeds and of the shuffles behind the noise floor.
        draws: Number of each.
        level: Coverage of the intervals of the shares.

    Returns:
        Main effects, interactions, then the residual; the shares sum to 1. Empty when nothing varies.
    """
    table = _sums(values)
    total = sum(ss for _, ss in table.values())
    if total <= 0:
        return ()
    boot = _resampled(values, rng, draws, _bootstrap)
    floor = _resampled(values, rng, draws, _shuffled)
    df_rest, ss_rest = table[()]
    tail = (1 - level) / 2
    effects = []
    for key, (df, ss) in table.items():
        shares = boot[key]
        f = (ss / df) / (ss_rest / df_rest) if key and ss_rest > 0 else None
        effects.append(
            Effect(
                name=" × ".join(names[i] for i in key) or RESIDUAL,
                df=df,
                sum_squares=ss,
                share=ss / total,
                low=float(np.quantile(shares, tail)),
                high=float(np.quantile(shares, 1 - tail)),
                noise_floor=float(np.quantile(floor[key], 0.95)) if key else 0.0,
                f=f,
                p=None if f is None else float(stats.f.sf(f, df, df_rest)),
            )
        )
    return tuple(effects)


Key = tuple[int, ...]
Resampler = Callable[[Floats, np.random.Generator], Floats]


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


def _bootstrap(values: Floats, rng: np.random.Generator) -> Floats:
    seeds = values.shape[-1]
    return values[..., rng.integers(0, seeds, seeds)]


def _shuffled(values: Floats, rng: np.random.Generator) -> Floats:
    flat = values.reshape(-1, values.shape[-1])
    return rng.permuted(flat, axis=0).reshape(values.shape)


def _resampled(values: Floats, rng: np.random.Generator, draws: int, how: Resampler) -> dict[Key, list[float]]:
    shares: dict[Key, list[float]] = {}
    for _ in range(draws):
        table = _sums(how(values, rng))
        total = sum(ss for _, ss in table.values()) or 1.0
        for key, (_, ss) in table.items():
            shares.setdefault(key, []).append(ss / total)
    return shares
