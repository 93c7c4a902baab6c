"""The section on tuning: budget, expected best value, optimism, and the learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.formatting import MISSING, Scale, count, listing, make_scale, show_confidence, show_level
from analysis.report.cells import between, gain, table, value, whole
from analysis.report.elements import Cell, Figure, Section, Table
from analysis.report.figures.arms import colour_of, method_of
from analysis.report.figures.axes import unit_label
from analysis.report.figures.dots import Dot, dot_rows
from analysis.report.figures.learning_curves import by_block, draw_expected_best, draw_learning
from analysis.results.document import Document, LearningData, SearchSpaceData, TuningData

PLACE = 110


def section(data: Document) -> Section:
    """The tune phase, and the learning curves of both phases."""
    found = data["tuning"]
    figures: list[Figure] = []
    tables: list[Table] = []
    texts: list[str] = []
    if found:
        figures += [*_evp_figure(data, found), *_optimism_figure(data, found)]
        tables += [*_space_table(data["search_space"]), _table(data, found)]
        texts = [*_budget_text(found), *sorted({f"Note: {w}." for t in found for w in t["warnings"]})]
    learning = data["learning"]
    if learning:
        figures.append(_learning_figure(data, learning))
    title = "Tuning and learning curves" if found else "Learning curves"
    return Section("tuning", title, tuple(texts), tuple(tables), tuple(figures))


def _budget_text(found: Sequence[TuningData]) -> list[str]:
    configs = {t["started"] for t in found}
    epochs = {t["epochs"] for t in found}
    if len(configs) == 1 and (max(epochs) <= 1.1 * min(epochs) or any(t["stopped"] for t in found)):
        spent = f", of which early stopping used {min(epochs)} to {max(epochs)} epochs" if len(epochs) > 1 else ""
        return [f"Every arm was tuned with the same budget ({count(next(iter(configs)), 'candidate')}{spent})."]
    parts = [f"{t['arm']}: {count(t['started'], 'candidate')}, {count(t['epochs'], 'epoch')}" for t in found]
    return [f"Tuning budgets differ between arms, so the comparison favours the larger one ({listing(parts)})."]


def _scale(data: Document, found: Sequence[TuningData]) -> Scale:
    return make_scale(found[0]["metric"], [v for t in found for v in t["values"]])


def _evp_figure(data: Document, tuned: Sequence[TuningData]) -> list[Figure]:
    found = [t for t in tuned if t["evp"]]
    if not found:
        return []
    scale = _scale(data, found)
    rows = tuple((t["arm"], n, v) for t in found for n, v in enumerate(t["evp"], 1))
    caption = (
        "Expected validation performance: the best validation value that n candidates from this search give on "
        "average (unbiased form). Candidates that were stopped or failed count as no better than the worst that "
        "finished. Arms should be compared at the same n."
    )
    alt = "Expected validation performance. " + "; ".join(
        f"{t['arm']}: {scale.value(t['evp'][-1])} after {len(t['evp'])}" for t in found
    )
    drawing = draw_expected_best(data, found, scale)
    return [Figure("evp", caption, alt, drawing, ("arm", "candidates", "expected best"), rows)]


def _optimism_figure(data: Document, found: Sequence[TuningData]) -> list[Figure]:
    shown = [t for t in found if t["optimism"] is not None]
    if not shown:
        return []
    scale = _scale(data, found)
    parts = [
        (
            block,
            [_optimism_dot(data, scale, t) for t in mine],
        )
        for block, mine in by_block(data, shown).items()
    ]  # fmt: skip
    caption = (
        "Optimism of the winner: its validation value while tuning minus the same metric on the fresh confirm seeds, "
        f"with the {show_confidence(data['alpha'])} t-interval of the confirm seeds. Dashed tick: what the choice "
        "alone would add if all candidates were equal: SD · E[max of K] / √seeds, with the SD of settings × seeds in "
        "the tune phase, since a seed that is good for every candidate helps none to win. It needs two tuning seeds."
    )
    alt = "Optimism by arm. " + "; ".join(f"{t['arm']} {scale.signed(t['optimism'])}" for t in shown)
    rows = tuple((t["arm"], t["best"], t["confirmed"], *_bounds(t), t["expected_optimism"]) for t in shown)
    drawing = dot_rows(parts, f"tuned − confirmed{unit_label(scale)}", lines=(0.0,))
    header = ("arm", "tuned", "confirmed", "optimism", "low", "high", "expected")
    return [Figure("optimism", caption, alt, drawing, header, rows)]


def _optimism_dot(data: Document, scale: Scale, t: TuningData) -> Dot:
    found, low, high = (scale.on_axis(x) for x in _bounds(t))
    mark = scale.on_axis(t["expected_optimism"])
    return Dot(method_of(data, t["arm"]), found, low, high, colour_of(data, t["arm"]), mark=mark)


def _bounds(t: TuningData) -> tuple[float | None, float | None, float | None]:
    return t["optimism"], t["optimism_low"], t["optimism_high"]


def _table(data: Document, found: Sequence[TuningData]) -> Table:
    scale = _scale(data, found)
    rows = [
        (
            Cell(t["arm"]), whole(t["started"]), whole(t["configs"]), whole(t["seeds"]),
            Cell(listing([f"{n} at epoch {e}" for e, n in t["stopped"].items()]) or MISSING), whole(t["failed"]),
            whole(t["epochs"]), value(scale, t["best"]), value(scale, t["confirmed"]), gain(scale, t["optimism"]),
            between(scale, t["optimism_low"], t["optimism_high"]), gain(scale, t["expected_optimism"]),
            between(scale, t["expected_optimism_low"], t["expected_optimism_high"]),
        )
        for t in found
    ]  # fmt: skip
    header = (
        "arm", "candidates", "complete", "seeds each", "stopped", "failed", "epochs", "best tuned", "confirmed",
        "optimism", "CI", "expected if all were equal", "its CI",
    )  # fmt: skip
    return table(
        "tuning", f"The tune phase by arm, in {scale.label}. It only chooses winners; no verdict uses it. Intervals at "
        f"{show_confidence(data['alpha'])}: of the optimism from the confirm seeds, of the expected one from the SD of "
        "settings × seeds.",
        header, rows, text=(0, 4),
    )  # fmt: skip


def _space_table(space: Sequence[SearchSpaceData]) -> list[Table]:
    if not space:
        return []
    rows = [(Cell(s["name"]), Cell(_domain(s["domain"])), Cell(_never(s) or MISSING)) for s in space]
    caption = (
        "The search space, the same in every arm that is tuned in the factor. Choices that were never proposed cannot "
        "run beside the other settings of the arm, or make it another arm: no winner was chosen against them."
    )
    return [table("search_space", caption, ("factor", "searched", "never proposed"), rows, text=(0, 1, 2))]


def _domain(domain: Mapping[str, Any]) -> str:
    if "values" in domain:
        return listing(map(show_level, domain["values"]), 40)
    facts = {name for name, value in domain.items() if value is True}
    words = ["on a logarithmic scale"] if "log" in facts else []
    words += ["whole numbers"] if "integer" in facts else []
    return ", ".join([f"{show_level(domain['low'])} to {show_level(domain['high'])}", *words])


def _never(space: SearchSpaceData) -> str:
    return "; ".join(f"{show_level(n['value'])} in {listing(n['arms'], 6)} ({n['reason']})" for n in space["never"])


def _learning_figure(data: Document, learning: LearningData) -> Figure:
    scale = make_scale(learning["metric"])
    alt = f"Learning curves of {scale.label} by epoch for {len(learning['arms'])} arms."
    rows = [(a["arm"], e, m, s, n) for a in learning["arms"] for e, m, s, n in a["points"]]
    cut = sum(len(a["stopped"]) for a in learning["arms"])
    ticks = f" Thin lines ending in a tick: the {cut} runs that were stopped early." if cut else ""
    none = " No complete run was validated, so there is no mean." if not rows else ""
    caption = (
        f"Learning curves: mean {scale.label} of the complete runs by epoch, band ± one SD over seeds.{none}{ticks} "
        "The number of runs of each point is in the data."
    )
    return Figure(
        "learning",
        caption,
        alt,
        draw_learning(data, learning, scale),
        ("arm", "epoch", "mean", "sd", "n"),
        tuple(rows),
    )
