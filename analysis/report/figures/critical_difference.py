"""The critical-difference diagram: methods on an axis of mean ranks."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from analysis.formatting import show_number
from analysis.report import style
from analysis.results.document import RanksData


def critical_difference_diagram(ranks: RanksData, colours: dict[str, str]) -> Canvas:
    """Methods on an axis of mean ranks; a line joins methods for which no difference was shown."""
    test = ranks["test"]
    order = sorted(range(len(ranks["methods"])), key=lambda i: (test["mean_ranks"][i], i))
    half = (len(order) + 1) // 2
    bars = len(ranks["cliques"])
    with style.look():
        figure, (axis,) = style.new_figure(0.75 + 0.12 * bars + 0.2 * half)
        style.margins(figure, [], top=0.1, bottom=0.05)
        figure.subplots_adjust(left=0.02, right=0.98)
        k = len(order)
        axis.set_xlim(1 - 0.64 * (k - 1), k + 0.64 * (k - 1))
        axis.set_ylim(-(1.1 + 0.55 * bars + half), 2.2)
        axis.axis("off")
        _rank_axis(axis, k, min(test["critical_difference"], k - 1.0), test["critical_difference"])
        for j, run in enumerate(ranks["cliques"]):
            ends = [test["mean_ranks"][i] for i in run]
            y = -0.6 - 0.55 * j
            axis.plot([min(ends) - 0.04, max(ends) + 0.04], [y, y], color=style.INK, linewidth=3, solid_capstyle="butt")
        for place, i in enumerate(order):
            _rank_label(axis, ranks, i, place, half, k, bars, colours)
    return figure


def _rank_axis(axis: Axes, k: int, shown: float, cd: float) -> None:
    axis.plot([1, k], [0, 0], color=style.MUTED, linewidth=0.8)
    for r in range(1, k + 1):
        axis.plot([r, r], [0, 0.25], color=style.MUTED, linewidth=0.8)
        axis.text(r, 0.4, str(r), ha="center", va="bottom", fontsize=7.5)
    axis.plot([1, 1 + shown], [1.6, 1.6], color=style.MUTED, linewidth=1.6)
    wider = " (wider than the axis)" if shown < cd else ""
    axis.text(1 + shown + 0.06, 1.6, f"CD = {show_number(cd)}{wider}", va="center", fontsize=7.5)


def _rank_label(
    axis: Axes, ranks: RanksData, i: int, place: int, half: int, k: int, bars: int, colours: dict[str, str]
) -> None:
    left = place < half
    row = place if left else k - 1 - place
    rank, method = ranks["test"]["mean_ranks"][i], ranks["methods"][i]
    y = -(1.0 + 0.55 * bars + row)
    x = 1 - 0.06 * (k - 1) if left else k + 0.06 * (k - 1)
    axis.plot([rank, rank, x], [0, y, y], color=colours.get(method, style.MUTED), linewidth=1.0)
    name = style.shorten(method, 20)
    text = f"{name}  {show_number(rank)}" if left else f"{show_number(rank)}  {name}"
    axis.text(x, y, f" {text} ", ha="right" if left else "left", va="center", fontsize=7.5)
