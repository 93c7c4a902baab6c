"""The section on the run ledger: what became of every planned trial."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.formatting import (
    listing,
)
from analysis.report.cells import table
from analysis.report.elements import Cell, Figure, Section, Table
from analysis.report.figures.flow import draw_flow
from analysis.results.document import Data


def section(data: Data) -> Section:
    """What became of every planned trial."""
    parts = [ledger_table(data)]
    if data["ledger"]["exclusions"]:
        parts.append(_listed(data, "exclusions", "Records that are not used.", ("arm", "seed", "trial_id", "reason")))
    if data["ledger"]["faults"]:
        parts.append(
            _listed(data, "faults", "Trials that did not complete.", ("arm", "seed", "status", "epochs", "error"))
        )
    return Section("ledger", "Run ledger", tables=tuple(parts), figures=(_flow(data),))


def ledger_table(data: Data) -> Table:
    """What became of each arm's planned trials."""
    names = ("planned", "complete", "stopped", "diverged", "failed", "missing")
    arms = data["ledger"]["arms"]
    rows = [(Cell(a["arm"]), *(Cell(str(a[k]), a[k]) for k in names)) for a in arms]
    total = (Cell("all arms"), *(Cell(str(data["ledger"][k]), data["ledger"][k]) for k in names))
    caption = f"Trials of the {data['phase']} phase by arm, in seeds. Only complete ones enter results and tests."
    return Table(
        "ledger", caption, ("arm", *names), (*rows, total), frozenset(range(1, 7)), notes=tuple(_ledger_notes(data))
    )


def _ledger_notes(data: Data) -> Iterable[str]:
    ledger = data["ledger"]
    for arm in ledger["arms"]:
        if arm["missing_seeds"] and len(arm["missing_seeds"]) < arm["planned"]:
            yield f"{arm['arm']}: no record yet for seeds {listing(arm['missing_seeds'], 12)}."
        if arm["stopped_at"]:
            rungs = listing([f"{n} at epoch {e}" for e, n in arm["stopped_at"].items()])
            yield f"{arm['arm']}: stopped early: {rungs}."
    if ledger["tune_phase"]:
        yield f"{ledger['tune_phase']} tune-phase records stand beside these; no verdict uses them."


def _listed(data: Data, name: str, caption: str, columns: tuple[str, ...], limit: int = 500) -> Table:
    found = data["ledger"][name]
    rows = [tuple(_plain_cell(item[c]) for c in columns) for item in found[:limit]]
    more = (f"{len(found) - limit} more stand in report.json.",) if len(found) > limit else ()
    return table(name, caption, columns, rows, text=tuple(range(len(columns))), notes=more, long=True)


def _plain_cell(value: object) -> Cell:
    if isinstance(value, int | float):
        return Cell(f"{value}", value)
    return Cell("" if value is None else str(value)[:400])


def _flow(data: Data) -> Figure:
    """From planned to analysed, as a trial's flow diagram."""
    found = data["ledger"]
    lost = [(k, found[k]) for k in ("missing", "failed", "diverged", "stopped") if found[k]]
    analysed = sum(c["n"] for c in data["comparisons"])
    boxes = [
        (f"{found['planned']} planned", f"{len(data['arms'])} arms × {len(data['seeds'])} seeds"),
        (f"{found['complete']} complete", "full budget, test data read once"),
        (f"{len(data['comparisons'])} comparisons", f"{analysed} pairs of seeds" if analysed else "none declared"),
    ]
    side = [f"{n} {name}" for name, n in lost]
    other = [f"{found[k]} {k}" for k in ("duplicate", "excluded") if found[k]]
    drawing = draw_flow(boxes, ["; ".join(side) or "none lost", "; ".join(other) or "none excluded"])
    rows = tuple((k, found[k]) for k in ("planned", "complete", "stopped", "diverged", "failed", "missing", "excluded"))
    caption = "Flow of the trials: planned, complete, compared; beside each step what was lost and why."
    losses = f"lost: {listing(side) or 'none'}; {listing(other) or 'no exclusions'}"
    alt = f"Flow: {', '.join(title for title, _ in boxes)}; {losses}."
    return Figure("flow", caption, alt, drawing, ("what", "trials"), rows)
