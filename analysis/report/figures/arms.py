"""The two figures every report has: all seeds of every arm, and the paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from analysis.formatting import Scale
from analysis.report import style
from analysis.report.elements import Figure
from analysis.report.figures.axes import Dot, Panel, dot_rows, metric_label, pages, panels
from analysis.results.document import Data, scale_of


def arm_colours(data: Data) -> dict[str, str]:
    """Colour by method, the same in every figure of a report."""
    arms = data["arms"]
    return style.colours([a["method"] for a in arms], [a["method"] for a in arms if a["baseline"]])


def seed_figures(data: Data) -> list[Figure]:
    """Every seed of every arm with mean and interval, one panel per block, as many figures as are needed."""
    groups: list[list[Panel[Data]]] = pages([(b, [a for a in data["arms"] if a["block"] == b]) for b in data["blocks"]])
    return [_seed_figure(data, page, i, len(groups)) for i, page in enumerate(groups)]


def difference_figures(data: Data) -> list[Figure]:
    """Forest of the paired differences with every seed, one panel per family."""
    shown = [c for c in data["comparisons"] if c["difference"] is not None]
    names = list(dict.fromkeys(c["family"] for c in shown))
    groups: list[list[Panel[Data]]] = pages([(name, [c for c in shown if c["family"] == name]) for name in names])
    return [_difference_figure(data, page, i, len(groups)) for i, page in enumerate(groups)]


def _suffix(i: int, of: int) -> str:
    return "" if of == 1 else f"-{i + 1}"


def _seed_figure(data: Data, page: Sequence[Panel[Data]], i: int, of: int) -> Figure:
    scale, colours = scale_of(data), arm_colours(data)
    labels = [style.shorten(a["method"]) for _, arms in page for a in arms]
    name = f"seeds{_suffix(i, of)}"
    with style.look():
        figure, axes = panels(page, labels, shared=False)
        many = sum(a["n"] for _, arms in page for a in arms) > style.MANY_POINTS
        for axis, (_, arms) in zip(axes, page, strict=True):
            floor = _floor(arms, scale)
            for y, arm in enumerate(arms):
                _seed_row(axis, y, arm, colours[arm["method"]], scale, many)
                _crosses(axis, y, len(arm["failed"]), floor)
            axis.set_yticks(range(len(arms)), [style.shorten(a["method"]) for a in arms])
        axes[-1].set_xlabel(metric_label(scale))
    texts = seed_caption(data, scale), _seed_alt(data, scale)
    return Figure(name, *texts, figure, *_seed_data(page))


def _floor(arms: Sequence[Data], scale: Scale) -> float:
    values = [scale.factor * v for arm in arms for v in arm["values"].values()]
    return min(values, default=0.0) - 0.04 * (max(values, default=1.0) - min(values, default=0.0))


def _crosses(axis: Axes, y: int, failed: int, floor: float) -> None:
    if failed:
        axis.plot(
            [floor] * failed,
            [y + 0.1 * (k - (failed - 1) / 2) for k in range(failed)],
            "x", color=style.INK, markersize=3.5, markeredgewidth=0.9, linestyle="none",
        )  # fmt: skip


def _seed_row(axis: Axes, y: int, arm: Data, colour: str, scale: Scale, many: bool) -> None:
    xs = [scale.factor * v for v in arm["values"].values()]
    axis.plot(
        xs, [y] * len(xs), "o", color=colour, markersize=4.2, alpha=0.55, markeredgewidth=0, linestyle="none",
        rasterized=many, zorder=2,
    )  # fmt: skip
    if arm["ci_low"] is not None:
        low, high = scale.factor * arm["ci_low"], scale.factor * arm["ci_high"]
        axis.plot([low, high], [y + 0.28] * 2, color=colour, linewidth=1.8, solid_capstyle="butt", zorder=3)
    if arm["mean"] is not None:
        middle = scale.factor * arm["mean"]
        axis.plot([middle] * 2, [y - 0.3, y + 0.38], color=style.INK, linewidth=1.1, zorder=4)


def seed_caption(data: Data, scale: Scale) -> str:
    """Caption of the seed figure."""
    level = f"{100 * (1 - data['alpha']):g} %"
    cross = " Crosses: seeds without a result." if any(a["failed"] for a in data["arms"]) else ""
    return (
        f"Every seed of every arm: one dot is the {scale.label} of one training run ({seed_counts(data)}). "
        f"Tick: mean; bar below: {level} Student-t interval of the mean. Scope: {data['scope']}.{cross}"
        f"{' Each block has its own axis.' if len(data['blocks']) > 1 else ''}"
    )


def seed_counts(data: Data) -> str:
    """`n = 10` or `n = 3 to 10`, over the arms of a study."""
    ns = [a["n"] for a in data["arms"]]
    return f"n = {min(ns)}" if min(ns) == max(ns) else f"n = {min(ns)} to {max(ns)}"


def _seed_alt(data: Data, scale: Scale) -> str:
    parts = [f"{a['arm']}: mean {scale.value(a['mean'])}{scale.symbol}, n = {a['n']}" for a in data["arms"][:12]]
    more = "" if len(data["arms"]) <= 12 else f"; and {len(data['arms']) - 12} more arms"
    return f"Strip plot of {scale.label} by arm. {'; '.join(parts)}{more}."


def _seed_data(page: Sequence[Panel[Data]]) -> tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]:
    rows = [(block, a["arm"], seed, value) for block, arms in page for a in arms for seed, value in a["values"].items()]
    return ("block", "arm", "seed", "value"), tuple(rows)


def _difference_figure(data: Data, page: Sequence[Panel[Data]], i: int, of: int) -> Figure:
    scale = scale_of(data)
    parts = [(name, [difference_dot(data, row) for row in rows]) for name, rows in page]
    drawing = dot_rows(parts, f"difference from the baseline{unit_label(scale)}", lines=(0.0,), band=margin_band(data))
    texts = _difference_caption(data, scale), _difference_alt(data, scale)
    return Figure(f"differences{_suffix(i, of)}", *texts, drawing, *_difference_data(page))


def unit_label(scale: Scale) -> str:
    """The unit of a difference in parentheses, or nothing."""
    return f" ({scale.unit})" if scale.unit else ""


def margin_band(data: Data) -> tuple[float, float] | None:
    """The declared margin as shown on an axis."""
    margin = scale_of(data).factor * data["sesoi"] if data["sesoi"] else None
    return None if margin is None else (-margin, margin)


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
