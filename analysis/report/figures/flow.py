"""From planned to analysed trials, as a flow diagram."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import FancyBboxPatch

from analysis.report import style


def draw_flow(boxes: Sequence[tuple[str, str]], side: Sequence[str]) -> Canvas:
    """Boxes from top to bottom (title, note), with what was lost between two boxes at the side."""
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
