"""Axes that several figures share: stacked panels of rows, labels, and the declared margin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from analysis.formatting import Scale
from analysis.report import style
from analysis.results.document import Document, scale_of

ROW = 0.25  # inches per row


GAP = 2.15  # rows between two panels


MAX_ROWS = 100  # with more rows there are further figures


T = TypeVar("T")


Panel = tuple[str, list[T]]


def pages(parts: Sequence[tuple[str, list[T]]]) -> list[list[tuple[str, list[T]]]]:
    """Panels cut and gathered so that no page has more than `MAX_ROWS` rows."""
    out: list[list[tuple[str, list[T]]]] = []
    room = 0
    for name, rows in parts:
        for start in range(0, len(rows), MAX_ROWS):
            part = rows[start : start + MAX_ROWS]
            if len(part) > room:
                out.append([])
                room = MAX_ROWS
            out[-1].append((name, part))
            room -= len(part)
    return out


def panels(page: Sequence[tuple[str, list[Any]]], labels: Sequence[str], *, shared: bool) -> tuple[Canvas, list[Axes]]:
    """One panel per group of rows, stacked, each row at y = 0, 1, … from the top."""
    counts = [len(rows) for _, rows in page]
    gap = GAP if not shared else GAP - 0.95
    figure, axes = style.new_figure(
        ROW * (sum(counts) + 0.3 * len(page) + gap * (len(page) - 1)) + 0.77,
        rows=len(page),
        sharex=shared,
        height_ratios=[n + 0.3 for n in counts],
    )
    style.margins(figure, labels, top=0.3, bottom=0.47)
    figure.subplots_adjust(hspace=gap * len(page) / (sum(counts) + 0.3 * len(page)))
    for axis, (name, rows) in zip(axes, page, strict=True):
        axis.set_title(style.shorten(name, 60), pad=4)
        axis.set_ylim(len(rows) - 0.35, -0.65)
        axis.grid(axis="x")
        axis.set_axisbelow(True)
        axis.spines["left"].set_visible(False)
        axis.tick_params(axis="y", length=0)
    return figure, axes


def metric_label(scale: Scale) -> str:
    """Axis label of a metric."""
    return f"{scale.label} ({scale.symbol})" if scale.symbol else scale.label


def suffix(i: int, of: int) -> str:
    """End of a figure's name where one subject needs several figures."""
    return "" if of == 1 else f"-{i + 1}"


def unit_label(scale: Scale) -> str:
    """The unit of a difference in parentheses, or nothing."""
    return f" ({scale.unit})" if scale.unit else ""


def margin_band(data: Document) -> tuple[float, float] | None:
    """The declared margin as shown on an axis."""
    margin = scale_of(data).factor * data["sesoi"] if data["sesoi"] else None
    return None if margin is None else (-margin, margin)
