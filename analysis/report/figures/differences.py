"""The paired differences: one row per comparison, with every seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from analysis.formatting import Scale, show_confidence
from analysis.report.cells import scope_line
from analysis.report.elements import Figure
from analysis.report.figures.arms import colour_of, method_of, pair_counts
from analysis.report.figures.axes import Panel, margin_band, pages, suffix, unit_label
from analysis.report.figures.dots import Dot, dot_rows
from analysis.results.document import ComparisonData, Document, scale_of
from analysis.results.verdicts import INCONCLUSIVE, NONE
from analysis.study.plan import UNTIL_DECIDED


def difference_figures(data: Document, which: slice) -> list[Figure]:
    """Forest of the paired differences with every seed, one panel per family; decided comparisons come first.

    Args:
        data: The document.
        which: Pages to draw, of as many as the comparisons need.
    """
    found = sorted(data["comparisons"], key=lambda c: c["verdict"] in (INCONCLUSIVE, NONE))
    shown = [c for c in found if c["difference"] is not None]
    names = list(dict.fromkeys(c["family"] for c in shown))
    groups: list[list[Panel[ComparisonData]]] = pages(
        [(name, [c for c in shown if c["family"] == name]) for name in names]
    )
    return [_difference_figure(data, groups[i], i, len(groups)) for i in range(len(groups))[which]]


def _difference_figure(data: Document, page: Sequence[Panel[ComparisonData]], i: int, of: int) -> Figure:
    scale = scale_of(data)
    parts = [(name, [difference_dot(data, row) for row in rows]) for name, rows in page]
    drawing = dot_rows(parts, f"difference from the baseline{unit_label(scale)}", lines=(0.0,), band=margin_band(data))
    texts = _difference_caption(data, scale), _difference_alt(data, scale)
    return Figure(f"differences{suffix(i, of)}", *texts, drawing, *_difference_data(data, page))


def difference_dot(data: Document, row: ComparisonData) -> Dot:
    """A comparison as a row of the forest."""
    scale, sequential = scale_of(data), data["stop"] == UNTIL_DECIDED
    return Dot(
        label=method_of(data, row["treatment"]),
        estimate=scale.on_axis(row["difference"]),
        low=scale.on_axis(row["ci_verdict_low"] if sequential else row["ci_low"]),
        high=scale.on_axis(row["ci_verdict_high"] if sequential else row["ci_high"]),
        colour=colour_of(data, row["treatment"]),
        points=tuple(scale.factor * v for v in row["differences"].values()),
    )


def _difference_caption(data: Document, scale: Scale) -> str:
    level = show_confidence(data["alpha"])
    band = ""
    if data["sesoi"]:
        band = f" Shaded: the declared margin of ±{scale.value(data['sesoi'])}{scale.unit_after}."
    kind = "Differences" if data["unpaired"] else "Paired differences"
    bar = f"its {level} t-interval, not corrected for the number of comparisons"
    bar = "its confidence sequence after correction" if data["stop"] == UNTIL_DECIDED else bar
    return (
        f"{kind} from the baseline of each family: diamond and bar are the mean and {bar}; the table has the "
        "interval of each verdict."
        f"{'' if data['unpaired'] else f' One dot is one seed ({pair_counts(data)}).'} {scope_line(data)}{band}"
    )


def _difference_alt(data: Document, scale: Scale) -> str:
    shown = [c for c in data["comparisons"] if c["difference"] is not None]
    parts = [_alt_row(c, scale) for c in shown[:12]]
    more = "" if len(shown) <= 12 else f"; and {len(shown) - 12} more"
    return f"Forest plot of differences from the baseline. {'; '.join(parts)}{more}."


def _alt_row(c: ComparisonData, scale: Scale) -> str:
    text = f"{c['treatment']}: {scale.signed(c['difference'])}"
    return text if c["ci_low"] is None else f"{text} ({scale.range(c['ci_low'], c['ci_high'])})"


def _difference_data(
    data: Document, page: Sequence[Panel[ComparisonData]]
) -> tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]:
    """Header and rows of the data: every seed, or where the arms are unpaired the mean with its interval."""
    if data["unpaired"]:
        names: tuple[Literal["treatment", "baseline", "difference", "ci_low", "ci_high"], ...]
        names = ("treatment", "baseline", "difference", "ci_low", "ci_high")
        return ("family", *names), tuple((name, *(c[k] for k in names)) for name, found in page for c in found)
    rows = [
        (name, c["treatment"], c["baseline"], seed, value)
        for name, comparisons in page
        for c in comparisons
        for seed, value in c["differences"].items()
    ]
    return ("family", "treatment", "baseline", "seed", "difference"), tuple(rows)
