"""The sections on protocol, run ledger, referee checklist and provenance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import FancyBboxPatch

from analysis.formatting import MISSING, count, listing
from analysis.report import style, tables
from analysis.report.cells import table, whole
from analysis.report.elements import Cell, Figure, Section, Table
from analysis.report.sections.frozen_plan import looks_text
from analysis.results.document import Data, scale_of
from analysis.results.sentences import CORRECTION_NAMES


def protocol(data: Data) -> Section:
    """What was declared before the run."""
    rows = [(Cell(name), Cell(text)) for name, text in _declared(data) if text]
    caption = "What the plan declared; nothing here was chosen after looking."
    return Section(
        "protocol", "Protocol", tables=(table("protocol", caption, ("what", "declared"), rows, text=(0, 1)),)
    )


def _declared(data: Data) -> Iterable[tuple[str, str]]:
    scale, metric = scale_of(data), data["metric"]
    better = "higher" if metric["direction"] == "max" else "lower"
    yield "metric", f"{scale.label}; {better} is better"
    yield "datasets", listing(data.get("datasets") or [], 12)
    yield "seeds", f"{count(len(data['seeds']), 'seed')} ({listing(data['seeds'], 12)}), the same in every arm"
    yield "phase", f"{data['phase']}: full budget, no scheduler" if data["phase"] == "confirm" else data["phase"]
    yield "factors", "; ".join(_factor(f) for f in data.get("factors") or [])
    yield "level", f"α = {data['alpha']:.4g}, two-sided"
    yield "looks", looks_text(data)
    margin = (
        f"{scale.value(data['sesoi'])}{scale.unit_after}" if data["sesoi"] else "none declared: nothing is equivalent"
    )
    yield "smallest effect that matters", margin
    for f in data["families"]:
        correction = CORRECTION_NAMES[f["correction"]]
        gate = "" if f["role"] == f["declared_role"] else f", reported as {f['role']} because no primary claim was won"
        yield (
            f"family {f['family']}",
            f"{f['declared_role']}, {correction}, m = {f['m']}, against {f['baseline']}{gate}",
        )
    yield "pairing", "declared unpaired (Welch)" if data["unpaired"] else "by seed"
    yield "plan hash", data["plan_hash"]


def _factor(f: Data) -> str:
    values = listing([f"{v:g}" if isinstance(v, float) else v for v in f["values"]], 12)
    return f"{f['label']} ({f['name']}): {values}"


def ledger(data: Data) -> Section:
    """What became of every planned trial."""
    parts = [tables.ledger_table(data)]
    if data["ledger"]["exclusions"]:
        parts.append(_listed(data, "exclusions", "Records that are not used.", ("arm", "seed", "trial_id", "reason")))
    if data["ledger"]["faults"]:
        parts.append(
            _listed(data, "faults", "Trials that did not complete.", ("arm", "seed", "status", "epochs", "error"))
        )
    return Section("ledger", "Run ledger", tables=tuple(parts), figures=(_flow(data),))


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
    drawing = _draw_flow(boxes, ["; ".join(side) or "none lost", "; ".join(other) or "none excluded"])
    rows = tuple((k, found[k]) for k in ("planned", "complete", "stopped", "diverged", "failed", "missing", "excluded"))
    caption = "Flow of the trials: planned, complete, compared; beside each step what was lost and why."
    losses = f"lost: {listing(side) or 'none'}; {listing(other) or 'no exclusions'}"
    alt = f"Flow: {', '.join(title for title, _ in boxes)}; {losses}."
    return Figure("flow", caption, alt, drawing, ("what", "trials"), rows)


def _draw_flow(boxes: Sequence[tuple[str, str]], side: Sequence[str]) -> Canvas:
    with style.look():
        figure, (axis,) = style.new_figure(1.75)
        figure.subplots_adjust(left=0.01, right=0.99, top=0.98, bottom=0.02)
        axis.set_xlim(0, 10)
        axis.set_ylim(-0.45, 2.75)
        axis.axis("off")
        for i, (title, note) in enumerate(boxes):
            _box(axis, 2 - i, title, note)
        for i, text in enumerate(side):
            y = 1.5 - i
            axis.annotate(
                "", (2.4, y - 0.22), (2.4, y + 0.22), arrowprops={"arrowstyle": "-|>", "color": style.MUTED, "lw": 0.8}
            )
            axis.plot([2.4, 5.0], [y, y], color=style.MUTED, linewidth=0.8)
            axis.text(5.1, y, style.shorten(text, 48), va="center", fontsize=7.5, color=style.MUTED)
    return figure


def _box(axis: Axes, y: float, title: str, note: str) -> None:
    axis.add_patch(
        FancyBboxPatch(
            (0.1, y - 0.25), 4.6, 0.5, boxstyle="round,pad=0.02,rounding_size=0.08", facecolor=style.BAND,
            edgecolor=style.LINE, linewidth=0.8,
        )
    )  # fmt: skip
    axis.text(0.3, y + 0.09, title, va="center", fontsize=9)
    axis.text(0.3, y - 0.13, note, va="center", fontsize=7, color=style.MUTED)


def referee(data: Data) -> Section:
    """Each request of the review with where it is answered, or why not."""
    found = data.get("checklist") or []
    if not found:
        return Section("checklist", "Referee checklist")
    rows = [(Cell(a["request"]), Cell(a["answer"]), Cell(a["where"])) for a in found]
    caption = "Each request of the public review of the method, and where this study answers it or why it does not."
    header = ("request", "answer", "where, or why not")
    return Section(
        "checklist", "Referee checklist", tables=(table("checklist", caption, header, rows, text=(0, 1, 2)),)
    )


def origin(data: Data) -> Section:
    """Where the numbers come from, trial ids included."""
    found = data.get("provenance") or {}
    rows = [(Cell("plan hash"), Cell(data["plan_hash"] or MISSING))]
    rows += [(Cell(str(k)), Cell(_flat(v))) for k, v in found.items() if k != "trial_ids" and v not in (None, {}, "")]
    parts = [table("provenance", "Where these numbers come from.", ("what", "value"), rows, text=(0, 1))]
    ids = found.get("trial_ids") or {}
    total = sum(len(v) for v in ids.values())
    if 0 < total <= MAX_IDS:
        made = [(Cell(arm), whole(len(v)), Cell(" ".join(v))) for arm, v in ids.items()]
        parts.append(
            table("trials", "Trial ids behind every arm.", ("arm", "n", "trial ids"), made, text=(0, 2), long=True)
        )
    note = () if total <= MAX_IDS else (f"The {total} trial ids stand in report.json.",)
    return Section("provenance", "Provenance", note, tuple(parts))


MAX_IDS = 2000


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_flat(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return listing([_flat(v) for v in value], 12)
    return str(value)
