"""Findings as sentences; every number in them is in `report.json` too."""

from __future__ import annotations

from analysis.formatting import Scale, count, p_equals, show_hours, show_p
from analysis.results.comparisons import Evidence
from analysis.results.verdicts import BETTER, EQUIVALENT, NONE, WORSE
from analysis.stats.power import smallest_family_n
from analysis.study.plan import Plan

CORRECTION_NAMES = {"holm": "Holm", "bh": "Benjamini–Hochberg"}


def sentence(plan: Plan, evidence: Evidence, scale: Scale) -> str:
    """One comparison as a sentence: difference, interval, n, test, p, and what it cannot show."""
    if evidence.result is None:
        return f"{evidence.treatment} and {evidence.family.baseline} cannot be compared: {evidence.verdict.reason}."
    lead = _LEADS.get(evidence.verdict.word, _inconclusive)(plan, evidence, scale)
    tail = " (Exploratory.)" if evidence.role == "exploratory" and evidence.verdict.word != NONE else ""
    return lead + tail


def _decided(plan: Plan, e: Evidence, scale: Scale) -> str:
    gap = e.result.difference if e.result else 0.0
    verb = "is above" if gap > 0 else "is below"
    size = f" The interval lies {e.verdict.size}." if e.verdict.size.startswith("beyond") else ""
    unclear = _unclear(plan, e, scale)
    return (
        f"{e.treatment} {verb} {e.family.baseline} by {scale.value(abs(gap))}{scale.unit_after} "
        f"({_interval(e, scale)}; {_wins(e)}{_tests(plan, e)}).{size}{unclear}{_floor(plan, e)}"
    )


def _unclear(plan: Plan, e: Evidence, scale: Scale) -> str:
    if e.verdict.size != "size unclear" or plan.sesoi is None:
        return ""
    return f" Whether it exceeds the declared {scale.value(plan.sesoi)}{scale.unit_after} is unclear."


def _equivalent(plan: Plan, e: Evidence, scale: Scale) -> str:
    result = e.result
    if result is None or result.ci_90 is None or plan.sesoi is None:
        return ""
    level = f"{100 * result.ci_90.level:g} % CI {scale.range(result.ci_90.low, result.ci_90.high)}"
    return (
        f"{e.treatment} and {e.family.baseline} differ by {scale.signed(result.difference)}{scale.unit_after} "
        f"({level}; {count(result.n, 'seed')}; equivalence {p_equals(e.p_equivalence, plan.alpha)} after "
        f"{CORRECTION_NAMES[e.family.correction]}, m = {e.m}), inside the declared margin of "
        f"±{scale.value(plan.sesoi)}{scale.unit_after}."
    )


def _inconclusive(plan: Plan, e: Evidence, scale: Scale) -> str:
    result, can = e.result, e.feasibility
    if result is None:
        return ""
    text = (
        f"No difference between {e.treatment} and {e.family.baseline} could be shown "
        f"({scale.signed(result.difference)}{scale.unit_after}, {_interval(e, scale)}; {_wins(e)}{_tests(plan, e)})."
    )
    if can is not None and can.detectable is not None:
        text += (
            f" With {count(result.n, 'seed')} this design detects {scale.value(can.detectable)}{scale.unit_after} "
            f"or more with 80 % power{_needed(plan, e, scale)}."
        )
    return text + _floor(plan, e)


def _needed(plan: Plan, e: Evidence, scale: Scale) -> str:
    can = e.feasibility
    if can is None or can.seeds_for_effect is None or plan.sesoi is None or e.result is None:
        return ""
    effect = f"{scale.value(plan.sesoi)}{scale.unit_after}"
    if can.seeds_for_effect <= e.result.n:
        return f", enough for the declared {effect}"
    return f"; {count(can.seeds_for_effect, 'seed')} are needed to detect the declared {effect}"


