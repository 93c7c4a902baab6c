"""Whether a gain depends on the imbalance: contrasts between blocks that differ in nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.results.guards import refusal_of_copies
from analysis.results.imbalance.gaps import tested
from analysis.results.standing import refusal_of_seeds, refusal_of_study
from analysis.stats.description import mean
from analysis.stats.multiplicity import adjust, step_levels
from analysis.stats.paired_t import PairedTest, paired_test
from analysis.stats.types import SCOPE_SEEDS, Floats
from analysis.study.ledger import Ledger
from analysis.study.plan import Arm, Plan, dataset_of
from analysis.study.resplits import resplits_of

STRENGTH = "imbalance_factor"
SHAPE = ("imbalance", "step_share", "class_order", "subset", "val_profile")
"""Settings that belong to an imbalance, beside its strength; without effect where the data are balanced."""
DEPENDS, NOT_SHOWN, NONE = "depends on the imbalance", "no dependence shown", "no verdict"


@dataclass(frozen=True)
class Contrast:
    """Interaction: the gain at one imbalance minus the gain at the mildest with equal other settings.

    Attributes:
        treatment: Method of the treatment.
        baseline: Method of the baseline.
        block: The block with the stronger imbalance.
        reference: The block with the mildest imbalance among those that differ in the imbalance alone.
        n: Common seeds of the four arms.
        gain: Mean gain in the block.
        gain_reference: Mean gain in the reference.
        difference: Mean difference of the gains, paired by seed.
        ci_low: Lower end of its interval at the level of the plan.
        ci_high: Upper end.
        p: Raw p; None without a test.
        p_adjusted: Holm over all m contrasts of the study; None without a verdict.
        m: Contrasts that were corrected together.
        ci_verdict_low: Lower end at the level at which Holm tested it; None without a verdict.
        ci_verdict_high: Upper end.
        ci_verdict_level: That level.
        verdict: `DEPENDS`, `NOT_SHOWN` or `NONE`.
        reason: Why there is no verdict, or empty.
        scope: What the intervals describe.
    """

    treatment: str
    baseline: str
    block: str
    reference: str
    n: int
    gain: float
    gain_reference: float
    difference: float
    ci_low: float | None
    ci_high: float | None
    p: float | None
    p_adjusted: float | None
    m: int
    ci_verdict_low: float | None
    ci_verdict_high: float | None
    ci_verdict_level: float | None
    verdict: str
    reason: str
    scope: str = SCOPE_SEEDS


def severity(arm: Arm) -> float | None:
    """Imbalance factor of an arm's training data: 1 if balanced, None if unknown."""
    known: Mapping[str, Any] = {**arm.config, **arm.settings}
    if STRENGTH not in known and "imbalance" not in known:
        return None
    if known.get("imbalance") == "none":
        return 1.0
    factor = known.get(STRENGTH)
    return float(factor) if isinstance(factor, int | float) else None


def interactions(plan: Plan, ledger: Ledger) -> tuple[Contrast, ...]:
    """Each treatment's gain compared with its gain in the block with the mildest imbalance, all else equal."""
    if plan.phase != "confirm":
        return ()
    drafts = [draft for gains in _gains(plan, ledger).values() for draft in _drafts(plan, ledger, gains)]
    decided = [draft.test.p if draft.test and not draft.reason else None for draft in drafts]
    rows = zip(drafts, adjust(decided, "holm"), step_levels(decided, "holm", plan.alpha), strict=True)
    return tuple(_contrast(plan, draft, p, level, len(drafts)) for draft, p, level in rows)


@dataclass(frozen=True)
class _Gain:
    """The gain of a treatment in one block, by seed."""

    arms: tuple[str, str]
    methods: tuple[str, str]
    block: str
    factor: float
    shape: tuple[str, ...]
    by_seed: Mapping[int, float]
    refused: str


