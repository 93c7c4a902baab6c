"""Curves of the metric along one factor, with bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from analysis.formatting import Scale, show_level
from analysis.report import style
from analysis.report.figures.axes import metric_label
from analysis.results.document import CurveData, Document, scale_of


def draw_curves(data: Document, curves: Sequence[CurveData]) -> Canvas:
    """Small multiples, one panel per curve, the same height scale in every block."""
    scale, columns = scale_of(data), 1 if len(curves) <= 3 else 2
    lines = -(-len(curves) // columns)
    with style.look():
        figure, axes = style.new_figure(1.75 * lines + 0.35, rows=lines, columns=columns)
        style.margins(figure, ["100.00"], top=0.28, bottom=0.47)
        figure.subplots_adjust(hspace=0.48, wspace=0.22, left=0.13)
        for axis, c in zip(axes, curves, strict=False):
            title = f"{c['block']}, {c['held']}" if c["held"] else c["block"]
            axis.set_title(style.shorten(title, 64 // columns), pad=4)
            _draw_curve(axis, c, scale, style.PALETTE[0])
            axis.grid(axis="y")
            axis.set_axisbelow(True)
        _same_height(axes, curves)
        for axis in axes[len(curves) :]:
            axis.set_visible(False)
        axes[columns * ((lines - 1) // 2)].set_ylabel(metric_label(scale))
        for axis in axes[max(0, len(curves) - columns) : len(curves)]:
            axis.set_xlabel(curves[0]["label"])
    return figure


def _same_height(axes: Sequence[Axes], curves: Sequence[CurveData]) -> None:
    for block in {c["block"] for c in curves}:
        mine = [axis for axis, c in zip(axes, curves, strict=False) if c["block"] == block]
        ends = [axis.get_ylim() for axis in mine]
        for axis in mine:
            axis.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))


def positions(levels: Sequence[Any], log: bool) -> list[float]:
    """Positions of the levels on the axis: by value if all are numbers (a zero left of a log axis), else evenly."""
    if not all(isinstance(x, int | float) and not isinstance(x, bool) for x in levels):
        return [float(i) for i in range(len(levels))]
    if not log:
        return [float(x) for x in levels]
    positive = [float(np.log10(x)) for x in levels if x > 0]
    left = min(positive) - 0.6 if positive else 0.0
    return [float(np.log10(x)) if x > 0 else left for x in levels]


def _draw_curve(axis: Axes, c: CurveData, scale: Scale, colour: str) -> None:
    levels = c["levels"]
    xs = positions([lv["value"] for lv in levels], c["log"])

    def ys(name: Literal["mean", "ci_low", "ci_high", "band_low", "band_high"]) -> list[float]:
        shown = [scale.on_axis(lv[name]) for lv in levels]
        return [np.nan if y is None else y for y in shown]

    reference = c["reference"]
    if reference and reference["low"] is not None and reference["high"] is not None:
        axis.axhspan(scale.factor * reference["low"], scale.factor * reference["high"], color=style.BAND, lw=0)
    for seed in sorted({s for lv in levels for s in lv["values"]}, key=int):
        line = [np.nan if seed not in lv["values"] else scale.factor * lv["values"][seed] for lv in levels]
        axis.plot(xs, line, color=colour, linewidth=0.5, alpha=0.4)
    axis.fill_between(xs, ys("band_low"), ys("band_high"), color=colour, alpha=0.13, linewidth=0)
    axis.fill_between(xs, ys("ci_low"), ys("ci_high"), color=colour, alpha=0.22, linewidth=0)
    axis.plot(xs, ys("mean"), "o-", color=colour, linewidth=1.5, markersize=3.5)
    if c["error"] is not None:  # else nothing is known of the best level
        ring = [(x, y) for x, y, lv in zip(xs, ys("mean"), levels, strict=True) if lv["on_plateau"]]
        axis.plot(
            *zip(*ring, strict=True), "o", markersize=8, markerfacecolor="none", markeredgecolor=colour, linewidth=0
        )
    values = [lv["value"] for lv in levels]
    if c["default"] in values:
        axis.axvline(xs[values.index(c["default"])], color=style.MUTED, linewidth=0.8, linestyle=(0, (3, 2)))
    axis.set_xticks(xs, [show_level(x) for x in values])
