"""All methods over several datasets: averages, pooling, ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.results.across.pairs import AcrossPair, pairs_over
from analysis.results.across.ranks import Cells, Ranks, ranks_over
from analysis.results.comparisons import Evidence
from analysis.study.ledger import Ledger
from analysis.study.plan import Arm, Plan, dataset_of


@dataclass(frozen=True)
class Across:
    """One condition (for example one imbalance setting) over its datasets."""

    condition: str
    datasets: tuple[str, ...]
    pairs: tuple[AcrossPair, ...]
    ranks: Ranks | None


def condition_of(plan: Plan, arm: Arm) -> str:
    """The settings of an arm's block other than the dataset, such as its imbalance; empty if there are none."""
    fields = sorted(plan.block_fields - {"dataset"})
    shown = [f"{name}={arm.settings[name]}" for name in fields if name in arm.settings]
    return ", ".join(shown)


def across_datasets(
    plan: Plan, ledger: Ledger, evidence: Sequence[Evidence], rng: np.random.Generator
) -> tuple[Across, ...]:
    """All results over several datasets; empty if the study has fewer than two.

    Args:
        plan: The study.
        ledger: Its records.
        evidence: Its comparisons with their verdicts. A method gets a word over all datasets only where it got one of
            the same kind on a single dataset, so that both together keep the error rate of the comparisons.
        rng: Generator, for permutations that are too many to enumerate.
    """
    if len({dataset_of(a) for a in plan.arms} - {None}) < 2 or plan.phase != "confirm":
        return ()
    conditions = dict.fromkeys(condition_of(plan, a) for a in plan.arms)
    parts = [_across(plan, ledger, evidence, name, rng) for name in conditions]
    return tuple(part for part in parts if len(part.datasets) > 1)


def _across(
    plan: Plan, ledger: Ledger, evidence: Sequence[Evidence], condition: str, rng: np.random.Generator
) -> Across:
    """Arms of a condition by dataset and method, then its pairs and ranks."""
    cells: Cells = {}
    for arm in plan.arms:
        name = dataset_of(arm)
        if name is not None and condition_of(plan, arm) == condition:
            cells.setdefault(name, {})[plan.method(arm.label)] = arm
    inside = {arm.label for row in cells.values() for arm in row.values()}
    here = [e for e in evidence if e.treatment in inside and e.family.baseline in inside]
    return Across(condition, tuple(cells), pairs_over(plan, here, rng), ranks_over(plan, ledger, cells, here, rng))
