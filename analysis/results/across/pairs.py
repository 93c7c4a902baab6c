"""Each treatment against its baseline over several datasets: the average of these, and what holds for new ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.results.across.gates import UNDECIDED, refused_on
from analysis.results.comparisons import Evidence
from analysis.results.verdicts import BETTER, EQUIVALENT, INCONCLUSIVE, NONE, WORSE
from analysis.stats.exact_tests import hodges_lehmann, sign_flip, wilcoxon
from analysis.stats.hierarchical import Hierarchical, hierarchical
from analysis.stats.multi_dataset import Average, Pooled, average_of, random_effects
from analysis.stats.multiplicity import adjust, holm
from analysis.stats.types import Interval, Test
from analysis.study.plan import Plan, dataset_of

Pair = tuple[str, str]
"""Treatment and baseline, as methods."""


@dataclass(frozen=True)
class AcrossPair:
    """One treatment against its baseline over all datasets of a condition.

    Attributes:
        treatment: Method compared.
        baseline: Method compared with.
        datasets: Dataset names in use.
        differences: Mean difference by dataset.
        intervals: Its interval on each dataset, not adjusted; None without spread.
        average: Scope: these datasets, new seeds.
        p_average_adjusted: Its p, Holm over the treatments of the condition.
        verdict: The verdict for that scope.
        pooled: Scope: new datasets.
        wilcoxon: Exact Wilcoxon over datasets.
        p_wilcoxon_adjusted: Its p, Holm over the treatments.
        verdict_new: The verdict for new datasets, from the Holm-adjusted exact Wilcoxon p.
        reason: Why this pair has no verdict, or empty.
        sign_flip: Exact sign-flip over datasets.
        shift: Hodges–Lehmann over datasets.
        bayes: Hierarchical model with the declared margin as region of practical equivalence; None without spread.
        shrunken: Its estimate of the difference on each dataset.
        warnings: What a reader must know.
    """

    treatment: str
    baseline: str
    datasets: tuple[str, ...]
    differences: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float] | None]
    average: Average
    p_average_adjusted: float | None
    verdict: str
    pooled: Pooled | None
    wilcoxon: Test
    p_wilcoxon_adjusted: float
    verdict_new: str
    reason: str
    sign_flip: Test
    shift: Interval
    bayes: Hierarchical | None
    shrunken: Mapping[str, float]
    warnings: tuple[str, ...]


def pairs_over(plan: Plan, evidence: Sequence[Evidence], rng: np.random.Generator) -> tuple[AcrossPair, ...]:
    """Return the result of every treatment and baseline that have at least two usable datasets.

    Args:
        plan: The study.
        evidence: Its comparisons under one condition.
        rng: Generator, for permutations that are too many to enumerate.
    """
    by_pair: dict[Pair, list[Evidence]] = {}
    for e in evidence:
        by_pair.setdefault((plan.method(e.treatment), plan.method(e.family.baseline)), []).append(e)
    usable = {key: [e for e in found if _is_usable(plan, e)] for key, found in by_pair.items()}
    ready = {key: found for key, found in usable.items() if len(found) > 1}
    if not ready:
        return ()
    averages = [_average(plan, found) for found in ready.values()]
    exact = [wilcoxon([_gap(e) for e in found]) for found in ready.values()]
    p_average, p_exact = adjust([a.p for a in averages], "holm"), holm([test.p for test in exact])
    made = []
    for (key, found), average, p, test, q in zip(ready.items(), averages, p_average, exact, p_exact, strict=True):
        over = _Over(key, found, by_pair[key], average, p, test, float(q))
        made.append(_pair(plan, over, len(ready), rng))
    return tuple(made)


def _is_usable(plan: Plan, e: Evidence) -> bool:
    return (e.pairs.complete or plan.unpaired) and e.result is not None and e.result.n > 1


def _gap(e: Evidence) -> float:
    return e.result.difference if e.result else 0.0


def _average(plan: Plan, found: Sequence[Evidence]) -> Average:
    """The average over datasets, with the standard error that each comparison has."""
    results = [e.result for e in found if e.result is not None]
    errors = [r.error or 0.0 for r in results]
    return average_of([r.difference for r in results], errors, [r.df or r.n - 1 for r in results], 1 - plan.alpha)


@dataclass(frozen=True)
class _Over:
    """One treatment and baseline over datasets, before the verdict: usable comparisons, and all of them."""

    key: Pair
    found: Sequence[Evidence]
    declared: Sequence[Evidence]
    average: Average
    p_average: float | None
    exact: Test
    p_exact: float

    @property
    def primary(self) -> list[Evidence]:
        """The primary comparisons of this pair, one on each dataset."""
        return [e for e in self.declared if e.role == "primary"]

    def decided(self, *words: str) -> bool:
        """Return True if a primary comparison of this pair on one dataset got one of the words."""
        return any(e.verdict.word in words for e in self.primary)


def _pair(plan: Plan, over: _Over, m: int, rng: np.random.Generator) -> AcrossPair:
    names = [str(dataset_of(plan.arm[e.treatment])) for e in over.found]
    values = [_gap(e) for e in over.found]
    errors = [(e.result.error or 0.0) ** 2 if e.result else 0.0 for e in over.found]
    shift = hodges_lehmann(values, 1 - plan.alpha)
    refused = refused_on(plan, over.primary)
    words = _average_verdict(plan, over, m), _word(plan, over, shift.estimate, over.p_exact)
    if refused:  # an average over datasets rests on each of them
        words = NONE, NONE
    model = hierarchical(values, errors, plan.sesoi or 0.0, df=_least_df(over.found), level=1 - plan.alpha)
    return AcrossPair(
        treatment=over.key[0],
        baseline=over.key[1],
        datasets=tuple(names),
        differences=dict(zip(names, values, strict=True)),
        intervals={n: _bounds(e) for n, e in zip(names, over.found, strict=True)},
        average=over.average,
        p_average_adjusted=over.p_average,
        verdict=words[0],
        pooled=random_effects(values, errors, 1 - plan.alpha),
        wilcoxon=over.exact,
        p_wilcoxon_adjusted=over.p_exact,
        verdict_new=words[1],
        reason=refused or (UNDECIDED if NONE in words else ""),
        sign_flip=sign_flip(values, rng=rng),
        shift=shift,
        bayes=model,
        shrunken={} if model is None else dict(zip(names, model.shrunken, strict=True)),
        warnings=tuple(_warnings(plan, over, names)),
    )


def _least_df(found: Sequence[Evidence]) -> float | None:
    """Degrees of freedom of the error on the dataset with the fewest seeds."""
    return min((e.result.df for e in found if e.result is not None and e.result.df is not None), default=None)


def _bounds(e: Evidence) -> tuple[float, float] | None:
    ci = e.result.ci if e.result else None
    return None if ci is None else (ci.low, ci.high)


def _warnings(plan: Plan, over: _Over, used: Sequence[str]) -> Iterator[str]:
    for e in over.declared:
        if (name := str(dataset_of(plan.arm[e.treatment]))) not in used:
            yield f"{name} left out for {over.key[0]}: unequal or too few seeds"
    if len(used) < 6:
        yield f"{len(used)} datasets: exact tests over datasets cannot give p below {over.exact.smallest:.4g}"


def _average_verdict(plan: Plan, over: _Over, m: int) -> str:
    average = over.average
    if over.p_average is None:
        return NONE
    inner = average.interval(1 - 2 * plan.alpha / m)
    inside = plan.sesoi is not None and inner is not None and -plan.sesoi < inner.low and inner.high < plan.sesoi
    if inside:
        return EQUIVALENT if over.decided(EQUIVALENT) else NONE
    return _word(plan, over, average.difference, over.p_average)


def _word(plan: Plan, over: _Over, difference: float, p: float) -> str:
    if not over.primary:
        return NONE
    if p > plan.alpha:
        return INCONCLUSIVE
    if not over.decided(BETTER, WORSE):
        return NONE
    return BETTER if plan.better * difference > 0 else WORSE
