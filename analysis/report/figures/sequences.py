"""Confidence sequences against the number of seeds: one panel per comparison."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from analysis.formatting import Scale
from analysis.report import style
from analysis.report.figures.arms import colour_of, method_of
from analysis.report.figures.axes import margin_band, unit_label
from analysis.results.document import Document, SequenceData, scale_of

PANEL = 1.35  # inches
SPREADS = 4.0
"""How far the axis reaches, in times the largest distance of a mean from 0: the first sequences are very wide."""


def draw_sequences(data: Document, found: Sequence[SequenceData], max_seeds: int) -> Canvas:
    """Mean difference with its confidence sequence after each seed, and where it was decided."""
    scale = scale_of(data)
    with style.look():
        figure, axes = style.new_figure(PANEL * len(found) + 0.5, rows=len(found), sharex=True)
        style.margins(figure, ["100.00"], top=0.28, bottom=0.45)
        figure.subplots_adjust(hspace=0.45, left=0.13)
        for axis, one in zip(axes, found, strict=True):
            _panel(axis, data, one, scale)
            axis.set_xlim(0.5, max_seeds + 0.5)
        axes[len(found) // 2].set_ylabel(f"difference{unit_label(scale)}")
        axes[-1].set_xlabel("seeds")
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _panel(axis: Axes, data: Document, one: SequenceData, scale: Scale) -> None:
    axis.set_title(style.shorten(title(data, one), 70), pad=4)
    colour = colour_of(data, one["treatment"])
    band = margin_band(data)
    if band is not None:
        axis.axhspan(*band, color=style.BAND, zorder=0)
    axis.axhline(0, color=style.MUTED, linewidth=0.8, zorder=1)
    n = list(range(1, len(one["difference"]) + 1))
    center = [scale.factor * x for x in one["difference"]]
    axis.plot(n, center, color=colour, linewidth=1.2, zorder=3)
    known = [i for i, low in enumerate(one["low"]) if low is not None]
    low = [scale.factor * (one["low"][i] or 0.0) for i in known]
    high = [scale.factor * (one["high"][i] or 0.0) for i in known]
    axis.fill_between([n[i] for i in known], low, high, color=colour, alpha=0.22, linewidth=0, zorder=2)
    if one["decided_at"]:
        axis.axvline(one["decided_at"], color=style.INK, linewidth=0.9, linestyle=(0, (3, 2)), zorder=4)
    reach = _reach(center, low, high, band)
    axis.set_ylim(-reach, reach)


def _reach(
    center: Sequence[float], low: Sequence[float], high: Sequence[float], band: tuple[float, float] | None
) -> float:
    """Half the height of a panel. The last sequence is whole on it; the first ones may be cut."""
    last = [abs(x) for x in (*low[-1:], *high[-1:], *(band or ()))]
    return 1.08 * float(max([*last, SPREADS / 2 * max(map(abs, center), default=1.0), 1e-12]))


def title(data: Document, one: SequenceData) -> str:
    """What a panel shows: the two methods, and when it was decided or why not."""
    pair = f"{method_of(data, one['treatment'])} against {method_of(data, one['baseline'])}"
    if one["decided_at"]:
        return f"{pair}: {one['verdict']}, decided after {one['decided_at']} seeds"
    return f"{pair}: not decided after {len(one['difference'])} seeds"
