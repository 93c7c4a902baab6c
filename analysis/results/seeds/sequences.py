"""Confidence sequences seed by seed, and what stopping saved against running the largest number of seeds."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from analysis.results.seeds.until_decided import Followed, judge_seeds, verdict_word
from analysis.stats.anytime import Decided, first_deciding
from analysis.study.ledger import AHEAD, Ledger
from analysis.study.plan import UNTIL_DECIDED, Plan


@dataclass(frozen=True)
class Sequence:
    """The confidence sequence of one comparison; the lists have one element per seed, in the order of the plan.

    Attributes:
        family: Name of its family.
        treatment: Label of the treatment.
        baseline: Label of the baseline.
        verdict: Its verdict.
        decided_at: Seeds after which it was decided; 0 while it is not.
        evidence_at: Seeds whose differences decided it.
        level: Level of the sequence over all numbers of seeds, after the correction; None where it is refused.
        difference: Mean difference of the first n seeds.
        low: Lower bounds; None where so few seeds can give none.
        high: Upper bounds.
        blocked: Why no further seed can decide it, or empty.
    """

    family: str
    treatment: str
    baseline: str
    verdict: str
    decided_at: int
    evidence_at: int
    level: float | None
    difference: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    blocked: str


@dataclass(frozen=True)
class Ahead:
    """Seeds of an arm that ran ahead of a decision and are not used."""

    arm: str
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class UntilDecided:
    """How the seeds of a study decided it.

    Attributes:
        max_seeds: Largest number of seeds.
        mixture: Variance of the mixture over standardised differences.
        first: Fewest seeds that could decide a comparison.
        comparisons: All declared ones, in the order of the plan.
        trials: Trials with a record, those that ran ahead included.
        trials_at_most: Trials of the largest number of seeds in every arm.
        seconds: Computing time of those trials; None where a record has none.
        seconds_saved: What the other trials would have taken, from the mean of their arm; None if that is not known.
        ahead: Trials that ran ahead, by arm.
    """

    max_seeds: int
    mixture: float
    first: int
    comparisons: tuple[Sequence, ...]
    trials: int
    trials_at_most: int
    seconds: float | None
    seconds_saved: float | None
    ahead: tuple[Ahead, ...]


def sequences(plan: Plan, ledger: Ledger) -> UntilDecided | None:
    """How the seeds decided each comparison; None for a study with a fixed number of seeds."""
    if plan.stop != UNTIL_DECIDED:
        return None
    groups = [judge_seeds(plan, ledger, families) for families in plan.corrected_together]
    found = {(f.family.name, f.treatment): _sequence(plan, f, decided) for group in groups for f, decided in group}
    ahead = _ahead(ledger)
    run = {a.arm: a.complete + a.failed + a.diverged + a.stopped for a in ledger.arms}
    for arm in ahead:
        run[arm.arm] += len(arm.seeds)
    mean = {arm: _mean_seconds(ledger, arm) for arm in run}
    known = {arm: seconds for arm, seconds in mean.items() if seconds is not None}
    whole = len(known) == len(run)
    return UntilDecided(
        max_seeds=len(plan.seeds),
        mixture=plan.mixture,
        first=first_deciding(max(map(len, groups), default=1), plan.alpha, plan.mixture),
        comparisons=tuple(found[family.name, t] for family in plan.families for t in family.treatments),
        trials=sum(run.values()),
        trials_at_most=len(plan.arms) * len(plan.seeds),
        seconds=sum(n * known[arm] for arm, n in run.items()) if whole else None,
        seconds_saved=sum((len(plan.seeds) - n) * known[arm] for arm, n in run.items()) if whole else None,
        ahead=ahead,
    )


def _sequence(plan: Plan, f: Followed, decided: Decided | None) -> Sequence:
    path = f.path
    level, n = (decided.level_of_decision, decided.seeds) if decided else (None, 0)
    intervals = [path.interval(i, 1 - level) for i in range(1, n + 1)] if path is not None and level is not None else []
    return Sequence(
        family=f.family.name,
        treatment=f.treatment,
        baseline=f.family.baseline,
        verdict=verdict_word(plan, f, decided),
        decided_at=decided.at if decided else 0,
        evidence_at=decided.evidence_at if decided else 0,
        level=None if level is None else 1 - level,
        difference=tuple(float(x) for x in path.mean[:n]) if path is not None else (),
        low=tuple(i.low if i else None for i in intervals),
        high=tuple(i.high if i else None for i in intervals),
        blocked=f.refused or f.blocked,
    )


def _ahead(ledger: Ledger) -> tuple[Ahead, ...]:
    found: dict[str, list[int]] = {}
    for e in ledger.exclusions:
        if e.reason == AHEAD:
            found.setdefault(e.arm, []).append(e.seed)
    return tuple(Ahead(arm, tuple(sorted(set(seeds)))) for arm, seeds in found.items())


def _mean_seconds(ledger: Ledger, arm: str) -> float | None:
    seconds = [r.seconds for r in ledger.used.get(arm, {}).values() if r.seconds is not None]
    return fmean(seconds) if seconds else None
