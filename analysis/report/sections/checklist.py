"""The section that answers the requests of the review."""

from __future__ import annotations

from analysis.report.cells import table
from analysis.report.elements import Cell, Section
from analysis.results.document import Document

PLACE = 150


def section(data: Document) -> Section:
    """Each request of the review with where it is answered, or why not."""
    found = data["checklist"]
    if not found:
        return Section("checklist", "Referee checklist")
    rows = [(Cell(a["request"]), Cell(a["answer"]), Cell(a["where"])) for a in found]
    caption = "Each request of the public review of the method, and where this study answers it, or why it does not."
    header = ("request", "answer", "where, or why not")
    return Section(
        "checklist", "Referee checklist", tables=(table("checklist", caption, header, rows, text=(0, 1, 2)),)
    )
