"""The tune phase: expected validation performance by budget, and the optimism of the winner's value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.stats.description import mean, mean_interval
from analysis.stats.search_curves import ChosenBest, choice_bias, expected_best
from analysis.study.ledger import Ledger
from analysis.study.plan import Plan
from analysis.study.records import Record

ENOUGH_CONFIGS = 2
INDEPENDENT = ("random", "qmc")
"""Samplers that propose a candidate without looking at the values of earlier ones."""


@dataclass(frozen=True)
class Tuning:
    """The tune phase of one arm, on validation data.

    Attributes:
        arm: Label.
        metric: Validation metric.
        started: Candidates that were started.
        configs: Candidates that ran their whole budget.
        seeds: Tuning seeds per candidate (the fewest).
        stopped: Number of records that were stopped early, by epoch; nothing else uses them.
        failed: Records that diverged or failed.
        epochs: Epochs spent, the stopped ones included.
        values: Value of each complete candidate, best first.
        best: The winner's tuning value.
        confirmed: The same metric of the arm in the confirm phase; None if not measured.
        optimism: `best` minus `confirmed` in the direction of better: the bias from choosing the best.
        optimism_low: Lower bound, from the t-interval of `confirmed`; None below two confirm seeds.
        optimism_high: Upper bound.
        expected_optimism: What the choice alone adds if all candidates are equal: the SD of settings × seeds in the
            tune phase · E[max of K] / √s. None with one tuning seed, which cannot tell noise from settings.
        expected_optimism_low: Lower bound, from the interval of that SD.
        expected_optimism_high: Upper bound.
        evp: Expected best validation value for 1, 2, … candidates tried (unbiased form); those that did not finish rank
            last. Empty unless the sampler proposed every candidate independently (`random` and `qmc`).
        warnings: What a reader must know.
    """

    arm: str
    metric: str
    started: int
    configs: int
    seeds: int
    stopped: Mapping[str, int]
    failed: int
    epochs: int
    values: tuple[float, ...]
    best: float | None
    confirmed: float | None
    optimism: float | None
    optimism_low: float | None
    optimism_high: float | None
    expected_optimism: float | None
    expected_optimism_low: float | None
    expected_optimism_high: float | None
    evp: tuple[float, ...]
    warnings: tuple[str, ...] = ()


def tunings(plan: Plan, ledger: Ledger, records: Sequence[Record]) -> tuple[Tuning, ...]:
    """The tune phase of every arm that has one; empty when the study has no tune-phase records."""
    metric = plan.metric.replace("test_", "val_", 1)
    by_arm: dict[str, list[Record]] = {}
    for record in records:
        if record.phase == "tune" and record.arm in plan.arm:
            by_arm.setdefault(record.arm, []).append(record)
    return tuple(_tuning(plan, ledger, arm, metric, found) for arm, found in sorted(by_arm.items()))


def _tuning(plan: Plan, ledger: Ledger, arm: str, metric: str, records: Sequence[Record]) -> Tuning:
    groups: dict[str, dict[int, float]] = {}
    for record in records:
        if record.complete and metric in record.metrics:
            groups.setdefault(_candidate(record), {})[record.seed] = record.metrics[metric]
    means = sorted((mean(list(v.values())) for v in groups.values()), key=lambda v: -plan.better * v)
    confirmed = list(ledger.values(arm, metric).values())
    best = means[0] if means else None
    started = len({_candidate(r) for r in records})
    optimism, low, high = _optimism(best, confirmed, plan)
    chosen = _choice_bias(groups, 1 - plan.alpha)
    rungs = _stopped(records)
    return Tuning(
        arm=arm,
        metric=metric,
        started=started,
        configs=len(means),
        seeds=min((len(v) for v in groups.values()), default=0),
        stopped=rungs,
        failed=sum(r.status in ("failed", "diverged") for r in records),
        epochs=sum(r.reached or 0 for r in records),
        values=tuple(means),
        best=best,
        confirmed=mean(confirmed) if confirmed else None,
        optimism=optimism,
        optimism_low=low,
        optimism_high=high,
        expected_optimism=chosen.estimate if chosen else None,
        expected_optimism_low=chosen.low if chosen else None,
        expected_optimism_high=chosen.high if chosen else None,
        evp=_expected_curve(plan, means, started),
        warnings=_warnings(plan, means, rungs),
    )


def _candidate(record: Record) -> str:
    return record.config or record.trial_id


def _expected_curve(plan: Plan, means: Sequence[float], started: int) -> tuple[float, ...]:
    if plan.sampler not in INDEPENDENT or not means:
        return ()
    return expected_best(means, plan.better, started - len(means))


def _stopped(records: Sequence[Record]) -> dict[str, int]:
    """Number of records that were stopped early, by epoch."""
    rungs: dict[str, int] = {}
    for record in records:
        if record.status == "stopped" or (record.status == "complete" and not record.complete):
            rungs[str(record.reached)] = rungs.get(str(record.reached), 0) + 1
    return dict(sorted(rungs.items(), key=lambda item: (len(item[0]), item[0])))


def _optimism(
    best: float | None, confirmed: Sequence[float], plan: Plan
) -> tuple[float | None, float | None, float | None]:
    """Tuned minus confirmed value in the direction of better, with the bounds that the confirm seeds leave."""
    if best is None or not confirmed:
        return None, None, None
    found = plan.better * (best - mean(confirmed))
    if len(confirmed) < 2:
        return found, None, None
    ci = mean_interval(confirmed, 1 - plan.alpha)
    half = (ci.high - ci.low) / 2
    return found, found - half, found + half


def _choice_bias(groups: Mapping[str, Mapping[int, float]], level: float) -> ChosenBest | None:
    """The bias of choosing, over the candidates that have every tuning seed."""
    seeds = sorted({seed for values in groups.values() for seed in values})
    full = [[values[s] for s in seeds] for values in groups.values() if len(values) == len(seeds)]
    return choice_bias(np.array(full, dtype=np.float64).reshape(len(full), len(seeds)), level)


def _warnings(plan: Plan, means: Sequence[float], rungs: Mapping[str, int]) -> tuple[str, ...]:
    notes = []
    if rungs:
        notes.append("values come only from trials that finished, so they are biased")
    if len(means) < ENOUGH_CONFIGS:
        notes.append("fewer than two complete candidates")
    if plan.sampler and plan.sampler not in INDEPENDENT:
        notes.append(f"{plan.sampler} learns from earlier candidates, so there is no curve of the expected best value")
    return tuple(notes)
