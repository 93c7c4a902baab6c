"""Which comparisons the seeds so far decide, in a study that runs seeds until its comparisons are decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.errors import ReportError
from analysis.formatting import count
from analysis.results.guards import refusal_of_copies
from analysis.results.standing import refusal_of_study
from analysis.results.verdicts import BETTER, EQUIVALENT, INCONCLUSIVE, NONE, WORSE
from analysis.stats.anytime import DIFFERENT, Anytime, Decided, anytime, decide_family
from analysis.stats.types import Interval
from analysis.study.ledger import Ledger, make_ledger
from analysis.study.plan import UNTIL_DECIDED, Family, Plan
from analysis.study.records import Record
from analysis.study.resplits import with_new_splits

OVERLAPPING = "each seed draws a test split of its own, so the differences are not independent"
UNPAIRED = "the arms are unpaired"


@dataclass(frozen=True)
class SeedDecision:
    """One comparison after the seeds that it has, in the unit of the records.

    Attributes:
        family: Name of its family.
        treatment: Label of the treatment.
        baseline: Label of the baseline.
        verdict: `better`, `worse` or `equivalent` once it is decided; else `inconclusive`, or `no verdict` if refused.
        decided_at: Seeds after which it was decided; 0 while it is not.
        evidence_at: Seeds whose differences decided it.
        seeds: Seeds used: the first of the plan that both arms have, at most those until it was decided.
        difference: Mean difference over the seeds of the interval; None without a seed.
        low: Lower bound of the confidence sequence; None where so few seeds can give none.
        high: Upper bound.
        level: Level of the sequence over all numbers of seeds, after the correction over the family.
        p_adjusted: Anytime-valid p of the difference, adjusted over the family.
        p_equivalence_adjusted: That of the equivalence; None without a margin.
        needs_seeds: Whether further seeds can still decide it.
        reason: Why it is not decided, or empty.
    """

    family: str
    treatment: str
    baseline: str
    verdict: str
    decided_at: int
    evidence_at: int
    seeds: int
    difference: float | None
    low: float | None
    high: float | None
    level: float | None
    p_adjusted: float | None
    p_equivalence_adjusted: float | None
    needs_seeds: bool
    reason: str


@dataclass(frozen=True)
class Decisions:
    """What the seeds of a study have decided so far.

    Attributes:
        comparisons: All declared comparisons, in the order of the plan.
        open_arms: Arms that need more seeds, in the order of the plan: those of undecided comparisons.
        finished: Whether no comparison needs more seeds.
    """

    comparisons: tuple[SeedDecision, ...]
    open_arms: tuple[str, ...]
    finished: bool


@dataclass(frozen=True, eq=False)
class Followed:
    """A comparison seed by seed, before the correction.

    Attributes:
        family: Its family.
        treatment: Label of the treatment.
        keys: Seeds that count, in the order of the plan: those before the first seed that one of the arms lacks.
        path: The differences over these seeds; None without any.
        refused: Why it can get no verdict, or empty.
        blocked: Why no further seed can count, or empty.
    """

    family: Family
    treatment: str
    keys: tuple[int, ...]
    path: Anytime | None
    refused: str
    blocked: str


def decide(plan: Plan, records: Sequence[Record]) -> Decisions:
    """Decide the comparisons of a study whose plan says `stop="decided"`, from the records so far.

    A pure function of plan and records. It may be called at any time and any number of times: the error rates hold
    over all calls. Only the first seeds of the plan that both arms have are used, so the order in which trials end
    does not matter, and trials that ran ahead change nothing.

    Args:
        plan: The plan; `seeds` are those of the largest number allowed.
        records: All records so far.

    Raises:
        ReportError: If the plan has a fixed number of seeds: looks at such a study must be declared.
    """
    if plan.stop != UNTIL_DECIDED:
        raise ReportError(f"{plan.study}: stop must be {UNTIL_DECIDED!r} to decide after any seed, got {plan.stop!r}")
    ledger = make_ledger(plan, records)
    plan = with_new_splits(plan, ledger)
    found: dict[tuple[str, str], SeedDecision] = {}
    for families in plan.corrected_together:
        for followed, decided in judge_seeds(plan, ledger, families):
            found[followed.family.name, followed.treatment] = _decision(plan, followed, decided)
    ordered = tuple(found[family.name, t] for family in plan.families for t in family.treatments)
    wanted = {arm for c in ordered if c.needs_seeds for arm in (c.treatment, c.baseline)}
    return Decisions(ordered, tuple(arm.label for arm in plan.arms if arm.label in wanted), not wanted)


def seeds_wanted(plan: Plan, decisions: Decisions) -> dict[str, int]:
    """How many of the first seeds of the plan each arm needs: those that its comparisons use, or all while one is open.

    A seed that diverged counts: it was needed, and it blocks its comparison.
    """
    wanted = dict.fromkeys((arm.label for arm in plan.arms), 0)
    for c in decisions.comparisons:
        for arm in (c.treatment, c.baseline):
            wanted[arm] = max(wanted[arm], _needed(plan, c))
    return wanted


def _needed(plan: Plan, c: SeedDecision) -> int:
    most = len(plan.seeds)
    if c.needs_seeds:
        return most
    return c.decided_at or (c.seeds if c.verdict == NONE else min(c.seeds + 1, most))


def judge_seeds(plan: Plan, ledger: Ledger, families: Sequence[Family]) -> tuple[tuple[Followed, Decided | None], ...]:
    """The comparisons of some families that share one correction; without a decision where one is refused."""
    stopped = refusal_of_study(plan, ledger) or _refusal(plan)
    followed = [_follow(plan, ledger, family, t, stopped) for family in families for t in family.treatments]
    tested = [f for f in followed if f.path is not None and not f.refused]
    paths = [f.path for f in tested if f.path is not None]
    decided = iter(decide_family(paths, plan.alpha, families[0].correction, len(followed) - len(tested)))
    return tuple((f, next(decided) if f in tested else None) for f in followed)


def _refusal(plan: Plan) -> str:
    if plan.unpaired:
        return UNPAIRED
    return OVERLAPPING if plan.new_splits else ""


def _follow(plan: Plan, ledger: Ledger, family: Family, treatment: str, stopped: str) -> Followed:
    arms = (family.baseline, treatment)
    theirs, ours = (ledger.values(arm, plan.metric) for arm in arms)
    keys = tuple(_leading(plan.seeds, ours.keys() & theirs.keys()))
    d = np.array([ours[seed] - theirs[seed] for seed in keys], dtype=np.float64)
    path = anytime(d, plan.sesoi, plan.mixture) if d.size else None
    refused = stopped or refusal_of_copies(plan, ledger, arms)
    return Followed(family, treatment, keys, path, refused, _blocked(plan, ledger, arms, len(keys)))


def _leading(seeds: Iterable[int], complete: set[int]) -> Iterable[int]:
    for seed in seeds:
        if seed not in complete:
            return
        yield seed


def _blocked(plan: Plan, ledger: Ledger, arms: tuple[str, str], used: int) -> str:
    """Why the next seed will never be there: the maximum is reached, or its training diverges whenever it is run."""
    if used == len(plan.seeds):
        return f"not decided after the largest number of {used} seeds"
    lost = [f for f in ledger.faults if f.arm in arms and f.seed == plan.seeds[used] and f.status == "diverged"]
    return f"seed {lost[0].seed} of {lost[0].arm} diverged, and no seed may be left out" if lost else ""


def _decision(plan: Plan, f: Followed, decided: Decided | None) -> SeedDecision:
    settled = decided is not None and bool(decided.kind)
    interval = None if decided is None else sequence_interval(f, decided)
    return SeedDecision(
        family=f.family.name,
        treatment=f.treatment,
        baseline=f.family.baseline,
        verdict=verdict_word(plan, f, decided),
        decided_at=decided.at if decided else 0,
        evidence_at=decided.evidence_at if decided else 0,
        seeds=decided.seeds if decided else len(f.keys),
        difference=float(f.path.mean[last_seed(f, decided) - 1]) if f.path is not None else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        level=interval.level if interval else None,
        p_adjusted=decided.p if decided else None,
        p_equivalence_adjusted=decided.p_equivalence if decided else None,
        needs_seeds=not (settled or f.refused or f.blocked),
        reason="" if settled else f.refused or f.blocked or f"not decided after {count(len(f.keys), 'seed')}",
    )


def last_seed(f: Followed, decided: Decided | None) -> int:
    """The number of seeds that difference and interval describe: those that decided, or all."""
    if decided is None:
        return len(f.keys)
    return decided.evidence_at or decided.seeds


def verdict_word(plan: Plan, f: Followed, decided: Decided | None) -> str:
    """The word of a comparison."""
    if f.refused:
        return NONE
    if decided is None or f.path is None or not decided.kind:
        return INCONCLUSIVE
    if decided.kind != DIFFERENT:
        return EQUIVALENT
    return BETTER if plan.better * float(f.path.mean[decided.evidence_at - 1]) > 0 else WORSE


def sequence_interval(f: Followed, decided: Decided) -> Interval | None:
    """The confidence sequence after the seeds that decided, or after all, at the level that the correction used.

    It excludes 0 where the word is *better* or *worse*, and lies inside the margin where it is *equivalent*.
    """
    if f.path is None:
        return None
    return f.path.interval(last_seed(f, decided), 1 - decided.level_of_decision)
