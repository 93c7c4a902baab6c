"""The means of a grid of two factors, as a heat map."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle

from analysis.formatting import Scale, show_level
from analysis.report import style
from analysis.results.document import GridCellData, SharesData


def draw_heat_map(s: SharesData, scale: Scale) -> Canvas:
    """One cell per pair of levels, coloured by its distance from the mean of all; framed where it can be the best."""
    ups, acrosses = s["levels"]
    cell = {(a, b): c for c in s["cells"] for a, b in [c["at"]]}
    means = np.array([[scale.factor * cell[a, b]["mean"] for b in acrosses] for a in ups])
    middle = float(means.mean())
    reach = max(float(np.abs(means - middle).max()), 1e-9)
    with style.look():
        figure, (axis,) = style.new_figure(0.9 + 0.4 * len(ups))
        style.margins(figure, [f"{show_level(a)}__" for a in ups], top=0.2, bottom=0.47)
        axis.imshow(
            means, cmap=style.DIVERGING, norm=TwoSlopeNorm(middle, middle - reach, middle + reach), aspect="auto"
        )
        for i, a in enumerate(ups):
            for j, b in enumerate(acrosses):
                _heat_cell(axis, i, j, cell[a, b], scale, abs(means[i, j] - middle) / reach, len(acrosses))
        axis.set_yticks(range(len(ups)), [show_level(a) for a in ups])
        axis.set_xticks(range(len(acrosses)), [show_level(b) for b in acrosses])
        axis.set_ylabel(s["factors"][0])
        axis.set_xlabel(s["factors"][1])
        axis.tick_params(length=0)
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure


def _heat_cell(axis: Axes, i: int, j: int, c: GridCellData, scale: Scale, depth: float, columns: int) -> None:
    colour = "#ffffff" if depth > 0.62 else "#111111"
    text = f"{scale.value(c['mean'])} ± {scale.value(c['sd'])}" if columns <= 5 else scale.value(c["mean"])
    axis.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)
    if c["on_plateau"]:
        axis.add_patch(_outline(i, j))


def _outline(i: int, j: int) -> Rectangle:
    return Rectangle((j - 0.47, i - 0.45), 0.94, 0.9, fill=False, edgecolor="#111111", linewidth=1.4)
