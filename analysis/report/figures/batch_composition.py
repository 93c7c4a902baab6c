"""The gain of each treatment against the composition of its batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from analysis.formatting import Scale
from analysis.report import style
from analysis.report.figures.arms import arm_colours, method_of
from analysis.report.figures.axes import unit_label
from analysis.results.document import Document, GainPointData, scale_of

_PANELS: tuple[tuple[Literal["singleton_share", "classes_per_batch"], str, float], ...] = (
    ("singleton_share", "singletons (% of samples)", 100.0),
    ("classes_per_batch", "classes per batch", 1.0),
)


COLUMNS, MAX_LEGEND = 4, 12  # methods in a row of the legend; with more methods there is no legend
SHIFT = 3.5  # points between two methods whose batches have the same composition


def draw_batch_composition(data: Document, points: Sequence[GainPointData]) -> Canvas:
    """Two panels: the gain against the share of singletons, and against the number of classes."""
    scale, colours = scale_of(data), arm_colours(data)
    methods = list(dict.fromkeys(method_of(data, p["treatment"]) for p in points))
    rows = -(-len(methods) // COLUMNS) if 1 < len(methods) <= MAX_LEGEND else 0
    with style.look():
        figure, axes = style.new_figure(2.5 + 0.19 * rows, columns=2, sharey=True)
        style.margins(figure, ["−10.00"], top=0.15 + 0.19 * rows, bottom=0.47)
        figure.subplots_adjust(wspace=0.12, left=0.12)
        for axis, (name, label, factor) in zip(axes, _PANELS, strict=True):
            axis.axhline(0, color=style.MUTED, linewidth=0.9)
            axis.grid(axis="both")
            axis.set_axisbelow(True)
            for p in points:
                x, method = p[name], method_of(data, p["treatment"])
                if x is not None:
                    shift = SHIFT * (methods.index(method) - (len(methods) - 1) / 2)
                    _point(axis, factor * x, shift, p, scale, colours[method])
            axis.set_xlabel(label)
        axes[0].set_ylabel(f"gain{unit_label(scale)}")
        if rows:
            marks = [Line2D([], [], color=colours[m], marker="D", markersize=4.5, label=m) for m in methods]
            figure.legend(handles=marks, loc="upper center", ncols=COLUMNS)
    return figure


def _point(axis: Axes, x: float, shift: float, p: GainPointData, scale: Scale, colour: str) -> None:
    """One gain with its interval, moved sideways on the page by some points."""
    middle = scale.factor * p["difference"]
    ends = [middle if end is None else scale.factor * end for end in (p["ci_low"], p["ci_high"])]
    beside = axis.transData + ScaledTranslation(shift / 72, 0, axis.figure.dpi_scale_trans)
    axis.add_artist(Line2D([x, x], ends, color=colour, linewidth=1.2, transform=beside))
    axis.add_artist(Line2D([x], [middle], color=colour, marker="D", markersize=4.5, transform=beside))
    axis.update_datalim([(x, end) for end in (*ends, middle)])  # lines that are moved do not set the limits
    axis.autoscale_view()
