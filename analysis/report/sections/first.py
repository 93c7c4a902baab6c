"""What a reader sees first: the table of results, the forest of all comparisons, and one line for each of them."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.formatting import count, show_coverage, show_hours
from analysis.report.elements import Section
from analysis.report.figures.arms import method_of
from analysis.report.figures.differences import difference_figures
from analysis.report.sections.results import results_table
from analysis.results.document import ComparisonData, Document, scale_of
from analysis.results.verdicts import INCONCLUSIVE, NONE

PAGES = 1
"""Pages of the forest that stand at the top; the others stand in the section on pairwise evidence."""


def section(data: Document) -> Section:
    """Every arm with its verdict, and the paired differences; further pages of these are in their section."""
    return Section(
        "answer", "Answer", tables=(results_table(data),), figures=tuple(difference_figures(data, slice(PAGES)))
    )


def by_weight(comparisons: Sequence[ComparisonData]) -> list[ComparisonData]:
    """Decided comparisons first, exploratory ones last; else in the order of the plan."""
    return sorted(comparisons, key=lambda c: (c["verdict"] in (INCONCLUSIVE, NONE), c["role"] == "exploratory"))


def line(data: Document, c: ComparisonData) -> str:
    """One comparison in one line: who, by how much, the interval of the verdict, and what would decide it."""
    scale = scale_of(data)
    place = f", {c['block']}" if len(data["blocks"]) > 1 and c["block"] else ""
    who = f"{method_of(data, c['treatment'])} against {method_of(data, c['baseline'])}{place}"
    if c["difference"] is None:
        return f"{who}: {c['reason']}"
    shown = f"{scale.signed(c['difference'])}{scale.unit_after}"
    if c["verdict"] == NONE:
        return f"{who}: {shown}; {c['reason']}"
    level = c["ci_verdict_level"]
    between = scale.range(c["ci_verdict_low"], c["ci_verdict_high"])
    interval = "" if level is None else f" ({show_coverage(level)} CI {between})"
    return f"{who}: {shown}{interval}{_missing(data, c)}"


def _missing(data: Document, c: ComparisonData) -> str:
    """What would decide an undecided comparison: seeds for the declared effect, and the time of those to come."""
    can = c["feasibility"]
    if c["verdict"] != INCONCLUSIVE or can is None or c["collapsed"] or data["sesoi"] is None:
        return ""
    needed, scale = can["seeds_for_effect"], scale_of(data)
    if needed is None or needed <= c["n"]:
        return ""
    cost = f", {show_hours(can['seconds_for_effect'])} more" if can["seconds_for_effect"] else ""
    return f"; to detect {scale.value(data['sesoi'])}{scale.unit_after}: {count(needed, 'seed')}{cost}"
