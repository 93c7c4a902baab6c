"""The section on tuning: budget, expected validation performance, learning curves with rungs, optimism."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from analysis.formatting import MISSING, Scale, listing, make_scale
from analysis.report import style
from analysis.report.cells import gain, table, value, whole
from analysis.report.elements import Cell, Figure, Section, Table
from analysis.report.figures.arms import arm_colours, unit_label
from analysis.report.figures.axes import Dot, dot_rows, metric_label
from analysis.results.document import Data

MAX_CURVES = 8


def section(data: Data) -> Section:
    """What tuning did, and the learning curves of both phases."""
    found = data.get("tuning") or []
    figures: list[Figure] = []
    tables: list[Table] = []
    texts: list[str] = []
    if found:
        figures += [_evp_figure(data, found), *_optimism_figure(data, found)]
        tables.append(_table(data, found))
        texts = [*_budget_text(found), *sorted({f"Note: {w}." for t in found for w in t["warnings"]})]
    if data.get("learning"):
        figures.append(_learning_figure(data, data["learning"]))
    title = "Tuning and learning curves" if found else "Learning curves"
    return Section("tuning", title, tuple(texts), tuple(tables), tuple(figures))


def _budget_text(found: Sequence[Data]) -> list[str]:
    configs = {t["started"] for t in found}
    epochs = {t["epochs"] for t in found}
    if len(configs) == 1 and (max(epochs) <= 1.1 * min(epochs) or any(t["stopped"] for t in found)):
        spent = f", of which early stopping used {min(epochs)} to {max(epochs)} epochs" if len(epochs) > 1 else ""
        return [f"Every arm was tuned with the same budget ({next(iter(configs))} configurations{spent})."]
    parts = [f"{t['arm']}: {t['started']} configurations, {t['epochs']} epochs" for t in found]
    return [f"Tuning budgets differ between arms, so the comparison favours the larger one ({listing(parts)})."]


def _scale(data: Data, found: Sequence[Data]) -> Scale:
    return make_scale(found[0]["metric"], [v for t in found for v in t["values"]])


def _colour(data: Data, arm: str) -> str:
    return arm_colours(data)[_arm(data, {"arm": arm})["method"]]


def _evp_figure(data: Data, found: Sequence[Data]) -> Figure:
    scale = _scale(data, found)
    rows = tuple((t["arm"], n, v) for t in found for n, v in enumerate(t["evp"], 1))
    caption = (
        "Expected validation performance: the best validation value that n configurations from this search give on "
        "average (unbiased form, complete trials only). Arms should be compared at the same n."
    )
    alt = "Expected validation performance. " + "; ".join(
        f"{t['arm']}: {scale.value(t['evp'][-1])} after {len(t['evp'])}" for t in found if t["evp"]
    )
    drawing = _draw_evp(data, found, scale)
    return Figure("evp", caption, alt, drawing, ("arm", "configurations", "expected best"), rows)


def _draw_evp(data: Data, found: Sequence[Data], scale: Scale) -> Canvas:
    groups = _by_block(data, found)
    with style.look():
        figure, axes = style.new_figure(1.75 * len(groups) + 0.4, rows=len(groups), sharex=True)
        style.margins(figure, ["100.00"], top=0.28, bottom=0.47)
        figure.subplots_adjust(hspace=0.3, left=0.13)
        for axis, (block, mine) in zip(axes, groups.items(), strict=True):
            axis.set_title(style.shorten(block, 60), pad=4)
            for t in mine:
                xs, ys = range(1, len(t["evp"]) + 1), [scale.factor * v for v in t["evp"]]
                axis.plot(xs, ys, color=_colour(data, t["arm"]), label=style.shorten(_arm(data, t)["method"], 22))
            axis.grid(axis="y")
            if len(mine) <= MAX_CURVES:
                axis.legend(loc="lower right", ncols=2)
        axes[len(groups) // 2].set_ylabel("expected best" + (f" ({scale.symbol})" if scale.symbol else ""))
        axes[-1].set_xlabel("configurations tried")
    return figure


def _arm(data: Data, t: Data) -> Data:
    return next(a for a in data["arms"] if a["arm"] == t["arm"])


def _by_block(data: Data, found: Sequence[Data]) -> dict[str, list[Data]]:
    groups: dict[str, list[Data]] = {}
    for t in found:
        groups.setdefault(_arm(data, t)["block"], []).append(t)
    return groups


def _optimism_figure(data: Data, found: Sequence[Data]) -> list[Figure]:
    shown = [t for t in found if t["optimism"] is not None]
    if not shown:
        return []
    scale = _scale(data, found)
    parts = [
        (
            block,
            [
                Dot(
                    _arm(data, t)["method"], scale.factor * t["optimism"], None, None, _colour(data, t["arm"]),
                    mark=None if t["expected_optimism"] is None else scale.factor * t["expected_optimism"],
                )
                for t in mine
            ],
        )
        for block, mine in _by_block(data, shown).items()
    ]  # fmt: skip
    caption = (
        "Optimism of the winner: its validation value while tuning minus the same metric on the fresh confirm seeds. "
        "Dashed tick: what is expected if all configurations were equal, SD · E[max of K] / √seeds."
    )
    alt = "Optimism by arm. " + "; ".join(f"{t['arm']} {scale.signed(t['optimism'])}" for t in shown)
    rows = tuple((t["arm"], t["best"], t["confirmed"], t["optimism"], t["expected_optimism"]) for t in shown)
    drawing = dot_rows(parts, f"tuned − confirmed{unit_label(scale)}", lines=(0.0,))
    return [Figure("optimism", caption, alt, drawing, ("arm", "tuned", "confirmed", "optimism", "expected"), rows)]


def _table(data: Data, found: Sequence[Data]) -> Table:
    scale = _scale(data, found)
    rows = [
        (
            Cell(t["arm"]), whole(t["started"]), whole(t["configs"]), whole(t["seeds"]),
            Cell(listing([f"{n} at epoch {e}" for e, n in t["stopped"].items()]) or MISSING), whole(t["failed"]),
            whole(t["epochs"]), value(scale, t["best"]), value(scale, t["confirmed"]), gain(scale, t["optimism"]),
            gain(scale, t["expected_optimism"]),
        )
        for t in found
    ]  # fmt: skip
    header = (
        "arm", "configurations", "complete", "seeds each", "stopped", "failed", "epochs", "best tuned", "confirmed",
        "optimism", "expected optimism",
    )  # fmt: skip
    return table(
        "tuning", f"The tune phase by arm, in {scale.label}. It chose settings; no verdict rests on it.", header, rows,
        text=(0, 4),
    )  # fmt: skip


def _learning_figure(data: Data, learning: Data) -> Figure:
    scale = make_scale(learning["metric"])
    alt = f"Learning curves of {scale.label} by epoch for {len(learning['arms'])} arms."
    rows = [(a["arm"], e, m, s, n) for a in learning["arms"] for e, m, s, n in a["points"]]
    cut = sum(len(a["stopped"]) for a in learning["arms"])
    ticks = f" Thin lines ending in a tick: the {cut} runs that were stopped early." if cut else ""
    caption = (
        f"Learning curves: mean {scale.label} of the complete runs by epoch, band ± one SD over seeds.{ticks} The "
        "number of runs behind each point stands in the data."
    )
    return Figure(
        "learning",
        caption,
        alt,
        _draw_learning(data, learning, scale),
        ("arm", "epoch", "mean", "sd", "n"),
        tuple(rows),
    )


def _draw_learning(data: Data, learning: Data, scale: Scale) -> Canvas:
    blocks = [b for b in data["blocks"] if any(a["block"] == b for a in learning["arms"])]
    with style.look():
        figure, axes = style.new_figure(1.9 * len(blocks) + 0.4, rows=len(blocks), sharex=True)
        style.margins(figure, ["100.00"], top=0.28, bottom=0.47)
        figure.subplots_adjust(hspace=0.3, left=0.13)
        for axis, block in zip(axes, blocks, strict=True):
            mine = [a for a in learning["arms"] if a["block"] == block]
            axis.set_title(style.shorten(block, 60), pad=4)
            for a in mine:
                _learning_line(axis, a, _colour(data, a["arm"]), scale)
            axis.grid(axis="y")
            if len(mine) <= MAX_CURVES and any(a["points"] for a in mine):
                axis.legend(loc="lower right")
        axes[len(blocks) // 2].set_ylabel(metric_label(scale))
        axes[-1].set_xlabel("epoch")
    return figure


def _learning_line(axis: Axes, a: Data, colour: str, scale: Scale) -> None:
    if a["points"]:
        xs, means, sds, _ = (
            np.array([math.nan if v is None else v for v in c]) for c in zip(*a["points"], strict=True)
        )
        low, high = scale.factor * (means - sds), scale.factor * (means + sds)
        axis.fill_between(xs, low, high, color=colour, alpha=0.15, linewidth=0)
        axis.plot(xs, scale.factor * means, color=colour, label=style.shorten(a["method"], 22))
    for line in a["stopped"]:
        epochs, ys = zip(*line, strict=True)
        shown = [scale.factor * y for y in ys]
        axis.plot(epochs, shown, color=colour, linewidth=0.6, alpha=0.6)
        axis.plot(epochs[-1:], shown[-1:], "|", color=colour, markersize=7)
