"""The declared comparisons of a study that runs seeds until they are decided, as every report has them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from analysis.results.comparisons import Evidence
from analysis.results.guards import collapsed_seeds
from analysis.results.seeds.until_decided import (
    Followed,
    decide,
    judge_seeds,
    last_seed,
    seeds_wanted,
    sequence_interval,
    verdict_word,
)
from analysis.results.verdicts import BETTER, BEYOND, NONE, WORSE, Verdict, size_of
from analysis.stats.anytime import Decided
from analysis.stats.comparison import compare_paired
from analysis.stats.pairing import pair
from analysis.stats.types import Interval
from analysis.study.ledger import Ledger
from analysis.study.plan import EXPLORATORY, UNTIL_DECIDED, Family, Plan
from analysis.study.records import Record


def with_wanted_seeds(plan: Plan, records: Sequence[Record]) -> Plan:
    """The plan in which each arm has the seeds that its comparisons need; the same for a fixed number of seeds.

    Records of later seeds ran ahead of a decision. The ledger lists them; nothing else uses them.
    """
    if plan.stop != UNTIL_DECIDED:
        return plan
    wanted = seeds_wanted(plan, decide(plan, records))
    return replace(plan, own_seeds={arm: plan.seeds[:n] for arm, n in wanted.items()})


def judge_until_decided(plan: Plan, ledger: Ledger) -> tuple[Evidence, ...]:
    """Every declared comparison with its anytime-valid verdict, in the order of the plan.

    Ablation families are confirmatory only if a primary comparison was won, as in a study with a fixed number of seeds.
    """
    groups = [(families, judge_seeds(plan, ledger, families)) for families in plan.corrected_together]
    words = {f.family.name: set[str]() for _, found in groups for f, _ in found}
    for _, found in groups:
        for f, decided in found:
            words[f.family.name].add(_verdict(plan, f, decided, len(found)).word)
    done: dict[tuple[str, str], Evidence] = {}
    for families, found in groups:
        role = _role(plan, families[0], words)
        for f, decided in found:
            done[f.family.name, f.treatment] = _evidence(plan, ledger, role, len(found), f, decided)
    return tuple(done[family.name, t] for family in plan.families for t in family.treatments)


def _role(plan: Plan, family: Family, words: dict[str, set[str]]) -> str:
    primary = [f for f in plan.families if f.role == "primary" and plan.unit_of(f) == plan.unit_of(family)]
    closed = primary and not any(BETTER in words[f.name] for f in primary)
    return EXPLORATORY if family.role == "ablation" and closed else family.role


def _verdict(plan: Plan, f: Followed, decided: Decided | None, m: int) -> Verdict:
    if f.refused:
        return Verdict(NONE, reason=f.refused)
    word = verdict_word(plan, f, decided)
    if word not in (BETTER, WORSE):
        return Verdict(word)
    return Verdict(word, size_of(_together(plan, f, decided, m), plan.sesoi))


def _together(plan: Plan, f: Followed, decided: Decided | None, m: int) -> Interval | None:
    """The confidence sequence at the level that holds for all m comparisons together; None without a seed."""
    return f.path.interval(last_seed(f, decided), 1 - plan.alpha / m) if f.path is not None else None


def _evidence(plan: Plan, ledger: Ledger, role: str, m: int, f: Followed, decided: Decided | None) -> Evidence:
    verdict, arms = _verdict(plan, f, decided, m), (f.treatment, f.family.baseline)
    used = f.keys[: last_seed(f, decided)]
    ours, theirs = (ledger.values(arm, plan.metric) for arm in arms)
    pairs = pair({s: ours[s] for s in used}, {s: theirs[s] for s in used})
    rng = np.random.default_rng(0)  # of tests that no report of such a study shows
    result = compare_paired(pairs, margin=plan.sesoi, alpha=plan.alpha, better=plan.better, rng=rng) if used else None
    interval = sequence_interval(f, decided) if decided and verdict.word != NONE else None
    if verdict.size == BEYOND:
        interval = _together(plan, f, decided, m)
    return Evidence(
        family=f.family,
        role=role,
        m=m,
        treatment=f.treatment,
        pairs=pairs,
        result=result,
        p_adjusted=decided.p if decided else None,
        p_equivalence=decided.p_equivalence if decided else None,
        p_max_t=None,
        ci_adjusted=_together(plan, f, decided, m),
        ci_verdict=interval if interval and math.isfinite(interval.low) else None,
        feasibility=None,
        collapsed=tuple(c for arm in arms for c in collapsed_seeds(plan, ledger, arm)),
        verdict=verdict,
        decided=decided,
        open_because=f.blocked,
    )
