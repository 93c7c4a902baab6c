"""All seeds of every arm; the colour of each arm."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from analysis.formatting import Scale, show_confidence
from analysis.report import style
from analysis.report.cells import scope_line
from analysis.report.elements import Figure
from analysis.report.figures.axes import Panel, metric_label, pages, panels, suffix
from analysis.results.document import ArmData, Document, scale_of


def arm_colours(data: Document) -> dict[str, str]:
    """Colour by method, the same in every figure of a report."""
    arms = data["arms"]
    return style.colours([a["method"] for a in arms], [a["method"] for a in arms if a["baseline"]])


def arm_of(data: Document, label: str) -> ArmData:
    """The arm with this label."""
    return next(a for a in data["arms"] if a["arm"] == label)


def method_of(data: Document, label: str) -> str:
    """The method of an arm: its name without the block."""
    return str(arm_of(data, label)["method"])


def colour_of(data: Document, label: str) -> str:
    """The colour of an arm."""
    return arm_colours(data)[method_of(data, label)]


def seed_figures(data: Document) -> list[Figure]:
    """Every seed of every arm with mean and interval, one panel per block, on one or more figures."""
    groups: list[list[Panel[ArmData]]] = pages(
        [(b, [a for a in data["arms"] if a["block"] == b]) for b in data["blocks"]]
    )
    return [_seed_figure(data, page, i, len(groups)) for i, page in enumerate(groups)]


def _seed_figure(data: Document, page: Sequence[Panel[ArmData]], i: int, of: int) -> Figure:
    scale, colours = scale_of(data), arm_colours(data)
    labels = [style.shorten(a["method"]) for _, arms in page for a in arms]
    name = f"seeds{suffix(i, of)}"
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


def _floor(arms: Sequence[ArmData], scale: Scale) -> float:
    values = [scale.factor * v for arm in arms for v in arm["values"].values()]
    return min(values, default=0.0) - 0.04 * (max(values, default=1.0) - min(values, default=0.0))


def _crosses(axis: Axes, y: int, failed: int, floor: float) -> None:
    if failed:
        axis.plot(
            [floor] * failed,
            [y + 0.1 * (k - (failed - 1) / 2) for k in range(failed)],
            "x", color=style.INK, markersize=3.5, markeredgewidth=0.9, linestyle="none",
        )  # fmt: skip


def _seed_row(axis: Axes, y: int, arm: ArmData, colour: str, scale: Scale, many: bool) -> None:
    xs = [scale.factor * v for v in arm["values"].values()]
    axis.plot(
        xs, [y] * len(xs), "o", color=colour, markersize=4.2, alpha=0.55, markeredgewidth=0, linestyle="none",
        rasterized=many, zorder=2,
    )  # fmt: skip
    if arm["ci_low"] is not None and arm["ci_high"] is not None:
        low, high = scale.factor * arm["ci_low"], scale.factor * arm["ci_high"]
        axis.plot([low, high], [y + 0.28] * 2, color=colour, linewidth=1.8, solid_capstyle="butt", zorder=3)
    if arm["mean"] is not None:
        middle = scale.factor * arm["mean"]
        axis.plot([middle] * 2, [y - 0.3, y + 0.38], color=style.INK, linewidth=1.1, zorder=4)


def seed_caption(data: Document, scale: Scale) -> str:
    """Caption of the seed figure."""
    level = show_confidence(data["alpha"])
    cross = " Crosses: seeds without a result." if any(a["failed"] for a in data["arms"]) else ""
    return (
        f"Every seed of every arm: one dot is the {scale.label} of one training run ({seed_counts(data)}). "
        f"Tick: mean; bar below: {level} Student-t interval of the mean. {scope_line(data)}{cross}"
        f"{' Each block has its own axis.' if len(data['blocks']) > 1 else ''}"
    )


def seed_counts(data: Document) -> str:
    """`n = 10` or `n = 3 to 10`, over the arms of a study."""
    return _n([a["n"] for a in data["arms"]])


def pair_counts(data: Document) -> str:
    """The same over its comparisons, which have the seeds of both arms."""
    return _n([c["n"] for c in data["comparisons"] if c["difference"] is not None])


def _n(ns: Sequence[int]) -> str:
    return f"n = {min(ns)}" if min(ns) == max(ns) else f"n = {min(ns)} to {max(ns)}"


def _seed_alt(data: Document, scale: Scale) -> str:
    parts = [f"{a['arm']}: mean {scale.value(a['mean'])}{scale.symbol_after}, n = {a['n']}" for a in data["arms"][:12]]
    more = "" if len(data["arms"]) <= 12 else f"; and {len(data['arms']) - 12} more arms"
    return f"Strip plot of {scale.label} by arm. {'; '.join(parts)}{more}."


def _seed_data(page: Sequence[Panel[ArmData]]) -> tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]:
    rows = [(block, a["arm"], seed, value) for block, arms in page for a in arms for seed, value in a["values"].items()]
    return ("block", "arm", "seed", "value"), tuple(rows)
