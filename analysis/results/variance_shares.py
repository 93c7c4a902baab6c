"""Which share of the variance each factor explains: ANOVA of the complete grid of a block."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.results.sensitivity import bounds_of, common_seeds, setting, varied
from analysis.stats.anova import Effect, anova_shares
from analysis.stats.description import mean
from analysis.stats.plateau import full_grid, level_order
from analysis.stats.types import Floats
from analysis.study.ledger import Ledger
from analysis.study.plan import Factor, Plan


@dataclass(frozen=True)
class Shares:
    """ANOVA shares of the complete grid of a block; `left_out` are levels without a full crossing.

    `reason` says why nothing may be concluded from it, or is empty.
    """

    block: str
    factors: tuple[str, ...]
    levels: tuple[tuple[Any, ...], ...]
    n: int
    effects: tuple[Effect, ...]
    cells: tuple[Mapping[str, Any], ...]
    left_out: tuple[str, ...]
    reason: str


def shares(plan: Plan, ledger: Ledger, rng: np.random.Generator) -> tuple[Shares, ...]:
    """ANOVA shares of each block whose arms hold a complete grid of one factor or more."""
    if plan.phase != "confirm":
        return ()
    parts = [_block_shares(plan, ledger, block, rng) for block in plan.blocks]
    return tuple(part for part in parts if part is not None)


def _block_shares(plan: Plan, ledger: Ledger, block: str, rng: np.random.Generator) -> Shares | None:
    factors = [f for f in varied(plan) if _numeric_or_named(f)]
    arms = [a for a in plan.arms if a.block == block and ledger.values(a.label, plan.metric)]
    factors = [f for f in factors if len({level_order(setting(plan, a, f)) for a in arms}) > 1]
    if not factors or len(arms) < 3:
        return None
    grid, left_out = full_grid({tuple(setting(plan, a, f) for f in factors): a.label for a in arms})
    levels = tuple(tuple(sorted({key[i] for key in grid}, key=level_order)) for i in range(len(factors)))
    kept = [i for i, lv in enumerate(levels) if len(lv) > 1]
    if len(grid) < 3 or not kept:
        return None
    order = list(itertools.product(*levels))
    matrix, seeds = common_seeds(ledger, plan.metric, [grid[key] for key in order])
    if len(seeds) < 2:
        return None
    bounds, reason = bounds_of(plan, ledger, [grid[key] for key in order], matrix, seeds)
    can_be_best = bounds.can_be_best if bounds else (False,) * len(order)
    shape = [len(levels[i]) for i in kept]
    effects = anova_shares(matrix.T.reshape(*shape, len(seeds)), [factors[i].label for i in kept], rng)
    return Shares(
        block=block,
        factors=tuple(factors[i].label for i in kept),
        levels=tuple(levels[i] for i in kept),
        n=len(seeds),
        effects=effects,
        cells=_cells([(key, grid[key]) for key in order], kept, matrix, can_be_best),
        left_out=left_out,
        reason=reason,
    )


def _numeric_or_named(factor: Factor) -> bool:
    return len(factor.values) > 1


def _cells(
    order: Sequence[tuple[tuple[Any, ...], str]], kept: Sequence[int], matrix: Floats, can_be_best: Sequence[bool]
) -> tuple[Mapping[str, Any], ...]:
    """The cells of a grid; `on_plateau` says that a cell can be the best, and is False where nothing may be said."""
    return tuple(
        {
            "at": [key[i] for i in kept],
            "arm": arm,
            "mean": mean(matrix[:, j]),
            "sd": float(matrix[:, j].std(ddof=1)),
            "on_plateau": can_be_best[j],
        }
        for j, (key, arm) in enumerate(order)
    )
