"""All methods over several datasets: averages, pooling, ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.formatting import listing
from analysis.results.comparisons import Evidence
from analysis.results.verdicts import BETTER, EQUIVALENT, INCONCLUSIVE, NONE, WORSE
from analysis.stats.description import describe
from analysis.stats.exact_tests import hodges_lehmann, sign_flip, wilcoxon
from analysis.stats.hierarchical import Hierarchical, hierarchical
from analysis.stats.multi_dataset import (
    Average,
    Pooled,
    RankTest,
    average_of,
    cliques,
    friedman,
    random_effects,
    rank_rows,
)
from analysis.stats.multiplicity import adjust, holm
from analysis.stats.types import Floats, Interval, Test
from analysis.study.ledger import Ledger
from analysis.study.plan import Arm, Plan, dataset_of

UNDECIDED = "no comparison on a single dataset has a verdict of this kind"
REFUSED = "no verdict on"
"""Start of the reason where a comparison on a single dataset has no verdict, followed by the datasets."""


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


@dataclass(frozen=True)
class Ranks:
    """Ranks of all methods over the complete datasets, and all pairs with Holm-adjusted p."""

    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    dropped: tuple[str, ...]
    test: RankTest
    pairwise: tuple[Mapping[str, object], ...]
    cliques: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Across:
    """One condition (for example one imbalance setting) over its datasets."""

    condition: str
    datasets: tuple[str, ...]
    pairs: tuple[AcrossPair, ...]
    ranks: Ranks | None


def condition_of(plan: Plan, arm: Arm) -> str:
    """The settings of an arm's block other than the dataset, such as its imbalance; empty if there are none."""
    fields = sorted(plan.block_fields - {"dataset"})
    shown = [f"{name}={arm.settings[name]}" for name in fields if name in arm.settings]
    return ", ".join(shown)


def across_datasets(
    plan: Plan, ledger: Ledger, evidence: Sequence[Evidence], rng: np.random.Generator
) -> tuple[Across, ...]:
    """All results over several datasets; empty if the study has fewer than two.

    Args:
        plan: The study.
        ledger: Its records.
        evidence: Its comparisons with their verdicts. A method gets a word over all datasets only where it got one of
            the same kind on a single dataset, so that both together keep the error rate of the comparisons.
        rng: Generator, for permutations that are too many to enumerate.
    """
    if len({dataset_of(a) for a in plan.arms} - {None}) < 2 or plan.phase != "confirm":
        return ()
    conditions = dict.fromkeys(condition_of(plan, a) for a in plan.arms)
    parts = [_across(plan, ledger, evidence, name, rng) for name in conditions]
    return tuple(part for part in parts if len(part.datasets) > 1)


Cells = dict[str, dict[str, Arm]]
Pair = tuple[str, str]
"""Treatment and baseline, as methods."""


def _across(
    plan: Plan, ledger: Ledger, evidence: Sequence[Evidence], condition: str, rng: np.random.Generator
) -> Across:
    """Arms of a condition by dataset and method, then its pairs and ranks."""
    cells: Cells = {}
    for arm in plan.arms:
        name = dataset_of(arm)
        if name is not None and condition_of(plan, arm) == condition:
            cells.setdefault(name, {})[plan.method(arm.label)] = arm
    inside = {arm.label for row in cells.values() for arm in row.values()}
    here = [e for e in evidence if e.treatment in inside and e.family.baseline in inside]
    return Across(condition, tuple(cells), _pairs(plan, here, rng), _ranks(plan, ledger, cells, here, rng))


def _pairs(plan: Plan, evidence: Sequence[Evidence], rng: np.random.Generator) -> tuple[AcrossPair, ...]:
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
    refused = _refused_on(plan, over.primary)
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


def _refused_on(plan: Plan, primary: Sequence[Evidence]) -> str:
    """On which datasets the comparisons of a method have no verdict, or an empty text."""
    names = [str(dataset_of(plan.arm[e.treatment])) for e in primary if e.verdict.word == NONE]
    return f"{REFUSED} {listing(list(dict.fromkeys(names)))}" if names else ""


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


