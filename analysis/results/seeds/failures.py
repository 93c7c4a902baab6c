"""Arms of which some runs gave no result: every planned seed counts, such a run as a loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.results.standing import refusal_of_study
from analysis.results.verdicts import BETTER, INCONCLUSIVE, NONE, WORSE
from analysis.stats.designs.failures import FailuresLast, failures_last
from analysis.stats.effect_sizes import clopper_pearson, win_probability
from analysis.stats.multiplicity import adjust
from analysis.study.ledger import Ledger
from analysis.study.plan import Plan


@dataclass(frozen=True)
class FailureRow:
    """An arm's trials by intention to treat: every planned seed counts, a run without a result as a loss.

    Attributes:
        arm: Label.
        planned: Seeds that were started or should have been.
        no_result: Seeds that stopped, diverged or failed.
        rate: Their share.
        rate_low: Lower Clopper–Pearson bound.
        rate_high: Upper bound.
        p_better: P(better than the baseline). A missing result loses against a present one and ties with a missing
            one.
        p_better_low: Lower Clopper–Pearson bound.
        p_better_high: Upper bound.
        p_last: Exact Wilcoxon p with the baseline, where a run without a result ranks last; None before all planned
            seeds of both arms were tried.
        p_last_adjusted: The same, Holm over all rows with a baseline.
        verdict_last: The verdict of that test alone; it is about the whole distribution of outcomes, not their means.
    """

    arm: str
    planned: int
    no_result: int
    rate: float
    rate_low: float
    rate_high: float
    p_better: float | None
    p_better_low: float | None
    p_better_high: float | None
    p_last: float | None = None
    p_last_adjusted: float | None = None
    verdict_last: str = NONE


def failure_table(plan: Plan, ledger: Ledger) -> tuple[FailureRow, ...]:
    """Failures by intention to treat; empty when every trial gave a result."""
    if not ledger.faults:
        return ()
    pairs = () if plan.unpaired else plan.families
    baseline = {t: f.baseline for f in pairs for t in f.treatments}
    lost = {(f.arm, f.seed) for f in ledger.faults}
    rows = [_failure_row(plan, ledger, arm.label, baseline.get(arm.label), lost) for arm in plan.arms]
    return _with_verdicts(plan, ledger, rows, baseline, lost)


def _with_verdicts(
    plan: Plan, ledger: Ledger, rows: Sequence[FailureRow], baseline: Mapping[str, str], lost: set[tuple[str, int]]
) -> tuple[FailureRow, ...]:
    """The rows with a verdict of their own: a test in which every failure counts, Holm over the comparisons."""
    compared = [row for row in rows if row.arm in baseline]
    tests = [_failures_last(plan, ledger, row.arm, baseline[row.arm], lost) for row in compared]
    adjusted = adjust([t.wilcoxon.p if t else None for t in tests], "holm")
    found = {row.arm: (t, p) for row, t, p in zip(compared, tests, adjusted, strict=True) if t and p is not None}
    return tuple(
        replace(
            row, p_last=found[row.arm][0].wilcoxon.p, p_last_adjusted=found[row.arm][1],
            verdict_last=_last_word(plan, *found[row.arm]),
        )
        if row.arm in found else row
        for row in rows
    )  # fmt: skip


def _failures_last(
    plan: Plan, ledger: Ledger, arm: str, baseline: str, lost: set[tuple[str, int]]
) -> FailuresLast | None:
    """None where the plan allows no verdict at all, or a planned seed was not tried yet."""
    ours, theirs = (_outcomes(plan, ledger, label, lost) for label in (arm, baseline))
    untried = any(set(one) != set(plan.seeds) for one in (ours, theirs))
    return None if untried or refusal_of_study(plan, ledger) else failures_last(ours, theirs, plan.better)


def _outcomes(plan: Plan, ledger: Ledger, arm: str, lost: set[tuple[str, int]]) -> dict[int, float | None]:
    """Values by seed; None where the run gave no result. Seeds that were not run are left out."""
    values = ledger.values(arm, plan.metric)
    return {seed: values.get(seed) for seed in plan.seeds if seed in values or (arm, seed) in lost}


def _last_word(plan: Plan, test: FailuresLast, p: float) -> str:
    if p > plan.alpha:
        return INCONCLUSIVE
    return BETTER if test.wins > test.losses else WORSE


def _failure_row(plan: Plan, ledger: Ledger, arm: str, baseline: str | None, lost: set[tuple[str, int]]) -> FailureRow:
    bad = sum((arm, seed) in lost for seed in plan.seeds)
    tried = bad + len(ledger.values(arm, plan.metric))
    rate_low, rate_high = clopper_pearson(bad, tried)
    ranks = [] if baseline is None else _intention_to_treat(plan, ledger, arm, baseline, lost)
    win = win_probability(ranks) if ranks else None
    return FailureRow(
        arm=arm,
        planned=tried,
        no_result=bad,
        rate=bad / tried if tried else 0.0,
        rate_low=rate_low,
        rate_high=rate_high,
        p_better=win.estimate if win else None,
        p_better_low=win.low if win else None,
        p_better_high=win.high if win else None,
    )


def _intention_to_treat(plan: Plan, ledger: Ledger, arm: str, baseline: str, lost: set[tuple[str, int]]) -> list[float]:
    """+1, 0 or -1 per seed: better, equal or worse; a run without a result loses against one with a result."""
    ours, base = ledger.values(arm, plan.metric), ledger.values(baseline, plan.metric)
    signs = []
    for seed in plan.seeds:
        if not all(
            s in values or (label, s) in lost for label, values, s in ((arm, ours, seed), (baseline, base, seed))
        ):
            continue  # not run yet
        if seed in ours and seed in base:
            signs.append(float(np.sign(plan.better * (ours[seed] - base[seed]))))
        else:
            signs.append(float((seed in ours) - (seed in base)))
    return signs
