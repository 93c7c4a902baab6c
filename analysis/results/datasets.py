"""All methods over several datasets: averages, pooling, ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.results.verdicts import BETTER, EQUIVALENT, INCONCLUSIVE, NONE, WORSE
from analysis.stats.description import describe
from analysis.stats.exact_tests import hodges_lehmann, sign_flip, wilcoxon
from analysis.stats.multi_dataset import (
    Average,
    Pooled,
    RankTest,
    SignedRankPosterior,
    bayes_signed_rank,
    cliques,
    dataset_average,
    friedman,
    random_effects,
    rank_rows,
)
from analysis.stats.multiplicity import adjust, holm
from analysis.stats.pairing import pair
from analysis.stats.types import Floats, Interval, Test
from analysis.study.ledger import Ledger
from analysis.study.plan import Arm, Plan, dataset_of


@dataclass(frozen=True)
class AcrossPair:
    """One treatment against its baseline over all datasets of a condition.

    Attributes:
        treatment: Method compared.
        baseline: Method compared with.
        datasets: Dataset names in use.
        differences: Mean difference by dataset.
        average: Scope: these datasets, new seeds.
        p_average_adjusted: Its p, Holm over the treatments of the condition.
        verdict: The verdict for that scope.
        pooled: Scope: new datasets.
        wilcoxon: Exact Wilcoxon over datasets.
        p_wilcoxon_adjusted: Its p, Holm over the treatments.
        verdict_new: The verdict for new datasets, from the Holm-adjusted exact Wilcoxon p.
        sign_flip: Exact sign-flip over datasets.
        shift: Hodges–Lehmann over datasets.
        bayes: Posterior with the declared margin as region of practical equivalence.
        warnings: What a reader must know.
    """

    treatment: str
    baseline: str
    datasets: tuple[str, ...]
    differences: Mapping[str, float]
    average: Average
    p_average_adjusted: float | None
    verdict: str
    pooled: Pooled | None
    wilcoxon: Test
    p_wilcoxon_adjusted: float
    verdict_new: str
    sign_flip: Test
    shift: Interval
    bayes: SignedRankPosterior
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


def across_datasets(plan: Plan, ledger: Ledger, rng: np.random.Generator) -> tuple[Across, ...]:
    """All results over several datasets; empty if the study has fewer than two."""
    if len({dataset_of(a) for a in plan.arms} - {None}) < 2 or plan.phase != "confirm":
        return ()
    conditions = dict.fromkeys(condition_of(plan, a) for a in plan.arms)
    parts = [_across(plan, ledger, name, rng) for name in conditions]
    return tuple(part for part in parts if len(part.datasets) > 1)


Cells = dict[str, dict[str, Arm]]


def _across(plan: Plan, ledger: Ledger, condition: str, rng: np.random.Generator) -> Across:
    """Arms of a condition by dataset and method, then its pairs and ranks."""
    cells: Cells = {}
    for arm in plan.arms:
        name = dataset_of(arm)
        if name is not None and condition_of(plan, arm) == condition:
            cells.setdefault(name, {})[plan.method(arm.label)] = arm
    pairs = _pairs(plan, ledger, cells, rng)
    return Across(condition, tuple(cells), pairs, _ranks(plan, ledger, cells, rng))


def _pairs(plan: Plan, ledger: Ledger, cells: Cells, rng: np.random.Generator) -> tuple[AcrossPair, ...]:
    wanted: dict[tuple[str, str], dict[str, Floats]] = {}
    uneven: set[str] = set()
    labels = {arm.label: (name, method) for name, row in cells.items() for method, arm in row.items()}
    for family in plan.families:
        for treatment in family.treatments:
            if treatment not in labels or family.baseline not in labels:
                continue
            name, method = labels[treatment]
            both = pair(ledger.values(treatment, plan.metric), ledger.values(family.baseline, plan.metric))
            if both.complete and len(both.keys) > 1:
                wanted.setdefault((method, labels[family.baseline][1]), {})[name] = both.differences
            else:
                uneven.add(f"{name} left out for {method}: unequal or too few seeds")
    ready = {key: by for key, by in wanted.items() if len(by) > 1}
    if not ready:
        return ()
    averages = {key: dataset_average(list(by.values()), 1 - plan.alpha) for key, by in ready.items()}
    exact = {key: wilcoxon([float(d.mean()) for d in by.values()]) for key, by in ready.items()}
    p_average = adjust([averages[key].p for key in ready], "holm")
    p_exact = holm([exact[key].p for key in ready])
    made = []
    for i, (key, by) in enumerate(ready.items()):
        over = _Over(key, by, averages[key], p_average[i], exact[key], float(p_exact[i]))
        made.append(_pair(plan, over, len(ready), uneven, rng))
    return tuple(made)


@dataclass(frozen=True)
class _Over:
    """One treatment and baseline over datasets, before the verdict."""

    key: tuple[str, str]
    by: Mapping[str, Floats]
    average: Average
    p_average: float | None
    exact: Test
    p_exact: float


def _pair(plan: Plan, over: _Over, m: int, uneven: set[str], rng: np.random.Generator) -> AcrossPair:
    by, exact = over.by, over.exact
    means = {name: float(d.mean()) for name, d in by.items()}
    values = list(means.values())
    errors = [float(d.var(ddof=1)) / d.size for d in by.values()]
    warnings = [w for w in sorted(uneven) if w.endswith(f"{over.key[0]}: unequal or too few seeds")]
    if len(values) < 6:
        warnings.append(f"{len(values)} datasets: exact tests over datasets cannot give p below {exact.smallest:.4g}")
    shift = hodges_lehmann(values, 1 - plan.alpha)
    return AcrossPair(
        treatment=over.key[0],
        baseline=over.key[1],
        datasets=tuple(means),
        differences=means,
        average=over.average,
        p_average_adjusted=over.p_average,
        verdict=_average_verdict(plan, over.average, over.p_average, m),
        pooled=random_effects(values, errors, 1 - plan.alpha),
        wilcoxon=exact,
        p_wilcoxon_adjusted=over.p_exact,
        verdict_new=_word(plan, shift.estimate, over.p_exact),
        sign_flip=sign_flip(values, rng=rng),
        shift=shift,
        bayes=bayes_signed_rank(values, plan.sesoi or 0.0, rng),
        warnings=tuple(warnings),
    )


def _average_verdict(plan: Plan, average: Average, p: float | None, m: int) -> str:
    if p is None or average.ci is None or average.df is None or average.t is None:
        return NONE
    if plan.sesoi and average.difference != 0:
        se = average.difference / average.t
        inner = dataset_interval(average, abs(se), 1 - 2 * plan.alpha / m)
        if -plan.sesoi < inner[0] and inner[1] < plan.sesoi:
            return EQUIVALENT
    return _word(plan, average.difference, p)


def dataset_interval(average: Average, se: float, level: float) -> tuple[float, float]:
    """Bounds of the Satterthwaite interval at another level."""
    half = float(stats.t.ppf((1 + level) / 2, average.df)) * se
    return average.difference - half, average.difference + half


def _word(plan: Plan, difference: float, p: float) -> str:
    if p > plan.alpha:
        return INCONCLUSIVE
    return BETTER if plan.better * difference > 0 else WORSE


def _ranks(plan: Plan, ledger: Ledger, cells: Cells, rng: np.random.Generator) -> Ranks | None:
    """Ranks over the datasets on which every method has values; `dropped` are the others."""
    methods = list(dict.fromkeys(m for row in cells.values() for m in row))
    means = {name: [_mean(plan, ledger, row.get(m)) for m in methods] for name, row in cells.items()}
    kept = [name for name, row in means.items() if all(v is not None for v in row)]
    if len(methods) < 3 or len(kept) < 2:
        return None
    scores = np.array([means[name] for name in kept], dtype=np.float64)
    test = friedman(rank_rows(scores, plan.better), rng, alpha=plan.alpha)
    pairwise = _pairwise(plan, methods, scores)
    apart = [[False] * len(methods) for _ in methods]
    for row in pairwise:
        i, j = methods.index(str(row["a"])), methods.index(str(row["b"]))
        apart[i][j] = apart[j][i] = bool(row["apart"])
    dropped = tuple(name for name in cells if name not in kept)
    return Ranks(tuple(methods), tuple(kept), dropped, test, tuple(pairwise), cliques(test.mean_ranks, apart))


def _mean(plan: Plan, ledger: Ledger, arm: Arm | None) -> float | None:
    return None if arm is None else describe(ledger.values(arm.label, plan.metric)).mean


def _pairwise(plan: Plan, methods: Sequence[str], scores: Floats) -> list[dict[str, object]]:
    """All pairs of methods over datasets: exact Wilcoxon, Holm-adjusted. These decide, not the critical difference."""
    pairs = [(i, j) for i in range(len(methods)) for j in range(i + 1, len(methods))]
    tests = [wilcoxon(scores[:, i] - scores[:, j]) for i, j in pairs]
    adjusted = holm([t.p for t in tests])
    return [
        {
            "a": methods[i],
            "b": methods[j],
            "difference": float((scores[:, i] - scores[:, j]).mean()),
            "wins": int((plan.better * (scores[:, i] - scores[:, j]) > 0).sum()),
            "losses": int((plan.better * (scores[:, i] - scores[:, j]) < 0).sum()),
            "p": test.p,
            "p_adjusted": float(p),
            "apart": bool(p <= plan.alpha),
        }
        for (i, j), test, p in zip(pairs, tests, adjusted, strict=True)
    ]
