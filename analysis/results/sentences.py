"""Findings as sentences; every number in them is in `report.json` too."""

from __future__ import annotations

from analysis.formatting import Scale, count, p_equals, show_alpha, show_coverage, show_hours, show_p
from analysis.results.comparisons import Evidence
from analysis.results.feasibility import Feasibility
from analysis.results.seeds.words import CORRECTION_NAMES as CORRECTION_NAMES
from analysis.results.seeds.words import apart, finding
from analysis.results.verdicts import BETTER, EQUIVALENT, FRAGILE_BELOW, NONE, WORSE
from analysis.stats.comparison import Comparison
from analysis.study.plan import EXPLORATORY, PER_BLOCK, UNTIL_DECIDED, Plan


def sentence(plan: Plan, evidence: Evidence, scale: Scale) -> str:
    """One comparison as sentences: difference, interval of the verdict, n, tests, what it cannot show, its scope."""
    if evidence.result is None:
        return f"{evidence.treatment} and {evidence.family.baseline} cannot be compared: {evidence.verdict.reason}."
    if evidence.verdict.word == NONE:
        return " ".join(filter(None, (_none(evidence, evidence.result, scale), _collapse(evidence, scale))))
    lead_of = finding if plan.stop == UNTIL_DECIDED else _LEADS.get(evidence.verdict.word, _inconclusive)
    lead = lead_of(plan, evidence, evidence.result, scale)
    limits = [_collapse(evidence, scale), _fragile(evidence.result), _floor(plan, evidence)]
    parts = [lead, *limits, _scope(plan, evidence.result)]
    if evidence.role == EXPLORATORY:
        parts.append("(Exploratory.)")
    return " ".join(part for part in parts if part)


def _decided(plan: Plan, e: Evidence, result: Comparison, scale: Scale) -> str:
    evidence = f"{_interval(e, scale)}; {_wins(result)}{_tests(plan, e, result)}"
    return apart(plan, e, result, scale, evidence, "interval")


def _equivalent(plan: Plan, e: Evidence, result: Comparison, scale: Scale) -> str:
    return (
        f"{e.treatment} and {e.family.baseline} differ by {scale.signed(result.difference)}{scale.unit_after} "
        f"({_interval(e, scale)}; {_seeds(result)}; two one-sided t-tests, "
        f"{_corrected(plan, e, e.p_equivalence)}), inside the declared margin of "
        f"±{scale.value(plan.sesoi)}{scale.unit_after}."
    )


def _inconclusive(plan: Plan, e: Evidence, result: Comparison, scale: Scale) -> str:
    return (
        f"No difference between {e.treatment} and {e.family.baseline} could be shown "
        f"({scale.signed(result.difference)}{scale.unit_after}, {_interval(e, scale)}; "
        f"{_wins(result)}{_tests(plan, e, result)}).{_detects(plan, e, result, scale)}"
    )


def _detects(plan: Plan, e: Evidence, result: Comparison, scale: Scale) -> str:
    can = e.feasibility
    if can is None or can.detectable is None or e.collapsed:
        return ""
    return (
        f" With {_seeds(result)} this design detects {_range_found(can, scale)} with 80 % power"
        f"{_at_level(plan, e)}{_needed(plan, e, result, scale)}."
    )


def _needed(plan: Plan, e: Evidence, result: Comparison, scale: Scale) -> str:
    can = e.feasibility
    if can is None or can.seeds_for_effect is None or plan.sesoi is None:
        return ""
    effect = f"{scale.value(plan.sesoi)}{scale.unit_after}"
    if can.seeds_for_effect <= result.n:
        return f", enough for the declared {effect}"
    return f"; {count(can.seeds_for_effect, 'seed')} are needed to detect the declared {effect}"


def _none(e: Evidence, result: Comparison, scale: Scale) -> str:
    """Without a verdict the data only: an interval would be read as one."""
    return (
        f"No verdict on {e.treatment} against {e.family.baseline}: {e.verdict.reason} "
        f"({scale.signed(result.difference)}{scale.unit_after}; {_seeds(result, 'common seed')})."
    )


def _seeds(result: Comparison, noun: str = "seed") -> str:
    """The seeds of a comparison; of an unpaired one those of both arms."""
    if result.groups is None:
        return count(result.n, noun)
    ours, theirs = result.groups
    return f"{ours} against {count(theirs, 'unpaired seed')}"


def _interval(e: Evidence, scale: Scale) -> str:
    ci = e.ci_verdict
    if ci is None:
        return "no interval"
    after = " after correction:" if e.m > 1 else ""
    return f"{show_coverage(ci.level)} CI{after} {scale.range(ci.low, ci.high)}"


def _wins(result: Comparison) -> str:
    if result.groups is not None:
        return f"{_seeds(result)}; "
    return "" if result.wins is None else f"better on {result.wins} of {count(result.n, 'seed')}; "


def _tests(plan: Plan, e: Evidence, result: Comparison) -> str:
    text = f"{result.method} {_corrected(plan, e, e.p_adjusted, result.p_t)}"
    if result.sign_flip is None:
        return text
    limits = ", which assumes independent splits" if result.overlap is not None else ""
    return f"{text}; sign-flip {p_equals(result.sign_flip.p, plan.alpha)}{limits}"