def _none(plan: Plan, e: Evidence, scale: Scale) -> str:
    result = e.result
    if result is None:
        return ""
    interval = f", {_interval(e, scale)}" if result.ci else ""
    return (
        f"No verdict on {e.treatment} against {e.family.baseline}: {e.verdict.reason} "
        f"({scale.signed(result.difference)}{scale.unit_after}{interval}; {count(result.n, 'common seed')})."
    )


def _interval(e: Evidence, scale: Scale) -> str:
    ci = e.result.ci if e.result else None
    return "no interval" if ci is None else f"{100 * ci.level:g} % CI {scale.range(ci.low, ci.high)}"


def _wins(e: Evidence) -> str:
    if e.result is None or e.result.wins is None:
        return ""
    return f"better on {e.result.wins} of {count(e.result.n, 'seed')}; "


def _tests(plan: Plan, e: Evidence) -> str:
    result = e.result
    if result is None:
        return ""
    name = CORRECTION_NAMES[e.family.correction]
    text = f"{result.method} {p_equals(result.p_t, plan.alpha)}"
    if e.m > 1:
        text += f", {name} {show_p(e.p_adjusted, plan.alpha)} over {e.m}"
    if result.sign_flip is not None:
        text += f"; sign-flip {p_equals(result.sign_flip.p, plan.alpha)}"
    return text


def _floor(plan: Plan, e: Evidence) -> str:
    """The smallest p of the exact tests, where it is above alpha."""
    test = e.result.sign_flip if e.result else None
    if test is None or e.feasibility is None or e.feasibility.smallest_p_adjusted <= plan.alpha:
        return ""
    limit = show_p(test.smallest, plan.alpha)
    times = f", {show_p(e.feasibility.smallest_p_adjusted)} after correction over {e.m}" if e.m > 1 else ""
    return (
        f" With {count(test.n, 'pair')} the exact Wilcoxon and sign-flip tests cannot give p below {limit}{times}; "
        "the verdict rests on the paired t-test and its interval."
    )


_LEADS = {BETTER: _decided, WORSE: _decided, EQUIVALENT: _equivalent, NONE: _none}


def feasibility_line(plan: Plan, e: Evidence, scale: Scale) -> str:
    """What the comparison can show: smallest p, detectable effect, seeds for the declared effect and their cost."""
    can, result = e.feasibility, e.result
    if can is None or result is None:
        return "Too few seeds to say what could be detected."
    parts = [_smallest_p(plan, e) if result.sign_flip is not None else ""]
    if can.detectable is not None and can.detectable > 0:
        parts.append(
            f"This design detects {scale.value(can.detectable)}{scale.unit_after} with 80 % power"
            f" ({scale.value(can.detectable_adjusted)} at α/m)."
        )
    parts.append(_declared(plan, e, scale))
    return " ".join(part for part in parts if part)


def _smallest_p(plan: Plan, e: Evidence) -> str:
    can, result = e.feasibility, e.result
    if can is None or result is None:
        return ""
    used = count(result.n - result.ties, "non-zero difference") if result.ties else count(result.n, "seed")
    limit = f"With {used} the exact p cannot go below {show_p(can.smallest_p)}"
    if can.smallest_p_adjusted <= plan.alpha:
        return f"{limit}."
    corrected = f" ({show_p(can.smallest_p_adjusted)} corrected)" if e.m > 1 else ""
    return f"{limit}{corrected}. Use {smallest_family_n(e.m, plan.alpha)} seeds."


def _declared(plan: Plan, e: Evidence, scale: Scale) -> str:
    can = e.feasibility
    if can is None or plan.sesoi is None or e.result is None or can.detectable == 0:
        return ""
    effect = f"{scale.value(plan.sesoi)}{scale.unit_after}"
    if can.seeds_for_effect is None:
        return f"More than 100,000 seeds are needed to detect the declared {effect}."
    high = f" (up to {can.seeds_for_effect_high})" if can.seeds_for_effect_high else ""
    cost = f": {show_hours(can.seconds_for_effect)} more on {can.device}" if can.seconds_for_effect else ""
    return f"{count(can.seeds_for_effect, 'seed')}{high} are needed to detect the declared {effect}{cost}."
