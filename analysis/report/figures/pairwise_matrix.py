"""Every method against every other, as a coloured matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle

from analysis.formatting import Scale, show_p
from analysis.report import style

Against = tuple[float, int, int, float | None]
"""Mean difference, wins, losses, and adjusted p; None without a verdict."""


def draw_matrix(
    methods: Sequence[str],
    cells: dict[tuple[str, str], Against],
    framed: set[tuple[str, str]],
    scale: Scale,
    alpha: float,
    *,
    higher_is_better: bool,
) -> Canvas:
    """The method of each row against that of each column; some are framed. Colours tell better from worse."""
    k = len(methods)
    reach = max((abs(v[0]) for v in cells.values()), default=0.0) or 1.0
    names = [style.shorten(m, 18) for m in methods]
    with style.look():
        figure, (axis,) = style.new_figure(0.55 + 0.52 * k)
        style.margins(figure, names, top=0.3, bottom=0.1)
        better = 1 if higher_is_better else -1
        shown = [[better * cells[a, b][0] if a != b else math.nan for b in methods] for a in methods]
        axis.imshow(shown, cmap=style.DIVERGING, vmin=-reach, vmax=reach, aspect="auto")
        for (a, b), value in cells.items():
            i, j = methods.index(a), methods.index(b)
            _matrix_cell(axis, i, j, value, scale, alpha, abs(value[0]) / reach)
            if (a, b) in framed:
                axis.add_patch(
                    Rectangle((j - 0.47, i - 0.46), 0.94, 0.92, fill=False, edgecolor="#111111", linewidth=1.4)
                )
        axis.set_yticks(range(k), names)
        axis.set_xticks(range(k), [style.shorten(m, 60 // k) for m in methods])
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure


def _matrix_cell(axis: Axes, i: int, j: int, v: Against, scale: Scale, alpha: float, depth: float) -> None:
    colour = "#ffffff" if depth > 0.62 else "#111111"
    p = "no verdict" if v[3] is None else f"p {show_p(v[3], alpha)}"
    text = f"{scale.signed(v[0])}\n{v[1]} : {v[2]}\n{p}"
    axis.text(j, i, text, ha="center", va="center", fontsize=6.5, color=colour, linespacing=1.25)
