"""The section on batch composition: the gain against the content of the batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from analysis.formatting import Scale, listing, show_confidence
from analysis.report.cells import between, gain, number, percent, table, whole, with_withheld
from analysis.report.elements import Cell, Figure, Section, Table
from analysis.report.figures.batch_composition import draw_batch_composition
from analysis.results.document import Document, GainPointData, scale_of

PLACE = 100


def section(data: Document) -> Section:
    """The gain against the content of the batches."""
    points = data["composition"]
    if not points:
        return Section("composition", "Batch composition")
    scale = scale_of(data)
    text = (
        "The content of the batches is measured, not assigned, unless a factor sets it. The figure shows an "
        "association, not a cause."
    )
    return Section(
        "composition", "Batch composition", (text,), (_composition_table(data, points),),
        (_figure(data, points, scale),),
    )  # fmt: skip


_Column = Literal[
    "treatment", "block", "difference", "ci_low", "ci_high", "singleton_share", "classes_per_batch",
    "single_class_batches",
]  # fmt: skip


def _figure(data: Document, points: Sequence[GainPointData], scale: Scale) -> Figure:
    drawing = draw_batch_composition(data, points)
    rows = tuple(tuple(p[k] for k in _POINT) for p in points)
    caption = (
        "Gain over the baseline against the composition of the treatment's batches: share of samples that are the "
        "only one of their class in the batch, and classes per batch (methods are drawn side by side). Bars: "
        f"{_intervals(data, points)}."
    )
    alt = f"Gain against singleton share and classes per batch for {len(points)} comparisons. " + "; ".join(
        f"{p['treatment']}: {scale.signed(p['difference'])} at {percent(p['singleton_share']).text} singletons"
        for p in points[:10]
    )
    return Figure("composition", with_withheld(data, caption), alt, drawing, _POINT, rows)


def _intervals(data: Document, points: Sequence[GainPointData]) -> str:
    """Level, n and scope of the intervals."""
    ns, scopes = sorted({p["n"] for p in points}), sorted({p["scope"] for p in points})
    return (
        f"pointwise {show_confidence(data['alpha'])} t-intervals over n = {listing(ns)} seeds, for {listing(scopes)}; "
        "not corrected over the treatments"
    )


_POINT: tuple[_Column, ...] = (
    "treatment", "block", "difference", "ci_low", "ci_high", "singleton_share", "classes_per_batch",
    "single_class_batches",
)  # fmt: skip


def _composition_table(data: Document, points: Sequence[GainPointData]) -> Table:
    scale = scale_of(data)
    rows = [
        (
            Cell(p["treatment"]), Cell(p["block"]), whole(p["n"]), gain(scale, p["difference"]),
            between(scale, p["ci_low"], p["ci_high"]), percent(p["singleton_share"]), number(p["classes_per_batch"]),
            number(p["single_class_batches"]),
        )
        for p in points
    ]  # fmt: skip
    header = (
        "treatment", "block", "n", "gain", f"{show_confidence(data['alpha'])} CI", "singletons", "classes per batch",
        "batches of one class",
    )  # fmt: skip
    caption = (
        f"Gain of each treatment ({_intervals(data, points)}), and the average composition of its batches. Exploratory."
    )
    return table("composition", with_withheld(data, caption), header, rows, text=(0, 1))
