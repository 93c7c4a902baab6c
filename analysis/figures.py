"""The two figures every report has: all seeds of every arm, and the paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from analysis import style
from analysis.document import Data, scale_of
from analysis.model import Figure
from analysis.words import Scale

ROW = 0.25  # inches per row
MAX_ROWS = 70  # more rows than this go on as further figures


def arm_colours(data: Data) -> dict[str, str]:
    """Colour by method, the same in every figure of a report."""
    arms = data["arms"]
    return style.colours([a["method"] for a in arms], [a["method"] for a in arms if a["baseline"]])


def seed_figures(data: Data) -> list[Figure]:
    """Every seed of every arm with mean and interval, one panel per block, as many figures as are needed."""
    groups = _pages([(b, [a for a in data["arms"] if a["block"] == b]) for b in data["blocks"]])
    return [_seed_figure(data, page, i, len(groups)) for i, page in enumerate(groups)]


def difference_figures(data: Data) -> list[Figure]:
    """Forest of the paired differences with every seed, one panel per family."""
    shown = [c for c in data["comparisons"] if c["difference"] is not None]
    names = list(dict.fromkeys(c["family"] for c in shown))
    groups = _pages([(name, [c for c in shown if c["family"] == name]) for name in names])
    return [_difference_figure(data, page, i, len(groups)) for i, page in enumerate(groups)]


Panel = tuple[str, list[Data]]


def _pages(panels: Sequence[Panel]) -> list[list[Panel]]:
    """Panels cut and gathered so that no page has more than `MAX_ROWS` rows."""
    pages: list[list[Panel]] = []
    room = 0
    for name, rows in panels:
        for start in range(0, len(rows), MAX_ROWS):
            part = rows[start : start + MAX_ROWS]
            if len(part) > room:
                pages.append([])
                room = MAX_ROWS
            pages[-1].append((name, part))
            room -= len(part)
    return pages


def _panels(page: Sequence[Panel], labels: Sequence[str], *, shared: bool) -> tuple[Canvas, list[Axes]]:
    heights = [len(rows) + 1.6 for _, rows in page]
    figure, axes = style.new_figure(ROW * sum(heights) + 0.5, rows=len(page), sharex=shared, height_ratios=heights)
    style.margins(figure, labels, top=0.32, bottom=0.45)
    figure.subplots_adjust(hspace=1.6 * len(page) / max(1.0, sum(heights) - 1.6 * len(page)) * 1.25)
    for axis, (name, rows) in zip(axes, page, strict=True):
        axis.set_title(style.shorten(name, 60), pad=5)
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.grid(axis="x")
        axis.set_axisbelow(True)
        axis.spines["left"].set_visible(False)
        axis.tick_params(axis="y", length=0)
    return figure, axes


def _suffix(i: int, of: int) -> str:
    return "" if of == 1 else f"-{i + 1}"


def _seed_figure(data: Data, page: Sequence[Panel], i: int, of: int) -> Figure:
    scale, colours = scale_of(data), arm_colours(data)
    labels = [style.shorten(a["method"]) for _, arms in page for a in arms]
    name = f"seeds{_suffix(i, of)}"
    with style.look():
        figure, axes = _panels(page, labels, shared=False)
        many = sum(a["n"] for _, arms in page for a in arms) > style.MANY_POINTS
        for axis, (_, arms) in zip(axes, page, strict=True):
            floor = _floor(arms, scale)
            for y, arm in enumerate(arms):
                _seed_row(axis, y, arm, colours[arm["method"]], scale, many)
                _crosses(axis, y, len(arm["failed"]), floor)
            axis.set_yticks(range(len(arms)), [style.shorten(a["method"]) for a in arms])
        axes[-1].set_xlabel(_metric_label(scale))
    texts = seed_caption(data, scale), _seed_alt(data, scale)
    return Figure(name, *texts, figure, *_seed_data(page))


def _metric_label(scale: Scale) -> str:
    return f"{scale.label} ({scale.symbol})" if scale.symbol else scale.label


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


def _seed_data(page: Sequence[Panel]) -> tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]:
    rows = [(block, a["arm"], seed, value) for block, arms in page for a in arms for seed, value in a["values"].items()]
    return ("block", "arm", "seed", "value"), tuple(rows)


def _difference_figure(data: Data, page: Sequence[Panel], i: int, of: int) -> Figure:
    scale, colours = scale_of(data), arm_colours(data)
    methods = {a["arm"]: a["method"] for a in data["arms"]}
    labels = [style.shorten(methods[c["treatment"]]) for _, rows in page for c in rows]
    name = f"differences{_suffix(i, of)}"
    with style.look():
        figure, axes = _panels(page, labels, shared=True)
        many = sum(c["n"] for _, rows in page for c in rows) > style.MANY_POINTS
        for axis, (_, rows) in zip(axes, page, strict=True):
            _reference(axis, data, scale)
            for y, row in enumerate(rows):
                _difference_row(axis, y, row, colours[methods[row["treatment"]]], scale, many)
            axis.set_yticks(range(len(rows)), [style.shorten(methods[c["treatment"]]) for c in rows])
        unit = f" ({scale.unit})" if scale.unit else ""
        axes[-1].set_xlabel(f"difference from the baseline{unit}")
    return Figure(name, _difference_caption(data, scale), _difference_alt(data, scale), figure, *_difference_data(page))


def _reference(axis: Axes, data: Data, scale: Scale) -> None:
    if data["sesoi"]:
        margin = scale.factor * data["sesoi"]
        axis.axvspan(-margin, margin, color=style.BAND, linewidth=0, zorder=0)
    axis.axvline(0, color=style.MUTED, linewidth=0.9, zorder=1)


def _difference_row(axis: Axes, y: int, row: Data, colour: str, scale: Scale, many: bool) -> None:
    xs = [scale.factor * v for v in row["differences"].values()]
    axis.plot(
        xs, [y + 0.22] * len(xs), "o", color=colour, markersize=3.2, alpha=0.5, markeredgewidth=0,
        linestyle="none", rasterized=many, zorder=2,
    )  # fmt: skip
    if row["ci_low"] is not None:
        low, high = scale.factor * row["ci_low"], scale.factor * row["ci_high"]
        axis.plot([low, high], [y - 0.12] * 2, color=colour, linewidth=1.8, solid_capstyle="butt", zorder=3)
    axis.plot(
        [scale.factor * row["difference"]], [y - 0.12], "D", color=colour, markersize=5,
        markeredgecolor=style.PAPER, markeredgewidth=0.7, zorder=4,
    )  # fmt: skip


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


def _difference_data(page: Sequence[Panel]) -> tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]:
    rows = [
        (name, c["treatment"], c["baseline"], seed, value)
        for name, comparisons in page
        for c in comparisons
        for seed, value in c["differences"].items()
    ]
    return ("family", "treatment", "baseline", "seed", "difference"), tuple(rows)
