"""Rows of dots with intervals, one panel per group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from analysis.report import style
from analysis.report.figures.axes import panels


@dataclass(frozen=True)
class Dot:
    """One row: an estimate with its interval, its single values, and optionally a wider interval and a mark.

    Attributes:
        label: Row label.
        estimate: The dot.
        low: Lower end of the bar.
        high: Upper end of the bar.
        colour: Colour of the row.
        points: Single values, drawn small below.
        wide: A second, wider interval (prediction), drawn thin.
        mark: A tick, such as a noise floor.
    """

    label: str
    estimate: float | None
    low: float | None
    high: float | None
    colour: str
    points: tuple[float, ...] = ()
    wide: tuple[float, float] | None = None
    mark: float | None = None


def dot_rows(
    parts: Sequence[tuple[str, list[Dot]]],
    xlabel: str,
    *,
    lines: Sequence[float] = (),
    band: tuple[float, float] | None = None,
    shared: bool = True,
    limits: tuple[float, float] | None = None,
) -> Canvas:
    """Panels of dots with intervals; `lines` are vertical references, `band` a shaded range."""
    labels = [style.shorten(row.label) for _, rows in parts for row in rows]
    with style.look():
        figure, axes = panels(parts, labels, shared=shared)
        many = sum(len(row.points) for _, rows in parts for row in rows) > style.MANY_POINTS
        for axis, (_, rows) in zip(axes, parts, strict=True):
            reference(axis, lines, band)
            for y, row in enumerate(rows):
                _dot(axis, y, row, many)
            axis.set_yticks(range(len(rows)), [style.shorten(row.label) for row in rows])
            if limits:
                axis.set_xlim(*limits)
        axes[-1].set_xlabel(xlabel)
    return figure


def reference(axis: Axes, lines: Sequence[float], band: tuple[float, float] | None) -> None:
    """Vertical reference lines, and the shaded band of differences inside the margin."""
    if band:
        axis.axvspan(*band, color=style.BAND, linewidth=0, zorder=0)
    for x in lines:
        axis.axvline(x, color=style.MUTED, linewidth=0.9, zorder=1)


def _dot(axis: Axes, y: int, row: Dot, many: bool) -> None:
    lift = 0.13 if row.points else 0.0
    if row.points:
        axis.plot(
            row.points, [y + 0.24] * len(row.points), "o", color=row.colour, markersize=3.2, alpha=0.6,
            markeredgewidth=0, linestyle="none", rasterized=many, zorder=2,
        )  # fmt: skip
    if row.wide:
        axis.plot(row.wide, [y - lift] * 2, color=row.colour, linewidth=0.8, linestyle=(0, (3, 2)), zorder=2)
    if row.low is not None and row.high is not None:
        axis.plot([row.low, row.high], [y - lift] * 2, color=row.colour, linewidth=1.8, solid_capstyle="butt", zorder=3)
    if row.mark is not None:
        axis.plot([row.mark] * 2, [y - 0.3, y + 0.3], color=style.INK, linewidth=1.0, linestyle=(0, (2, 1.5)))
    if row.estimate is not None:
        axis.plot(
            [row.estimate], [y - lift], "D", color=row.colour, markersize=5, markeredgecolor=style.PAPER,
            markeredgewidth=0.7, zorder=4,
        )  # fmt: skip