def _corrected(plan: Plan, e: Evidence, adjusted: float | None, raw: float | None = None) -> str:
    """Raw p, adjusted p, the correction and its size."""
    level = f" at the level {show_alpha(plan.alpha)} of this look" if plan.alpha != plan.declared_alpha else ""
    if e.m == 1:
        return f"{p_equals(adjusted, plan.alpha)}{level}"
    before = "" if raw is None else f"{p_equals(raw, plan.alpha)}, "
    where = " in this block" if plan.error_rate == PER_BLOCK else ""
    name = CORRECTION_NAMES[e.family.correction]
    return f"{before}{name} {p_equals(adjusted, plan.alpha)} over {e.m} comparisons{where}{level}"


def _collapse(e: Evidence, scale: Scale) -> str:
    """Seeds that lie far from all others of their arm, in words."""
    found = [
        f"Seed {c.seed} of {c.arm} collapsed: {scale.value(c.value)}, where the other seeds have "
        f"{scale.value_range(c.low, c.high)}."
        for c in e.collapsed
    ]
    return " ".join([*found, "A mean over seeds does not describe such runs, nor does the test."] if found else [])


def _fragile(result: Comparison) -> str:
    return f"Fragile: it rests on {count(result.n, 'seed')} only." if result.n < FRAGILE_BELOW else ""


def _scope(plan: Plan, result: Comparison) -> str:
    return f"Scope: {plan.scope_of(result.overlap is not None)}."


def _floor(plan: Plan, e: Evidence) -> str:
    """The smallest p of the exact tests, where it is above alpha."""
    test = e.result.sign_flip if e.result else None
    if test is None or e.feasibility is None or e.feasibility.smallest_p_adjusted <= plan.alpha:
        return ""
    limit = _least(test.smallest)
    corrected = e.feasibility.smallest_p_adjusted
    times = f", {show_p(corrected)} after correction over {e.m}" if corrected != test.smallest else ""
    ties = (e.result.ties if e.result else 0) or 0
    pairs = count(test.n, "pair") + (f", {ties} of them with a difference of zero," if ties else "")
    return (
        f"With {pairs} the exact Wilcoxon and sign-flip tests cannot give p below {limit}{times}; "
        "the verdict rests on the t-test and its interval."
    )


_LEADS = {BETTER: _decided, WORSE: _decided, EQUIVALENT: _equivalent}


def feasibility_line(plan: Plan, e: Evidence, scale: Scale) -> str:
    """What the comparison can show: smallest p, detectable effect, seeds for the declared effect and their cost."""
    can, result = e.feasibility, e.result
    if plan.stop == UNTIL_DECIDED:
        return "Seeds are run until it is decided, so nothing is planned from them."
    if can is None or result is None:
        return "Too few seeds to say what could be detected."
    if e.collapsed:
        return "A seed collapsed: the SD of the differences describes no typical seed, so nothing is planned from it."
    if e.verdict.word == NONE and result.p_t is not None:
        return f"No verdict ({e.verdict.reason}), so nothing is said of what these seeds can show."
    if can.detectable is None:
        return "The differences have no spread, so nothing can be planned from them."
    smallest = _smallest_p(plan, e.m, can, result) if result.sign_flip is not None else ""
    found = f"This design detects {_range_found(can, scale)} with 80 % power{_at_level(plan, e)}."
    return " ".join(part for part in (smallest, found, _declared(plan, can, result, scale)) if part)


def _range_found(can: Feasibility, scale: Scale) -> str:
    """The detectable difference, and what it is at both ends of the interval of the SD."""
    if can.detectable is None or can.detectable_low is None or can.detectable_high is None:
        return ""
    ends = f"{scale.value(can.detectable_low)} to {scale.value(can.detectable_high)}"
    return f"{scale.value(can.detectable)}{scale.unit_after} or more ({ends}, as the SD is uncertain)"


def _at_level(plan: Plan, e: Evidence) -> str:
    return "" if e.m == 1 else f" at the level of its verdict, {show_alpha(plan.alpha)}/{e.m}"


def _least(p: float) -> str:
    """A smallest p, which is a number also where it is small."""
    return f"{p:.1g}" if p < 0.001 else show_p(p)


def _smallest_p(plan: Plan, m: int, can: Feasibility, result: Comparison) -> str:
    ties = result.ties or 0
    used = f"{count(result.n - ties, 'difference')} that {'is' if result.n - ties == 1 else 'are'} not zero"
    limit = f"With {used if ties else count(result.n, 'seed')} the exact p cannot go below {_least(can.smallest_p)}"
    if can.smallest_p_adjusted <= plan.alpha:
        return f"{limit}."
    corrected = f" ({show_p(can.smallest_p_adjusted)} corrected)" if can.smallest_p_adjusted != can.smallest_p else ""
    if ties:
        tied = f"{ties} of {count(result.n, 'seed')} {'is a tie' if ties == 1 else 'are ties'} and cannot move it"
        return f"{limit}{corrected}: {tied}; it takes {can.smallest_n} that are not zero."
    return f"{limit}{corrected}. Use {can.smallest_n} seeds."


def _declared(plan: Plan, can: Feasibility, result: Comparison, scale: Scale) -> str:
    if plan.sesoi is None or result.sd_difference is None:
        return ""
    effect = f"{scale.value(plan.sesoi)}{scale.unit_after}"
    if result.overlap is not None:
        return f"More resplits of the same data cannot show much smaller effects, so no seeds are given for {effect}."
    if can.seeds_for_effect is None:
        return f"More than 100,000 seeds are needed to detect the declared {effect}."
    high = f" (up to {can.seeds_for_effect_high})" if can.seeds_for_effect_high else ""
    cost = f": {show_hours(can.seconds_for_effect)} more on {can.device}" if can.seconds_for_effect else ""
    return f"{count(can.seeds_for_effect, 'seed')}{high} are needed to detect the declared {effect}{cost}."
