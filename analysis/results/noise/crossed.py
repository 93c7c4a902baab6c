"""Crossed sources of chance: how much initialisation, data order, split or subset each add to one run.

In such a study the seed holds one level of each source (`vary="init*order"`, `seeds=crossed(5, 5)`), and every
combination of levels is one run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.results.standing import refusal_of_records
from analysis.stats.designs.components import Component, variance_components
from analysis.stats.types import Floats
from analysis.study.ledger import Ledger
from analysis.study.plan import Arm, Plan
from silhouette.config import levels_of

NO_SPREAD = "all runs gave the same value"


@dataclass(frozen=True)
class CrossedArm:
    """The variance components of one arm whose seeds cross sources of chance.

    Attributes:
        arm: Label of the arm.
        block: Its condition.
        method: What it does.
        sources: What is crossed, in the order of the digits of a seed.
        levels: Number of levels of each.
        runs: Complete runs.
        planned: Runs of the whole design.
        level: Coverage of each interval.
        mean: Mean over all runs, in the unit of the records; None without runs.
        components: The sources, then their interactions; the last one holds all noise without a name. Empty where
            `reason` says why.
        reason: Why there are no components, or an empty text.
    """

    arm: str
    block: str
    method: str
    sources: tuple[str, ...]
    levels: tuple[int, ...]
    runs: int
    planned: int
    level: float
    mean: float | None
    components: tuple[Component, ...]
    reason: str


def crossed_arms(plan: Plan, ledger: Ledger) -> tuple[CrossedArm, ...]:
    """The components of every arm that crosses sources; empty in all other studies."""
    refused = refusal_of_records(plan, ledger)
    return tuple(_crossed_arm(plan, ledger, arm, refused) for arm in plan.arms if arm.crossed)


def _crossed_arm(plan: Plan, ledger: Ledger, arm: Arm, refused: str) -> CrossedArm:
    seeds = plan.seeds_of(arm.label)
    axes = [sorted(set(axis)) for axis in zip(*(levels_of(s, len(arm.crossed)) for s in seeds), strict=True)]
    values = ledger.values(arm.label, plan.metric)
    reason = refused or _unfinished(axes, seeds, values)
    parts = () if reason else variance_components(_array(axes, values), arm.crossed, 1 - plan.alpha)
    return CrossedArm(
        arm=arm.label,
        block=arm.block,
        method=plan.method(arm.label),
        sources=arm.crossed,
        levels=tuple(map(len, axes)),
        runs=len(values),
        planned=len(seeds),
        level=1 - plan.alpha,
        mean=float(np.mean(list(values.values()))) if values else None,
        components=parts,
        reason=reason or ("" if parts else NO_SPREAD),
    )


def _unfinished(axes: Sequence[Sequence[int]], seeds: Sequence[int], values: Mapping[int, float]) -> str:
    """Why the runs are no complete crossed design, or an empty text."""
    cells = {levels_of(seed, len(axes)) for seed in seeds}
    if min(map(len, axes)) < 2 or not math.prod(map(len, axes)) == len(cells) == len(seeds):
        return "the seeds of the plan are no complete crossed design"
    return "" if len(values) == len(seeds) else f"{len(values)} of {len(seeds)} runs are complete, and all are needed"


def _array(axes: Sequence[Sequence[int]], values: Mapping[int, float]) -> Floats:
    """The values by level of each source, shape (levels of source 1, levels of source 2, …)."""
    found: Floats = np.empty([len(axis) for axis in axes])
    for seed, value in values.items():
        places = zip(axes, levels_of(seed, len(axes)), strict=True)
        found[tuple(axis.index(level) for axis, level in places)] = value
    return found
