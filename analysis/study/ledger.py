"""The account of a study's trials: what was planned, which records are used, and why others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from analysis.study.plan import Plan
from analysis.study.records import Record, parsed_config
from silhouette.config import as_version_0_2, with_defaults

AHEAD = "ran ahead of a decision; no comparison of the arm needed this seed"
"""Why the record of a study that stops when it is decided is not used."""


@dataclass(frozen=True)
class ArmLedger:
    """What became of one arm's trials, in numbers of seeds."""

    arm: str
    planned: int
    complete: int
    stopped: int
    diverged: int
    failed: int
    missing: int
    missing_seeds: tuple[int, ...]
    stopped_at: Mapping[str, int]


@dataclass(frozen=True)
class Exclusion:
    """A record that is not used, and why."""

    trial_id: str
    arm: str
    seed: int
    reason: str


@dataclass(frozen=True)
class Fault:
    """A trial that did not complete."""

    trial_id: str
    arm: str
    seed: int
    status: str
    epochs: int | None
    error: str


@dataclass(frozen=True)
class Ledger:
    """The account of a study's trials; `used` are the records that verdicts use, by arm and seed."""

    planned: int
    complete: int
    stopped: int
    diverged: int
    failed: int
    missing: int
    duplicate: int
    excluded: int
    tune_phase: int
    arms: tuple[ArmLedger, ...]
    exclusions: tuple[Exclusion, ...]
    faults: tuple[Fault, ...]
    used: Mapping[str, Mapping[int, Record]]

    def values(self, arm: str, metric: str) -> dict[int, float]:
        """Values of a metric by seed, over the records in use that have it."""
        used = self.used.get(arm, {})
        return {seed: r.metrics[metric] for seed, r in used.items() if metric in r.metrics}


def make_ledger(plan: Plan, records: Sequence[Record]) -> Ledger:
    """Sort a study's records into used, unfinished and excluded.

    A record is used if it is complete, belongs to the plan's phase and to a planned arm and seed, has the planned
    configuration, and has a value of the metric. Of several records for one arm and seed, one is used if all agree,
    and none if they disagree.
    """
    exclusions: list[Exclusion] = []
    wanted = [r for r in records if _belongs(plan, r, exclusions)]
    used, duplicates = _unique([r for r in wanted if _usable(plan, r, exclusions)], exclusions)
    unfinished = [r for r in wanted if not r.complete and r.seed not in used.get(r.arm, {})]
    faults = tuple(_fault(r) for r in unfinished)
    arms = tuple(_arm_ledger(plan, arm.label, used.get(arm.label, {}), unfinished) for arm in plan.arms)
    return Ledger(
        planned=sum(a.planned for a in arms),
        complete=sum(a.complete for a in arms),
        stopped=sum(a.stopped for a in arms),
        diverged=sum(a.diverged for a in arms),
        failed=sum(a.failed for a in arms),
        missing=sum(a.missing for a in arms),
        duplicate=duplicates,
        excluded=len(exclusions),
        tune_phase=sum(r.phase == "tune" for r in records),
        arms=arms,
        exclusions=tuple(exclusions),
        faults=faults,
        used={arm.label: used.get(arm.label, {}) for arm in plan.arms},
    )


def _belongs(plan: Plan, record: Record, exclusions: list[Exclusion]) -> bool:
    if record.phase == "tune" and plan.phase != "tune":
        return False  # counted separately: a tune-phase record is not a fault
    reason = _reason_not_planned(plan, record)
    if reason:
        exclusions.append(Exclusion(record.trial_id, record.arm, record.seed, reason))
    return not reason


def _reason_not_planned(plan: Plan, record: Record) -> str:
    if record.phase != plan.phase:
        return f"phase {record.phase or 'unknown'}"
    if record.arm not in plan.arm:
        return "arm is not in the plan"
    if record.seed not in _seed_set(plan.seeds):
        return "seed dropped by the budget" if record.seed in plan.dropped_seeds else "seed is not in the plan"
    if plan.stop and record.seed not in _seed_set(plan.seeds_of(record.arm)):
        return AHEAD
    config = plan.arm[record.arm].config
    if config and record.config and not _same_config(plan, config, record):
        return "another configuration than the plan's"
    return ""


def _same_config(plan: Plan, planned: Mapping[str, Any], record: Record) -> bool:
    """Whether a record trained what the plan says; plan and record may each be of version 0.1 or of this one."""
    if plan.own_config:
        return parsed_config(record.config) == planned
    found = _whole_config(record.config)
    if not found:
        return False
    if found == with_defaults(planned):
        return True
    of_0_1 = "test_pool_sha256" not in record.origin
    try:
        wanted = as_version_0_2(planned) if plan.from_0_1 else with_defaults(planned)
        return bool(wanted == (as_version_0_2(found) if of_0_1 or plan.from_0_1 else found))
    except KeyError:  # a dataset that is not known here
        return False


@lru_cache(maxsize=64)
def _seed_set(seeds: tuple[int, ...]) -> frozenset[int]:
    return frozenset(seeds)


@lru_cache(maxsize=4096)
def _whole_config(config: str | None) -> Mapping[str, Any] | None:
    """A record's config with the defaults of fields that came later; None where it cannot be read."""
    found = parsed_config(config)
    return None if found is None else with_defaults(found)


def _usable(plan: Plan, record: Record, exclusions: list[Exclusion]) -> bool:
    if record.complete and plan.metric not in record.metrics:
        exclusions.append(Exclusion(record.trial_id, record.arm, record.seed, f"{plan.metric} was not measured"))
        return False
    return record.complete


def _unique(records: Sequence[Record], exclusions: list[Exclusion]) -> tuple[dict[str, dict[int, Record]], int]:
    groups: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        groups.setdefault((record.arm, record.seed), []).append(record)
    used: dict[str, dict[int, Record]] = {}
    for (arm, seed), group in sorted(groups.items()):
        same = all(r.metrics == group[0].metrics for r in group)
        if same:
            used.setdefault(arm, {})[seed] = min(group, key=lambda r: r.trial_id)
        spare = sorted(group, key=lambda r: r.trial_id)[1:] if same else group
        why = "duplicate of another record" if same else "duplicates disagree, so none is used"
        exclusions.extend(Exclusion(r.trial_id, arm, seed, why) for r in spare)
    return used, sum(len(g) - 1 for g in groups.values())


def _fault(record: Record) -> Fault:
    status = "stopped" if record.status == "complete" else record.status
    return Fault(record.trial_id, record.arm, record.seed, status, record.reached, record.error or "")


def _arm_ledger(plan: Plan, label: str, used: Mapping[int, Record], unfinished: Sequence[Record]) -> ArmLedger:
    own = {r.seed: _fault(r) for r in unfinished if r.arm == label}
    counts = Counter(f.status for f in own.values())
    planned = plan.seeds_of(label)
    absent = tuple(seed for seed in planned if seed not in used and seed not in own)
    rungs = Counter(f"{f.epochs}" for f in own.values() if f.status == "stopped")
    return ArmLedger(
        arm=label,
        planned=len(planned),
        complete=len(used),
        stopped=counts["stopped"],
        diverged=counts["diverged"],
        failed=counts["failed"],
        missing=len(absent),
        missing_seeds=absent,
        stopped_at=dict(sorted(rungs.items())),
    )
