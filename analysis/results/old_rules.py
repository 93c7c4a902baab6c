"""The verdicts that version 0.1 gave on its records, so that a report names those that changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.results.comparisons import Evidence
from analysis.results.verdicts import BETTER, BEYOND, EQUIVALENT, INCONCLUSIVE, NONE, WORSE, untestable
from analysis.stats.comparison import Comparison, compare_paired
from analysis.stats.multiplicity import adjust
from analysis.study.plan import Plan


def changed_verdicts(plan: Plan, evidence: Sequence[Evidence]) -> list[str]:
    """Every verdict that differs from the one of version 0.1, with both; empty for a plan of this version."""
    if not plan.from_0_1:
        return []
    now = [_words(e.verdict.word, e.verdict.size == BEYOND) for e in evidence]
    before = list(_old_verdicts(plan, evidence))
    pairs = zip(evidence, before, now, strict=True)
    return [f"{e.treatment}: {old}, now {new}" for e, old, new in pairs if old != new]


def _old_verdicts(plan: Plan, evidence: Sequence[Evidence]) -> Iterator[str]:
    """In the order of the evidence: each family was corrected by itself, and looks and resplits were not considered."""
    for family in plan.families:
        results = [_old_result(plan, e) for e in evidence if e.family is family]
        p = adjust([r.p_t if r else None for r in results], family.correction)
        q = adjust([r.p_tost if r else None for r in results], family.correction)
        yield from (_old_verdict(plan, *row) for row in zip(results, p, q, strict=True))


def _old_result(plan: Plan, e: Evidence) -> Comparison | None:
    """The tests of version 0.1; None where it refused a verdict."""
    if plan.phase != "confirm" or untestable(e.result) or not (e.pairs.complete or plan.unpaired):
        return None
    if plan.unpaired:
        return e.result
    return compare_paired(e.pairs, margin=plan.sesoi, alpha=plan.alpha, better=plan.better)


def _old_verdict(plan: Plan, result: Comparison | None, p: float | None, q: float | None) -> str:
    if result is None or p is None:
        return NONE
    if q is not None and q <= plan.alpha:
        return EQUIVALENT
    if p > plan.alpha:
        return INCONCLUSIVE
    ci, margin = result.ci, plan.sesoi
    beyond = ci is not None and margin is not None and (ci.low > margin or ci.high < -margin)
    return _words(BETTER if plan.better * result.difference > 0 else WORSE, beyond)


def _words(word: str, beyond: bool) -> str:
    return f"{word} ({BEYOND})" if beyond else word
