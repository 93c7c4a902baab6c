"""Ranks of all methods over several datasets, and which of them are apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.results.across.gates import UNDECIDED, refused_on
from analysis.results.comparisons import Evidence
from analysis.results.verdicts import BETTER, WORSE
from analysis.stats.description import describe
from analysis.stats.exact_tests import wilcoxon
from analysis.stats.multi_dataset import RankTest, cliques, friedman, rank_rows
from analysis.stats.multiplicity import holm
from analysis.stats.types import Floats
from analysis.study.ledger import Ledger
from analysis.study.plan import Arm, Plan

Cells = dict[str, dict[str, Arm]]
"""Arms by dataset and method."""


@dataclass(frozen=True)
class Ranks:
    """Ranks of all methods over the complete datasets, and all pairs with Holm-adjusted p."""

    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    dropped: tuple[str, ...]
    test: RankTest
    pairwise: tuple[Mapping[str, object], ...]
    cliques: tuple[tuple[int, ...], ...]


def ranks_over(
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
    refused = {method: refused_on(plan, found) for method, found in of_method.items()}
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
