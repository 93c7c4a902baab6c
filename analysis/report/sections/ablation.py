"""The section on ablation: each arm against the full method."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.formatting import listing, show_p
from analysis.report.cells import scope_line
from analysis.report.elements import Cell, Section, Table
from analysis.results.document import ComparisonData, Document, scale_of


def section(data: Document) -> Section:
    """Each arm against the full method, with Holm and with the max-t sign-flip test."""
    names = {f["family"] for f in data["families"] if f["declared_role"] == "ablation"}
    found = [c for c in data["comparisons"] if c["family"] in names]
    if not found:
        return Section("ablation", "Ablation")
    closed = [f["family"] for f in data["families"] if f["family"] in names and f["role"] != "ablation"]
    text = f"No primary comparison was won, so these comparisons are exploratory: {listing(closed)}."
    return Section("ablation", "Ablation", (text,) if closed else (), (ablation_table(data, found),))


def ablation_table(data: Document, found: Sequence[ComparisonData]) -> Table:
    """Many-to-one comparisons, by Holm and by the max-t sign-flip test."""
    scale = scale_of(data)
    header = ("arm", "against", "n", "difference", "CI (1 − α/m)", "p (t)", "p adjusted", "p (max-t)", "verdict")
    rows = [
        (
            Cell(c["treatment"]), Cell(c["baseline"]), Cell(str(c["n"]), c["n"]),
            Cell(scale.signed(c["difference"]), c["difference"]),
            Cell(scale.range(c["ci_adjusted_low"], c["ci_adjusted_high"]), c["ci_adjusted_low"]),
            *(Cell(show_p(c[k], data["alpha"]), c[k]) for k in ("p_t", "p_adjusted", "p_max_t")),
            Cell(c["verdict"], c["verdict"], c["verdict"]),
        )
        for c in found
    ]  # fmt: skip
    caption = (
        "Each arm against the full method. The verdict uses the Holm-adjusted paired t-test. The max-t sign-flip p "
        f"also uses the correlation that the shared baseline causes. {scope_line(data)}"
    )
    return Table("ablation", caption, header, tuple(rows), frozenset(range(2, 8)))