def _ranks(
    plan: Plan, ledger: Ledger, cells: Cells, evidence: Sequence[Evidence], rng: np.random.Generator
) -> Ranks | None:
    """Ranks over the datasets on which every method has values; `dropped` are the others."""
    methods = list(dict.fromkeys(m for row in cells.values() for m in row))
    means = {name: [_mean(plan, ledger, row.get(m)) for m in methods] for name, row in cells.items()}
    kept = [name for name, row in means.items() if all(v is not None for v in row)]
    if len(methods) < 3 or len(kept) < 2:
        return None
    scores = np.array([means[name] for name in kept], dtype=np.float64)
    test = friedman(rank_rows(scores, plan.better), rng, alpha=plan.alpha)
    pairwise = _pairwise(plan, methods, scores, _gate(plan, evidence))
    apart = [[False] * len(methods) for _ in methods]
    for row in pairwise:
        i, j = methods.index(str(row["a"])), methods.index(str(row["b"]))
        apart[i][j] = apart[j][i] = bool(row["apart"])
    dropped = tuple(name for name in cells if name not in kept)
    return Ranks(tuple(methods), tuple(kept), dropped, test, tuple(pairwise), cliques(test.mean_ranks, apart))


def _mean(plan: Plan, ledger: Ledger, arm: Arm | None) -> float | None:
    return None if arm is None else describe(ledger.values(arm.label, plan.metric)).mean


@dataclass(frozen=True)
class _Gate:
    """What single datasets say of each method, by which the ranks may call two methods different.

    Attributes:
        refused: Why a method has no verdict over datasets, by method; only of its own comparisons as a treatment.
        decided: Methods that are better or worse than another on a single dataset.
    """

    refused: Mapping[str, str]
    decided: frozenset[str]

    def reason(self, a: str, b: str) -> str:
        """Return why two methods may not be called different, or an empty text."""
        refused = [f"{method} has {self.refused[method]}" for method in (a, b) if method in self.refused]
        return "; ".join(refused) or ("" if {a, b} & self.decided else UNDECIDED)


def _gate(plan: Plan, evidence: Sequence[Evidence]) -> _Gate:
    primary = [e for e in evidence if e.role == "primary"]
    of_method: dict[str, list[Evidence]] = {}
    for e in primary:
        of_method.setdefault(plan.method(e.treatment), []).append(e)
    refused = {method: _refused_on(plan, found) for method, found in of_method.items()}
    pairs = [(e.treatment, e.family.baseline) for e in primary if e.verdict.word in (BETTER, WORSE)]
    decided = frozenset(plan.method(arm) for pair in pairs for arm in pair)
    return _Gate({method: text for method, text in refused.items() if text}, decided)


def _pairwise(plan: Plan, methods: Sequence[str], scores: Floats, gate: _Gate) -> list[dict[str, object]]:
    """All pairs of methods over datasets: exact Wilcoxon, Holm-adjusted. These decide, not the critical difference.

    As for the words over all datasets, two methods are called different only where one of them is better or worse on
    a single dataset, and where each has a verdict on every dataset. Else the ranks would add an error rate of their
    own to equal methods.
    """
    pairs = [(i, j) for i in range(len(methods)) for j in range(i + 1, len(methods))]
    tests = [wilcoxon(scores[:, i] - scores[:, j]) for i, j in pairs]
    adjusted = holm([t.p for t in tests])
    reasons = [gate.reason(methods[i], methods[j]) for i, j in pairs]
    return [
        {
            "a": methods[i],
            "b": methods[j],
            "difference": float((scores[:, i] - scores[:, j]).mean()),
            "wins": int((plan.better * (scores[:, i] - scores[:, j]) > 0).sum()),
            "losses": int((plan.better * (scores[:, i] - scores[:, j]) < 0).sum()),
            "p": test.p,
            "p_adjusted": float(p),
            "apart": bool(p <= plan.alpha) and not reason,
            "reason": reason,
        }
        for (i, j), test, p, reason in zip(pairs, tests, adjusted, reasons, strict=True)
    ]
