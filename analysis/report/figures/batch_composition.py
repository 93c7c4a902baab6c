"""The gain of each treatment against the composition of its batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from analysis.formatting import Scale
from analysis.report import style
from analysis.report.figures.arms import arm_colours, method_of
from analysis.report.figures.axes import unit_label
from analysis.results.document import Document, GainPointData, scale_of

_PANELS: tuple[tuple[Literal["singleton_share", "classes_per_batch"], str, float], ...] = (
    ("singleton_share", "singletons (% of samples)", 100.0),
    ("classes_per_batch", "classes per batch", 1.0),
)


def draw_batch_composition(data: Document, points: Sequence[GainPointData]) -> Canvas:
    """Two panels: the gain against the share of singletons, and against the number of classes."""
    scale, colours = scale_of(data), arm_colours(data)
    with style.look():
        figure, axes = style.new_figure(2.5, columns=2, sharey=True)
        style.margins(figure, ["−10.00"], top=0.15, bottom=0.47)
        figure.subplots_adjust(wspace=0.12, left=0.12)
        for axis, (name, label, factor) in zip(axes, _PANELS, strict=True):
            axis.axhline(0, color=style.MUTED, linewidth=0.9)
            axis.grid(axis="both")
            axis.set_axisbelow(True)
            for p in points:
                x = p[name]
                if x is not None:
                    _point(axis, factor * x, p, scale, colours[method_of(data, p["treatment"])])
            axis.set_xlabel(label)
        axes[0].set_ylabel(f"gain{unit_label(scale)}")
    return figure


def _point(axis: Axes, x: float, p: GainPointData, scale: Scale, colour: str) -> None:
    middle = scale.factor * p["difference"]
    ends = [middle if end is None else scale.factor * end for end in (p["ci_low"], p["ci_high"])]
    axis.plot([x, x], ends, color=colour, linewidth=1.2)
    axis.plot([x], [middle], "D", color=colour, markersize=4.5)
