"""Findings of a study that runs seeds until it is decided, as sentences."""

from __future__ import annotations

from analysis.formatting import Scale, count, p_equals, show_coverage
from analysis.results.comparisons import Evidence
from analysis.results.verdicts import EQUIVALENT, INCONCLUSIVE, UNCLEAR
from analysis.stats.comparison import Comparison
from analysis.study.plan import PER_BLOCK, Plan

CORRECTION_NAMES = {"holm": "Holm", "bh": "Benjamini–Hochberg"}


def finding(plan: Plan, e: Evidence, result: Comparison, scale: Scale) -> str:
    """The difference, its confidence sequence, after how many seeds it was decided, and the adjusted p."""
    if e.verdict.word == INCONCLUSIVE:
        return _open(plan, e, result, scale)
    evidence = f"{_sequence(e, scale)}; {_decided(plan, e)}; {_p(plan, e)}"
    if e.verdict.word == EQUIVALENT:
        return (
            f"{e.treatment} and {e.family.baseline} differ by {scale.signed(result.difference)}{scale.unit_after} "
            f"({evidence}), inside the declared margin of ±{scale.value(plan.sesoi)}{scale.unit_after}."
        )
    return apart(plan, e, result, scale, evidence, "sequence")


def apart(plan: Plan, e: Evidence, result: Comparison, scale: Scale, evidence: str, interval: str) -> str:
    """A difference that is decided, with its evidence in parentheses, and whether its interval passes the margin."""
    verb = "is above" if result.difference > 0 else "is below"
    return (
        f"{e.treatment} {verb} {e.family.baseline} by {scale.value(abs(result.difference))}{scale.unit_after} "
        f"({evidence}).{_size(plan, e, scale, interval)}"
    )


def _open(plan: Plan, e: Evidence, result: Comparison, scale: Scale) -> str:
    seen = f"{scale.signed(result.difference)}{scale.unit_after}, {_sequence(e, scale)}; {_p(plan, e)}"
    after = f"after {result.n} of at most {count(len(plan.seeds), 'seed')}"
    end = f" {_sentence(e.open_because)}" if e.open_because else " Further seeds may decide it."
    return f"Between {e.treatment} and {e.family.baseline} nothing is decided {after} ({seen}).{end}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _sequence(e: Evidence, scale: Scale) -> str:
    ci = e.ci_verdict
    if ci is None:
        return "no confidence sequence with so few seeds"
    return f"{show_coverage(ci.level)} confidence sequence {scale.range(ci.low, ci.high)}"


def _decided(plan: Plan, e: Evidence) -> str:
    if e.decided is None:
        return ""
    by = f" by the first {e.decided.evidence_at}" if e.decided.evidence_at != e.decided.at else ""
    return f"decided after {e.decided.at} of at most {count(len(plan.seeds), 'seed')}{by}"


def _p(plan: Plan, e: Evidence) -> str:
    p = p_equals(e.p_equivalence if e.verdict.word == EQUIVALENT else e.p_adjusted, plan.alpha)
    if e.m == 1:
        return f"anytime-valid {p}"
    where = " in this block" if plan.error_rate == PER_BLOCK else ""
    return f"anytime-valid {p}, {CORRECTION_NAMES[e.family.correction]} over {e.m} comparisons{where}"


def _size(plan: Plan, e: Evidence, scale: Scale, interval: str) -> str:
    if plan.sesoi is None or not e.verdict.size:
        return ""
    effect = f"the declared {scale.value(plan.sesoi)}{scale.unit_after}"
    if e.verdict.size == UNCLEAR:
        return f" Whether it exceeds {effect} is unclear."
    together = f", which holds for all {e.m} comparisons together," if e.m > 1 else ""
    return f" The {interval}{together} lies beyond {effect}."
