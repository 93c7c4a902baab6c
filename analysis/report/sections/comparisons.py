"""The section on pairwise evidence: every comparison, what it could have shown, effect sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.formatting import (
    MISSING,
    Scale,
    listing,
    show_number,
    show_p,
)
from analysis.report.elements import Cell, Section, Table
from analysis.report.figures.differences import difference_figures
from analysis.report.figures.slopes import slope_figure
from analysis.results.document import Data, scale_of
from analysis.results.sentences import CORRECTION_NAMES


def section(data: Data) -> Section:
    """Differences, tests, effect sizes and what the seeds could have shown."""
    if not data["comparisons"]:
        return Section("comparisons", "Pairwise evidence")
    return Section(
        "comparisons",
        "Pairwise evidence",
        tables=(comparisons_table(data), _feasibility(data), effects_table(data)),
        figures=(*difference_figures(data), *slope_figure(data)),
    )


def _feasibility(data: Data) -> Table:
    rows = [(Cell(c["treatment"]), Cell(c["verdict"], None, c["verdict"]), Cell(_line(c))) for c in data["comparisons"]]
    return Table(
        "feasibility",
        "What each comparison could have shown with its seeds, and what the declared effect would take "
        "(paired t-test, two-sided, 80 % power; in parentheses with the upper 80 % bound of the SD).",
        ("treatment", "verdict", "feasibility"),
        tuple(rows),
    )


def _line(c: Data) -> str:
    return " ".join([c["feasibility_line"], *(f"Note: {w}." for w in c["warnings"])])


def comparisons_table(data: Data) -> Table:
    """Every comparison with raw and adjusted p, exact tests, effect size and verdict."""
    scale = scale_of(data)
    level = f"{100 * (1 - data['alpha']):g} %"
    header = (
        "family", "treatment", "baseline", "n", f"difference{scale.unit_after and f' ({scale.unit})'}",
        f"{level} CI", "p (t)", "p (sign-flip)", "p (Wilcoxon)", "p adjusted", "d_z", "verdict",
    )  # fmt: skip
    rows = [_comparison_row(data, scale, c) for c in data["comparisons"]]
    return Table("comparisons", _comparisons_caption(data), header, tuple(rows), frozenset(range(3, 11)))


def _comparisons_caption(data: Data) -> str:
    families = [
        f"{f['family']}: {f['role']}, {CORRECTION_NAMES[f['correction']]}, m = {f['m']}" for f in data["families"]
    ]
    test = "Welch's t" if data["unpaired"] else "the paired t-test"
    return (
        f"All comparisons, two-sided, α = {data['alpha']:g}; the verdict rests on {test}, the exact tests stand "
        f"beside it. Families: {listing(families, 12)}. Scope: {data['scope']}."
    )


def _comparison_row(data: Data, scale: Scale, c: Data) -> tuple[Cell, ...]:
    ps = (c["p_t"], c["p_sign_flip"], c["p_wilcoxon"], c["p_adjusted"])
    return (
        Cell(c["family"]),
        Cell(c["treatment"]),
        Cell(c["baseline"]),
        Cell(str(c["n"]), c["n"]),
        Cell(scale.signed(c["difference"]), c["difference"]),
        Cell(scale.range(c["ci_low"], c["ci_high"]), c["ci_low"]),
        *(Cell(show_p(p, data["alpha"]), p) for p in ps),
        Cell(show_number(c["d_z"]), c["d_z"]),
        Cell(c["verdict"], c["verdict"], c["verdict"]),
    )


def effects_table(data: Data) -> Table:
    """Effect sizes with their intervals, and how well the pairs go together."""
    scale = scale_of(data)
    header = (
        "treatment", "n", "Hodges–Lehmann", "its CI (level)", "d_z", "CI", "g_z", "rank-biserial", "P(better)", "CI",
        "wins", "correlation", "Var(A−B)/(Var A+Var B)",
    )  # fmt: skip
    rows = [_effect_row(scale, c) for c in data["comparisons"] if c.get("detail")]
    caption = (
        "Effect sizes: Hodges–Lehmann shift with its exact interval (the level it attains), d_z with noncentral-t "
        "interval, Hedges' g_z, matched-pairs rank-biserial, P(better) with Clopper–Pearson interval; correlation of "
        f"the pairs, and the variance ratio (below 1 pairing pays). Scope: {data['scope']}."
    )
    return Table("effects", caption, header, tuple(rows), frozenset(range(1, len(header))), long=True)


def _effect_row(scale: Scale, c: Data) -> tuple[Cell, ...]:
    d = c["detail"]
    shift, dz, g, p = (d[k] or {} for k in ("shift", "d_z", "g_z", "p_better"))
    level = f" ({100 * shift['level']:.1f} %)" if shift else ""
    return (
        Cell(c["treatment"]),
        Cell(str(c["n"]), c["n"]),
        Cell(scale.signed(shift.get("estimate")), shift.get("estimate")),
        Cell(scale.range(shift.get("low"), shift.get("high")) + level, shift.get("low")),
        Cell(show_number(dz.get("estimate")), dz.get("estimate")),
        Cell(_plain_range(dz), dz.get("low")),
        Cell(show_number(g.get("estimate")), g.get("estimate")),
        Cell(show_number(d["rank_biserial"]), d["rank_biserial"]),
        Cell(show_number(p.get("estimate")), p.get("estimate")),
        Cell(_plain_range(p), p.get("low")),
        Cell(MISSING if d["wins"] is None else f"{d['wins']} of {c['n']}", d["wins"]),
        Cell(show_number(d["correlation"]), d["correlation"]),
        Cell(show_number(d["variance_ratio"]), d["variance_ratio"]),
    )


def _plain_range(interval: Mapping[str, Any]) -> str:
    low, high = interval.get("low"), interval.get("high")
    return MISSING if low is None or high is None else f"{show_number(low)} to {show_number(high)}"
