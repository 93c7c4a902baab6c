"""The distribution of p-values where there is no difference."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure as Canvas

from analysis.report import style


def draw_p_values(p_values: Sequence[float], alpha: float) -> Canvas:
    """The empirical distribution of sorted p-values, with the diagonal and alpha."""
    ranks = [(i + 1) / len(p_values) for i in range(len(p_values))]
    with style.look():
        figure, (axis,) = style.new_figure(2.3)
        style.margins(figure, ["100.00"], top=0.15, bottom=0.47)
        figure.subplots_adjust(left=0.13)
        axis.plot([0, 1], [0, 1], color=style.MUTED, linewidth=0.9, linestyle=(0, (3, 2)))
        axis.step([0, *p_values, 1], [0, *ranks, 1], where="post", color=style.PALETTE[0])
        axis.axvline(alpha, color=style.LINE, linewidth=0.9)
        axis.grid(axis="y")
        axis.set_xlabel("p of a comparison without a difference")
        axis.set_ylabel("share of splits")
    return figure
