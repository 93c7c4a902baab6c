"""Learning curves by epoch, and the expected best value by number of candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from analysis.formatting import Scale
from analysis.report import style
from analysis.report.figures.arms import arm_of, colour_of, method_of
from analysis.report.figures.axes import metric_label
from analysis.results.document import ArmCurveData, Document, LearningData, TuningData

MAX_CURVES = 8


def draw_expected_best(data: Document, found: Sequence[TuningData], scale: Scale) -> Canvas:
    """The expected best value of each arm against the number of candidates, one panel per block."""
    groups = by_block(data, found)
    with style.look():
        figure, axes = style.new_figure(1.75 * len(groups) + 0.4, rows=len(groups), sharex=True)
        style.margins(figure, ["100.00"], top=0.28, bottom=0.47)
        figure.subplots_adjust(hspace=0.3, left=0.13)
        for axis, (block, mine) in zip(axes, groups.items(), strict=True):
            axis.set_title(style.shorten(block, 60), pad=4)
            for t in mine:
                xs, ys = range(1, len(t["evp"]) + 1), [scale.factor * v for v in t["evp"]]
                axis.plot(xs, ys, color=colour_of(data, t["arm"]), label=style.shorten(method_of(data, t["arm"]), 22))
            axis.grid(axis="y")
            if len(mine) <= MAX_CURVES:
                axis.legend(loc="lower right", ncols=2)
        axes[len(groups) // 2].set_ylabel("expected best" + (f" ({scale.symbol})" if scale.symbol else ""))
        _count_axis(axes[-1], "candidates tried")
    return figure


def draw_learning(data: Document, learning: LearningData, scale: Scale) -> Canvas:
    """The metric by epoch, mean and SD of each arm, one panel per block; stopped runs as thin lines."""
    blocks = [b for b in data["blocks"] if any(a["block"] == b for a in learning["arms"])]
    with style.look():
        figure, axes = style.new_figure(1.9 * len(blocks) + 0.4, rows=len(blocks), sharex=True)
        style.margins(figure, ["100.00"], top=0.28, bottom=0.47)
        figure.subplots_adjust(hspace=0.3, left=0.13)
        for axis, block in zip(axes, blocks, strict=True):
            mine = [a for a in learning["arms"] if a["block"] == block]
            axis.set_title(style.shorten(block, 60), pad=4)
            for a in mine:
                _learning_line(axis, a, colour_of(data, a["arm"]), scale)
            axis.grid(axis="y")
            if len(mine) <= MAX_CURVES and any(a["points"] for a in mine):
                axis.legend(loc="lower right")
        axes[len(blocks) // 2].set_ylabel(metric_label(scale))
        _count_axis(axes[-1], "epoch")
    return figure


def _learning_line(axis: Axes, a: ArmCurveData, colour: str, scale: Scale) -> None:
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


def _count_axis(axis: Axes, label: str) -> None:
    """Ticks at whole numbers only."""
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.set_xlabel(label)


def by_block(data: Document, found: Sequence[TuningData]) -> dict[str, list[TuningData]]:
    """The tune phases of the arms of each block."""
    groups: dict[str, list[TuningData]] = {}
    for t in found:
        groups.setdefault(arm_of(data, t["arm"])["block"], []).append(t)
    return groups
