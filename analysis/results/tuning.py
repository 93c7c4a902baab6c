"""The tune phase: expected validation performance by budget, and the optimism of the winner's value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.stats.description import mean, sd
from analysis.stats.search_curves import expected_best, expected_maximum
from analysis.study.ledger import Ledger
from analysis.study.plan import Plan
from analysis.study.records import Record

ENOUGH_CONFIGS = 2


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
        expected_optimism: SD over candidates' seeds · E[max of K] / √s, if all candidates were equal.
        evp: Expected best validation value for 1, 2, … candidates tried (unbiased form).
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
    expected_optimism: float | None
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
    groups: dict[str, list[float]] = {}
    for record in records:
        if record.complete and metric in record.metrics:
            groups.setdefault(record.config or record.trial_id, []).append(record.metrics[metric])
    means = sorted((mean(v) for v in groups.values()), key=lambda v: -plan.better * v)
    confirmed = list(ledger.values(arm, metric).values())
    best = means[0] if means else None
    held = mean(confirmed) if confirmed else None
    rungs: dict[str, int] = {}
    for record in records:
        if record.status == "stopped" or (record.status == "complete" and not record.complete):
            rungs[str(record.reached)] = rungs.get(str(record.reached), 0) + 1
    return Tuning(
        arm=arm,
        metric=metric,
        started=len({r.config or r.trial_id for r in records}),
        configs=len(means),
        seeds=min((len(v) for v in groups.values()), default=0),
        stopped=dict(sorted(rungs.items(), key=lambda item: (len(item[0]), item[0]))),
        failed=sum(r.status in ("failed", "diverged") for r in records),
        epochs=sum(r.reached or 0 for r in records),
        values=tuple(means),
        best=best,
        confirmed=held,
        optimism=None if best is None or held is None else plan.better * (best - held),
        expected_optimism=_expected_optimism(groups, len(means), confirmed),
        evp=expected_best(means, plan.better) if means else (),
        warnings=_warnings(means, rungs),
    )


def _expected_optimism(groups: Mapping[str, Sequence[float]], configs: int, confirmed: Sequence[float]) -> float | None:
    """SD between seeds (from the confirm phase) · E[max_K] / √s: the optimism if all candidates were equal."""
    if configs < ENOUGH_CONFIGS or len(confirmed) < 2:
        return None
    seeds = min(len(v) for v in groups.values())
    return sd(confirmed) * expected_maximum(configs) / math.sqrt(seeds)


def _warnings(means: Sequence[float], rungs: Mapping[str, int]) -> tuple[str, ...]:
    notes = []
    if rungs:
        notes.append("values come only from trials that finished, so they are biased")
    if len(means) < ENOUGH_CONFIGS:
        notes.append("fewer than two complete candidates")
    return tuple(notes)
