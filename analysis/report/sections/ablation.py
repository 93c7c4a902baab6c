"""The section on ablation: each arm against the full method."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.formatting import listing, show_alpha_percent
from analysis.report.cells import gain, p_cell, verdict_interval, whole, word
from analysis.report.elements import Cell, Section, Table
from analysis.report.figures.axes import unit_label
from analysis.results.document import ComparisonData, Document, scale_of
from analysis.results.sentences import CORRECTION_NAMES
from analysis.study.plan import PER_BLOCK

PLACE = 70


def section(data: Document) -> Section:
    """Each arm against the full method, with Holm and with the max-t sign-flip test."""
    names = {f["family"] for f in data["families"] if f["declared_role"] == "ablation"}
    found = [c for c in data["comparisons"] if c["family"] in names]
    if not found:
        return Section("ablation", "Ablation")
    closed = [f["family"] for f in data["families"] if f["family"] in names and f["role"] != "ablation"]
    text = (
        f"No primary comparison has the verdict “better”, so these comparisons are exploratory: {listing(closed)}. "
        "Their adjusted p-values hold their level among themselves, not together with the primary comparisons."
    )
    return Section("ablation", "Ablation", (text,) if closed else (), (ablation_table(data, found),))


def ablation_table(data: Document, found: Sequence[ComparisonData]) -> Table:
    """Many-to-one comparisons, by Holm and by the max-t sign-flip test."""
    scale = scale_of(data)
    header = (
        "arm", "against", "n", f"difference{unit_label(scale)}", "CI of the verdict (level)", "p (t)", "p adjusted",
        "p (max-t)", "verdict",
    )  # fmt: skip
    rows = [
        (
            Cell(c["treatment"]), Cell(c["baseline"]), whole(c["n"]), gain(scale, c["difference"]),
            verdict_interval(scale, c), *(p_cell(data, c[k]) for k in ("p_t", "p_adjusted", "p_max_t")),
            word(c["verdict"]),
        )
        for c in found
    ]  # fmt: skip
    return Table("ablation", _caption(data, found), header, tuple(rows), frozenset(range(2, 8)))


def _caption(data: Document, found: Sequence[ComparisonData]) -> str:
    tests = listing(sorted({c["detail"]["method"] for c in found if "detail" in c})) or "no test"
    corrections = listing(sorted({f"{CORRECTION_NAMES[c['correction']]} over {c['m']}" for c in found}))
    scopes = listing(sorted({c["scope"] for c in found}))
    held = "for those of each block" if data["error_rate"] == PER_BLOCK else "for all of them together"
    return (
        f"Each arm against the full method: {tests}, two-sided, {corrections}, at {show_alpha_percent(data['alpha'])} "
        f"{held}. "
        "The max-t sign-flip p also uses the correlation that the shared baseline causes; no verdict uses it. "
        f"Intervals describe {scopes}."
    )
