"""The section on pairwise evidence: every comparison, what its seeds can show, effect sizes."""

from __future__ import annotations

from analysis.formatting import MISSING, Scale, listing, show_confidence, show_percent, show_range
from analysis.report.cells import (
    between,
    correction_line,
    decided,
    gain,
    number,
    numbers_of,
    p_cell,
    rates_line,
    scope_line,
    seeds_cell,
    verdict_interval,
    whole,
    word,
)
from analysis.report.elements import Cell, Section, Table
from analysis.report.figures.differences import difference_figures
from analysis.report.figures.slopes import slope_figure
from analysis.report.sections.first import PAGES
from analysis.results.document import ComparisonData, DetailData, Document, scale_of
from analysis.study.plan import UNTIL_DECIDED

PLACE = 50


def section(data: Document) -> Section:
    """Differences, tests, effect sizes, and what the seeds can show."""
    if not data["comparisons"]:
        return Section("comparisons", "Pairwise evidence")
    return Section(
        "comparisons",
        "Pairwise evidence",
        tables=(comparisons_table(data), *_further_tables(data)),
        figures=(*difference_figures(data, slice(PAGES, None)), *slope_figure(data)),
    )


def _further_tables(data: Document) -> list[Table]:
    """What holds for a fixed number of seeds only."""
    if data["stop"] == UNTIL_DECIDED:
        return []
    return [_feasibility(data), *([] if data["unpaired"] else [effects_table(data)])]


def _feasibility(data: Document) -> Table:
    rows = [(Cell(c["treatment"]), Cell(c["verdict"], None, c["verdict"]), Cell(_line(c))) for c in data["comparisons"]]
    return Table(
        "feasibility",
        _WELCH_POWER if data["unpaired"] else _PAIRED_POWER,
        ("treatment", "verdict", "feasibility"),
        tuple(rows),
    )


_PAIRED_POWER = (
    "What each comparison can show with its seeds, and how many seeds are needed to detect the declared effect "
    "(paired t-test, two-sided, 80 % power; in parentheses: with the upper 80 % bound of the SD)."
)
_WELCH_POWER = "What each comparison can show with the seeds of its two arms (Welch's t-test, two-sided, 80 % power)."


def _line(c: ComparisonData) -> str:
    return " ".join([c["feasibility_line"], *(f"Note: {w}." for w in c["warnings"])])


def comparisons_table(data: Document) -> Table:
    """Every comparison with raw and adjusted p, exact tests, effect size and verdict."""
    scale = scale_of(data)
    level = show_confidence(data["alpha"])
    header = (
        "family", "treatment", "baseline", "n", f"difference{scale.unit_after and f' ({scale.unit})'}",
        f"{level} CI, not corrected", "CI of the verdict (level)", "p (t)", "p (sign-flip)", "p (Wilcoxon)",
        "p adjusted", "d_z", "verdict",
    )  # fmt: skip
    rows = [_comparison_row(data, scale, c) for c in data["comparisons"]]
    left_out = list(_OF_PAIRS if data["unpaired"] or data["stop"] == UNTIL_DECIDED else ())
    left_out += [f"{level} CI, not corrected", "p (t)"] if data["stop"] == UNTIL_DECIDED else []
    kept = [i for i, name in enumerate(header) if name not in left_out]
    shown = tuple(tuple(row[i] for i in kept) for row in rows)
    numeric = frozenset(range(3, len(kept) - 1))
    return Table("comparisons", _comparisons_caption(data), tuple(header[i] for i in kept), shown, numeric)


_OF_PAIRS = ("p (sign-flip)", "p (Wilcoxon)", "d_z")
"""Columns that exist for pairs of seeds only."""


def _comparisons_caption(data: Document) -> str:
    families = [f"{f['family']} ({f['role']})" for f in data["families"]]
    listed = f"Families: {listing(families, 12)}. {scope_line(data)}"
    if not decided(data):
        return f"All comparisons. {listed}"
    return (
        f"All comparisons: {correction_line(data)}.{_exact_tests(data)} The interval of a verdict agrees with it: "
        "for a difference it has the level at which Holm's step or the false discovery rate tested the comparison; "
        f"where it lies beyond the declared effect, it holds for all comparisons together. {rates_line(data)} "
        f"{listed}"
    )


def _exact_tests(data: Document) -> str:
    if data["unpaired"] or data["stop"] == UNTIL_DECIDED:
        return ""
    shown = "decide nothing: they assume independent splits" if _resplits(data) else "are shown for comparison"
    return f" The exact tests {shown}."


def _resplits(data: Document) -> bool:
    return any("detail" in c and c["detail"]["overlap"] is not None for c in data["comparisons"])


def _comparison_row(data: Document, scale: Scale, c: ComparisonData) -> tuple[Cell, ...]:
    ps = (c["p_t"], c["p_sign_flip"], c["p_wilcoxon"], c["p_adjusted"])
    return (
        Cell(c["family"]),
        Cell(c["treatment"]),
        Cell(c["baseline"]),
        seeds_cell(c),
        gain(scale, c["difference"]),
        between(scale, c["ci_low"], c["ci_high"]),
        verdict_interval(scale, c),
        *(p_cell(data, p) for p in ps),
        number(c["d_z"]),
        word(c["verdict"]),
    )


def effects_table(data: Document) -> Table:
    """Effect sizes with their intervals, and the correlation of the pairs."""
    scale = scale_of(data)
    header = (
        "treatment", "n", "Hodges–Lehmann", "its CI (level)", "d_z", "CI", "g_z", "rank-biserial", "P(better)", "CI",
        "wins", "correlation", "Var(A−B)/(Var A+Var B)",
    )  # fmt: skip
    rows = [_effect_row(scale, c, c["detail"]) for c in data["comparisons"] if "detail" in c]
    limits = " All of these assume independent splits." if _resplits(data) else ""
    caption = (
        "Effect sizes: Hodges–Lehmann shift with its exact interval (the level it attains), d_z with noncentral-t "
        "interval, Hedges' g_z, matched-pairs rank-biserial, P(better) with Clopper–Pearson interval; correlation of "
        f"the pairs, and the variance ratio (below 1: pairing makes the interval narrower).{limits} {scope_line(data)}"
    )
    return Table("effects", caption, header, tuple(rows), frozenset(range(1, len(header))), long=True)


def _effect_row(scale: Scale, c: ComparisonData, d: DetailData) -> tuple[Cell, ...]:
    shift, *shift_ends = numbers_of(d["shift"])
    d_z, *d_z_ends = numbers_of(d["d_z"])
    better, *better_ends = numbers_of(d["p_better"])
    level = f" ({show_percent(d['shift']['level'])})" if d["shift"] and d["shift"]["low"] is not None else ""
    return (
        Cell(c["treatment"]),
        whole(c["n"]),
        gain(scale, shift),
        Cell(scale.range(*shift_ends) + level, shift_ends[0]),
        number(d_z),
        _between(*d_z_ends),
        number(numbers_of(d["g_z"])[0]),
        number(d["rank_biserial"]),
        number(better),
        _between(*better_ends),
        Cell(MISSING if d["wins"] is None else f"{d['wins']} of {c['n']}", d["wins"]),
        number(d["correlation"]),
        number(d["variance_ratio"]),
    )


def _between(low: float | None, high: float | None) -> Cell:
    return Cell(show_range(low, high), low)
