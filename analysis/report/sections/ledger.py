"""The section on the run ledger: what became of every planned trial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from analysis.formatting import count, listing
from analysis.report.cells import table, whole
from analysis.report.elements import Cell, Figure, Section, Table
from analysis.report.figures.flow import draw_flow
from analysis.results.document import Document, FaultData
from analysis.stats.types import SCOPE_SPLITS

PLACE = 30


def section(data: Document) -> Section:
    """What became of every planned trial."""
    parts = [ledger_table(data)]
    excluded, faults = data["ledger"]["exclusions"], data["ledger"]["faults"]
    if excluded:
        parts.append(
            _listed("exclusions", "Records that are not used.", excluded, ("arm", "seed", "trial_id", "reason"))
        )
    if faults and data["from_table"]:
        parts.append(_rows_without_value(faults))
    elif faults:
        parts.append(
            _listed("faults", "Trials that did not complete.", faults, ("arm", "seed", "status", "epochs", "error"))
        )
    if data["from_table"]:
        return Section("ledger", "Values of the table", tables=tuple(parts))
    return Section("ledger", "Run ledger", tables=tuple(parts), figures=(_flow(data),))


def _rows_without_value(faults: Sequence[FaultData]) -> Table:
    """The rows of a plain table that have no value, by their place in it."""
    rows = [(Cell(f["arm"]), whole(f["seed"]), Cell(f["trial_id"])) for f in faults]
    caption = "Rows without a value; each counts as a run without a result."
    return table("faults", caption, ("arm", "seed", "place"), rows, text=(0, 2), long=True)


_FATES: tuple[Literal["planned", "complete", "stopped", "diverged", "failed", "missing"], ...] = (
    "planned",
    "complete",
    "stopped",
    "diverged",
    "failed",
    "missing",
)


def ledger_table(data: Document) -> Table:
    """What became of each arm's planned trials."""
    rows = [(Cell(a["arm"]), *(whole(a[k]) for k in _FATES)) for a in data["ledger"]["arms"]]
    total = (Cell("all arms"), *(whole(data["ledger"][k]) for k in _FATES))
    caption = f"Trials of the {data['phase']} phase by arm, in seeds. Only complete ones enter results and tests."
    if data["from_table"]:
        return _values_table(data)
    return Table(
        "ledger", caption, ("arm", *_FATES), (*rows, total), frozenset(range(1, 7)), notes=tuple(_ledger_notes(data))
    )


def _values_table(data: Document) -> Table:
    """How many values a plain table has for each arm; it says nothing of trials."""
    ledger = data["ledger"]
    rows = [(Cell(a["arm"]), *(whole(a[k]) for k in _OF_TABLE)) for a in ledger["arms"]]
    total = (Cell("all arms"), *(whole(ledger[k]) for k in _OF_TABLE))
    caption = "Rows of the table by arm. Only rows with a value enter results and tests."
    header = ("arm", "seeds expected", "rows with a value", "rows without a value", "no row")
    absent = [a for a in ledger["arms"] if a["missing_seeds"]]
    notes = tuple(f"{a['arm']}: no row for {_seeds(a['missing_seeds'])}." for a in absent)
    return Table("ledger", caption, header, (*rows, total), frozenset(range(1, 5)), notes=notes)


_OF_TABLE: tuple[Literal["planned", "complete", "failed", "missing"], ...] = (
    "planned",
    "complete",
    "failed",
    "missing",
)


def _seeds(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {listing(seeds, 12)}"


def _ledger_notes(data: Document) -> Iterable[str]:
    ledger = data["ledger"]
    for arm in ledger["arms"]:
        if arm["missing_seeds"] and len(arm["missing_seeds"]) < arm["planned"]:
            yield f"{arm['arm']}: no record yet for {_seeds(arm['missing_seeds'])}."
        if arm["stopped_at"]:
            rungs = listing([f"{n} at epoch {e}" for e, n in arm["stopped_at"].items()])
            yield f"{arm['arm']}: stopped early: {rungs}."
    if ledger["tune_phase"]:
        yield f"There are also {ledger['tune_phase']} records of the tune phase; no verdict uses them."


def _listed(
    name: str, caption: str, found: Sequence[Mapping[str, Any]], columns: tuple[str, ...], limit: int = 500
) -> Table:
    rows = [tuple(_plain_cell(item[c]) for c in columns) for item in found[:limit]]
    more = (f"{len(found) - limit} more are in report.json.",) if len(found) > limit else ()
    return table(name, caption, columns, rows, text=tuple(range(len(columns))), notes=more, long=True)


def _plain_cell(value: object) -> Cell:
    if isinstance(value, int | float):
        return Cell(f"{value}", value)
    return Cell("" if value is None else str(value)[:400])


def _budget(data: Document) -> str:
    """What complete trials had; test images of one seed may be trained on under another where the splits move."""
    if data["phase"] != "confirm":
        return f"{data['phase']} phase"
    return "full budget" if SCOPE_SPLITS in data["scope"] else "full budget, test data read once"


def _size(data: Document) -> str:
    most = "at most " if data["stop"] else ""
    return f"{count(len(data['arms']), 'arm')} × {most}{count(len(data['seeds']), 'seed')}"


def _flow(data: Document) -> Figure:
    """From planned to analysed, as a trial's flow diagram."""
    found = data["ledger"]
    lost = [(k, found[k]) for k in ("missing", "failed", "diverged", "stopped") if found[k]]
    analysed = sum(c["n"] for c in data["comparisons"])
    compared = count(analysed, "pair of seeds", "pairs of seeds") if analysed else "none declared"
    boxes = [
        (f"{found['planned']} planned", _size(data)),
        (f"{found['complete']} complete", _budget(data)),
        (count(len(data["comparisons"]), "comparison"), compared),
    ]
    side = [f"{n} {name}" for name, n in lost]
    other = [f"{found[k]} {k}" for k in ("duplicate", "excluded") if found[k]]
    drawing = draw_flow(boxes, ["; ".join(side) or "none lost", "; ".join(other) or "none excluded"])
    rows = tuple((k, found[k]) for k in ("planned", "complete", "stopped", "diverged", "failed", "missing", "excluded"))
    caption = "Flow of the trials: planned, complete, compared; at each step the number lost, with the reason."
    losses = f"lost: {listing(side) or 'none'}; {listing(other) or 'no exclusions'}"
    alt = f"Flow: {', '.join(title for title, _ in boxes)}; {losses}."
    return Figure("flow", caption, alt, drawing, ("what", "trials"), rows)
