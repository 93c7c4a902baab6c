"""Which arm of a block can be the best, and by how much each could be better or worse than the others, at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.results.sensitivity import bounds_of, common_seeds
from analysis.stats.description import mean
from analysis.stats.plateau import BestBounds
from analysis.stats.types import Floats
from analysis.study.ledger import Ledger
from analysis.study.plan import FIELD, Arm, Plan
from analysis.study.resplits import resplits_of

MIN_ARMS = 3
"""Two arms are one comparison, which needs no choice of the best."""


@dataclass(frozen=True)
class BestArm:
    """One arm against the best of the others.

    Attributes:
        arm: Label of the arm.
        method: What it does.
        mean: Mean over the common seeds.
        worse_by_at_most: By how much it can be worse than the best of the other arms (>= 0); None without a statement.
        better_by_at_most: By how much it can be better than all other arms (>= 0).
        can_be_best: Whether it is not excluded from being the best; None without a statement.
    """

    arm: str
    method: str
    mean: float
    worse_by_at_most: float | None
    better_by_at_most: float | None
    can_be_best: bool | None


@dataclass(frozen=True)
class BestOfBlock:
    """Hsu's multiple comparisons with the best over all arms of a block; all its statements hold together.

    Attributes:
        block: The condition.
        n: Seeds that all its arms have.
        level: Confidence of all statements of the block together.
        error: Standard error of the difference of two arms, pooled over all of them; None without a statement.
        sd_low: Smallest SD of the differences of two arms; the pooled error assumes that all are equal.
        sd_high: Largest one.
        arms: The arms in the order of the plan.
        scope: What the statements describe.
        reason: Why nothing is said about the best, or an empty text.
    """

    block: str
    n: int
    level: float
    error: float | None
    sd_low: float | None
    sd_high: float | None
    arms: tuple[BestArm, ...]
    scope: str
    reason: str


def best_of_blocks(plan: Plan, ledger: Ledger) -> tuple[BestOfBlock, ...]:
    """The comparison with the best in every block of three arms or more; empty for unpaired arms and seed studies."""
    if plan.unpaired:
        return ()
    blocks = ([arm for arm in plan.arms if arm.block == block] for block in plan.blocks)
    return tuple(_best(plan, ledger, arms) for arms in blocks if _can_be_compared(plan, ledger, arms))


def _can_be_compared(plan: Plan, ledger: Ledger, arms: Sequence[Arm]) -> bool:
    """Whether there are enough arms with values, which do more than move other sources of chance."""
    sources = {repr(arm.settings.get(FIELD)) for arm in arms}
    return len(arms) >= MIN_ARMS and len(sources) == 1 and all(ledger.values(a.label, plan.metric) for a in arms)


def _best(plan: Plan, ledger: Ledger, arms: Sequence[Arm]) -> BestOfBlock:
    labels = [arm.label for arm in arms]
    matrix, seeds = common_seeds(ledger, plan.metric, labels)
    bounds, reason = bounds_of(plan, ledger, labels, matrix, seeds)
    if bounds is None and not reason:
        reason = "fewer than 3 common seeds, or differences without spread"
    return BestOfBlock(
        block=arms[0].block,
        n=len(seeds),
        level=1 - plan.alpha,
        error=bounds.error if bounds else None,
        sd_low=bounds.sd_low if bounds else None,
        sd_high=bounds.sd_high if bounds else None,
        arms=tuple(_arm(plan, arm, i, matrix, bounds) for i, arm in enumerate(arms)) if len(seeds) else (),
        scope=plan.scope_of(resplits_of(plan, ledger, labels, seeds).moving),
        reason=reason,
    )


def _arm(plan: Plan, arm: Arm, place: int, matrix: Floats, bounds: BestBounds | None) -> BestArm:
    return BestArm(
        arm=arm.label,
        method=plan.method(arm.label),
        mean=mean(matrix[:, place]),
        worse_by_at_most=bounds.worse[place] if bounds else None,
        better_by_at_most=bounds.better[place] if bounds else None,
        can_be_best=bounds.can_be_best[place] if bounds else None,
    )
