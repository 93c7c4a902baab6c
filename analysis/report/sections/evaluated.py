"""The section on metrics that were measured after the study, on what its trials kept: exploratory."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.formatting import count, make_scale
from analysis.report.cells import between, gain, p_cell, scope_line, table, value, values_cell, whole
from analysis.report.elements import Cell, Section, Table
from analysis.results.document import Document, EvaluatedData

PLACE = 140


def section(data: Document) -> Section:
    """Arms and declared comparisons in each of these metrics."""
    found = data["evaluated"]
    if not found:
        return Section("evaluated", "")
    tables = [_arms(data)]
    if any(e["comparisons"] for e in found):
        tables.append(_comparisons(data))
    return Section("evaluated", "Metrics added afterwards (exploratory)", tuple(_paragraphs(data)), tuple(tables))


def _paragraphs(data: Document) -> Iterator[str]:
    yield (
        "These metrics were measured after the study (ablate evaluate), on what its trials kept. They were chosen "
        "when results could be seen, so they are exploratory: no claim rests on them, nothing is adjusted, and nothing "
        "is called better or worse."
    )
    for e in data["evaluated"]:
        missing = f"; {count(e['missing'], 'trial')} in use without a value" if e["missing"] else ""
        yield f"{e['metric']}: {e['function']}, sources {e['source_sha256']}{missing}."


def _values(e: EvaluatedData) -> list[float]:
    return [a["mean"] for a in e["arms"] if a["mean"] is not None]


def _arms(data: Document) -> Table:
    made = [
        (
            Cell(e["metric"]), Cell(a["arm"]), whole(a["n"]), value(scale, a["mean"]), value(scale, a["sd"]),
            values_cell(scale, *((a["ci"]["low"], a["ci"]["high"]) if a["ci"] else (None, None))),
        )
        for e in data["evaluated"] for scale in [make_scale(e["metric"], _values(e))] for a in e["arms"]
    ]  # fmt: skip
    caption = f"Every arm in the metrics that were added afterwards. Exploratory. {scope_line(data)}"
    return table("evaluated-arms", caption, ("metric", "arm", "n", "mean", "SD", "CI"), made, text=(0, 1))


def _comparisons(data: Document) -> Table:
    made = [
        (
            Cell(e["metric"]), Cell(c["treatment"]), Cell(c["baseline"]), whole(c["n"]), gain(scale, c["difference"]),
            between(scale, c["ci_low"], c["ci_high"]), p_cell(data, c["p"]),
        )
        for e in data["evaluated"] for scale in [make_scale(e["metric"], _values(e))] for c in e["comparisons"]
    ]  # fmt: skip
    header = ("metric", "treatment", "baseline", "n", "difference", "CI", "p (t)")
    caption = f"The declared comparisons in these metrics. Exploratory, unadjusted. {scope_line(data)}"
    return table("evaluated-comparisons", caption, header, made, text=(0, 1, 2))
