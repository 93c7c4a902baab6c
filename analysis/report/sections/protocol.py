"""The section on the protocol: what was declared before the run."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.formatting import count, listing, show_alpha, show_level
from analysis.report.cells import rates_line, table
from analysis.report.elements import Cell, Section
from analysis.report.sections.frozen_plan import looks_text
from analysis.results.document import Document, FactorData, FamilyData, scale_of
from analysis.results.sentences import CORRECTION_NAMES


def section(data: Document) -> Section:
    """What was declared before the run."""
    rows = [(Cell(name), Cell(text)) for name, text in _declared(data) if text]
    caption = (
        "What the table and the options of this report say; a table cannot tell when they were chosen."
        if data["from_table"]
        else "What the plan declared before the first trial, except where a warning at the top says otherwise."
    )
    return Section(
        "protocol", "Protocol", tables=(table("protocol", caption, ("what", "declared"), rows, text=(0, 1)),)
    )


def _declared(data: Document) -> Iterable[tuple[str, str]]:
    scale, metric = scale_of(data), data["metric"]
    better = "higher" if metric["direction"] == "max" else "lower"
    yield "metric", f"{scale.label}; {better} is better"
    yield "datasets", listing(data["datasets"], 12)
    yield "seeds", _seeds(data)
    if not data["from_table"]:
        yield "phase", f"{data['phase']}: full budget, no scheduler" if data["phase"] == "confirm" else data["phase"]
    yield "factors", "; ".join(_factor(f) for f in data["factors"])
    yield "level", f"α = {show_alpha(data['alpha'])}, two-sided"
    yield "error rate", rates_line(data)
    yield "looks", looks_text(data)
    margin = f"{scale.value(data['sesoi'])}{scale.unit_after}" if data["sesoi"] else "none declared"
    yield "smallest effect that matters", margin
    yield from ((f"family {f['family']}", _family(f)) for f in data["families"])
    yield "pairing", "declared unpaired (Welch)" if data["unpaired"] else "by seed"
    yield "plan hash", data["plan_hash"]


def _seeds(data: Document) -> str:
    shown = f"{count(len(data['seeds']), 'seed')} ({listing(data['seeds'], 12)})"
    return shown if data["from_table"] else f"{shown}, the same in every arm"


def _family(f: FamilyData) -> str:
    own, name = count(len(f["treatments"]), "comparison"), CORRECTION_NAMES[f["correction"]]
    text = f"{f['declared_role']}, {own} with {f['baseline']}, {name} over {f['m']}"
    if f["role"] == f["declared_role"]:
        return text
    return f"{text}, reported as {f['role']} because no primary comparison was won"


def _factor(f: FactorData) -> str:
    values = listing([show_level(v) for v in f["values"]], 12)
    return f"{f['label']} ({f['name']}): {values}"