def _gains(plan: Plan, ledger: Ledger) -> dict[tuple[Any, ...], list[_Gain]]:
    """Gains with equal methods and equal settings of the block, but for the imbalance."""
    gains: dict[tuple[Any, ...], list[_Gain]] = {}
    for family in plan.families:
        for label in family.treatments:
            gain = _gain(plan, ledger, label, family.baseline)
            if gain is not None and gain.by_seed:
                gains.setdefault((*gain.methods, *_others(plan, plan.arm[label])), []).append(gain)
    return gains


def _gain(plan: Plan, ledger: Ledger, treatment: str, baseline: str) -> _Gain | None:
    arm, factor = plan.arm[treatment], severity(plan.arm[treatment])
    if factor is None or severity(plan.arm[baseline]) != factor:
        return None
    ours, base = ledger.values(treatment, plan.metric), ledger.values(baseline, plan.metric)
    known = {**arm.config, **arm.settings}
    return _Gain(
        (treatment, baseline),
        (plan.method(treatment), plan.method(baseline)),
        arm.block,
        factor,
        tuple(repr(known.get(name)) for name in SHAPE),
        {seed: ours[seed] - base[seed] for seed in sorted(ours.keys() & base.keys())},
        refusal_of_seeds(plan, ledger, set(ours), set(base)) or refusal_of_copies(plan, ledger, (baseline, treatment)),
    )


def _others(plan: Plan, arm: Arm) -> tuple[str | None, ...]:
    """What must be equal: the dataset, and the settings of the block that are not of the imbalance."""
    stated = arm.block_settings
    own = stated if stated is not None else {k: v for k, v in arm.settings.items() if k in plan.block_fields}
    names = sorted(own.keys() - {STRENGTH, *SHAPE, "dataset"})
    return (dataset_of(arm), *(f"{name}={own[name]!r}" for name in names))


@dataclass(frozen=True)
class _Draft:
    """A contrast before the correction."""

    block: _Gain
    reference: _Gain
    seeds: tuple[int, ...]
    differences: Floats
    test: PairedTest | None
    reason: str
    scope: str


def _drafts(plan: Plan, ledger: Ledger, gains: list[_Gain]) -> Iterator[_Draft]:
    for gain in gains:
        milder = [g for g in gains if g.factor < gain.factor and (g.factor == 1 or g.shape == gain.shape)]
        reference = min(milder, key=lambda g: g.factor, default=None)
        if reference is not None and len(gain.by_seed.keys() & reference.by_seed.keys()) > 1:
            yield _draft(plan, ledger, gain, reference)


def _draft(plan: Plan, ledger: Ledger, gain: _Gain, reference: _Gain) -> _Draft:
    seeds = tuple(sorted(gain.by_seed.keys() & reference.by_seed.keys()))
    d = np.array([gain.by_seed[seed] - reference.by_seed[seed] for seed in seeds], dtype=np.float64)
    splits = resplits_of(plan, ledger, (*gain.arms, *reference.arms), seeds)
    test = None if splits.refusal else paired_test(d, splits.overlap)
    reason = (
        refusal_of_study(plan, ledger)
        or gain.refused
        or reference.refused
        or refusal_of_seeds(plan, ledger, set(gain.by_seed), set(reference.by_seed))
        or splits.refusal
        or ("the differences have no spread" if test is None else "fewer than 3 seeds" if test.p is None else "")
    )
    return _Draft(gain, reference, seeds, d, test, reason, plan.scope_of(splits.moving))


def _contrast(plan: Plan, draft: _Draft, adjusted: float | None, level: float, m: int) -> Contrast:
    block, reference = draft.block, draft.reference
    return Contrast(
        treatment=block.methods[0],
        baseline=block.methods[1],
        block=block.block,
        reference=reference.block,
        n=len(draft.seeds),
        gain=mean([block.by_seed[seed] for seed in draft.seeds]),
        gain_reference=mean([reference.by_seed[seed] for seed in draft.seeds]),
        difference=mean(draft.differences),
        **tested(draft.test, adjusted, level, m, plan.alpha),
        verdict=NONE if adjusted is None else DEPENDS if adjusted <= plan.alpha else NOT_SHOWN,
        reason=draft.reason,
        scope=draft.scope,
    )
