"""The paired differences: one row per comparison, with every seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.formatting import (
    Scale,
)
from analysis.report.elements import Figure
from analysis.report.figures.arms import arm_colours, seed_counts
from analysis.report.figures.axes import Panel, margin_band, pages, suffix, unit_label
from analysis.report.figures.dots import Dot, dot_rows
from analysis.results.document import Data, scale_of


def difference_figures(data: Data) -> list[Figure]:
    """Forest of the paired differences with every seed, one panel per family."""
    shown = [c for c in data["comparisons"] if c["difference"] is not None]
    names = list(dict.fromkeys(c["family"] for c in shown))
    groups: list[list[Panel[Data]]] = pages([(name, [c for c in shown if c["family"] == name]) for name in names])
    return [_difference_figure(data, page, i, len(groups)) for i, page in enumerate(groups)]


def _difference_figure(data: Data, page: Sequence[Panel[Data]], i: int, of: int) -> Figure:
    scale = scale_of(data)
    parts = [(name, [difference_dot(data, row) for row in rows]) for name, rows in page]
    drawing = dot_rows(parts, f"difference from the baseline{unit_label(scale)}", lines=(0.0,), band=margin_band(data))
    texts = _difference_caption(data, scale), _difference_alt(data, scale)
    return Figure(f"differences{suffix(i, of)}", *texts, drawing, *_difference_data(page))


def difference_dot(data: Data, row: Data) -> Dot:
    """A comparison as a row of the forest."""
    factor = scale_of(data).factor
    method = next(a["method"] for a in data["arms"] if a["arm"] == row["treatment"])
    known = row["ci_low"] is not None
    return Dot(
        label=method,
        estimate=factor * row["difference"],
        low=factor * row["ci_low"] if known else None,
        high=factor * row["ci_high"] if known else None,
        colour=arm_colours(data)[method],
        points=tuple(factor * v for v in row["differences"].values()),
    )


def _difference_caption(data: Data, scale: Scale) -> str:
    level = f"{100 * (1 - data['alpha']):g} %"
    band = ""
    if data["sesoi"]:
        band = f" Shaded: the declared margin of ±{scale.value(data['sesoi'])}{scale.unit_after}."
    kind = "Differences" if data["unpaired"] else "Paired differences"
    return (
        f"{kind} from the baseline of each family: diamond and bar are the mean and its {level} t-interval, one dot "
        f"is one seed ({seed_counts(data)}). Scope: {data['scope']}.{band}"
    )


def _difference_alt(data: Data, scale: Scale) -> str:
    shown = [c for c in data["comparisons"] if c["difference"] is not None]
    parts = [_alt_row(c, scale) for c in shown[:12]]
    more = "" if len(shown) <= 12 else f"; and {len(shown) - 12} more"
    return f"Forest plot of differences from the baseline. {'; '.join(parts)}{more}."


def _alt_row(c: Mapping[str, object], scale: Scale) -> str:
    low, high = c["ci_low"], c["ci_high"]
    text = f"{c['treatment']}: {scale.signed(_number(c['difference']))}"
    return text if low is None else f"{text} ({scale.range(_number(low), _number(high))})"


def _number(x: object) -> float:
    return float(x) if isinstance(x, int | float) else 0.0


def _difference_data(page: Sequence[Panel[Data]]) -> tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]:
    rows = [
        (name, c["treatment"], c["baseline"], seed, value)
        for name, comparisons in page
        for c in comparisons
        for seed, value in c["differences"].items()
    ]
    return ("family", "treatment", "baseline", "seed", "difference"), tuple(rows)
