"""Paired slope plots: one line per seed from the baseline to each treatment."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from analysis.report import style
from analysis.report.cells import scope_line
from analysis.report.elements import Figure
from analysis.report.figures.arms import arm_colours, arm_of, pair_counts
from analysis.report.figures.axes import metric_label
from analysis.results.document import ComparisonData, Document, scale_of

MAX_PAIRS, MAX_FAMILIES = 6, 6


def slope_figure(data: Document) -> list[Figure]:
    """One panel per family with at most six treatments; none where the study is larger or unpaired."""
    families = [f for f in data["families"] if len(f["treatments"]) <= MAX_PAIRS]
    by = {c["treatment"]: c for c in data["comparisons"] if len(c["differences"]) > 1}
    shown = [(f["family"], [by[t] for t in f["treatments"] if t in by]) for f in families]
    shown = [(name, rows) for name, rows in shown if rows]
    if not shown or len(shown) > MAX_FAMILIES or data["unpaired"]:
        return []
    scale, arms = scale_of(data), {a["arm"]: a for a in data["arms"]}
    table = tuple(
        (name, c["treatment"], seed, arms[c["baseline"]]["values"][seed], arms[c["treatment"]]["values"][seed])
        for name, rows in shown for c in rows for seed in c["differences"]
    )  # fmt: skip
    caption = (
        "Each line is one seed, from the baseline (left end) to the treatment (right end); the thick line joins the "
        f"means over the same seeds ({pair_counts(data)}). Where some lines rise and some fall, the seeds "
        f"disagree. {scope_line(data)}"
    )
    alt = "Slope plot of every seed from baseline to treatment. " + "; ".join(
        f"{c['treatment']}: {scale.signed(c['difference'])}" for _, rows in shown for c in rows
    )
    header = ("family", "treatment", "seed", "baseline", "treatment value")
    return [Figure("slopes", caption, alt, _draw(data, shown), header, table)]


def _draw(data: Document, shown: Sequence[tuple[str, list[ComparisonData]]]) -> Canvas:
    scale = scale_of(data)
    with style.look():
        columns = 2 if len(shown) > 2 and max(len(rows) for _, rows in shown) < 4 else 1
        lines = -(-len(shown) // columns)
        figure, axes = style.new_figure(1.75 * lines + 0.3, rows=lines, columns=columns)
        style.margins(figure, ["100.00"], top=0.28, bottom=0.3)
        figure.subplots_adjust(hspace=0.42, wspace=0.22, left=0.13)
        for axis, (name, rows) in zip(axes, shown, strict=False):
            axis.set_title(style.shorten(name, 60 // columns), pad=4)
            _panel(axis, data, rows, 60 // columns)
        for axis in axes[len(shown) :]:
            axis.set_visible(False)
        axes[columns * ((lines - 1) // 2)].set_ylabel(metric_label(scale))
    return figure


def _panel(axis: Axes, data: Document, rows: Sequence[ComparisonData], room: int) -> None:
    scale, colours = scale_of(data), arm_colours(data)
    labels = []
    for i, c in enumerate(rows):
        ours, base = arm_of(data, c["treatment"]), arm_of(data, c["baseline"])
        colour, ends = colours[ours["method"]], (i - 0.28, i + 0.28)
        pairs = [(scale.factor * base["values"][s], scale.factor * ours["values"][s]) for s in c["differences"]]
        for pair in pairs:
            axis.plot(ends, pair, "o-", color=colour, linewidth=0.7, alpha=0.55, markersize=2.6, markeredgewidth=0)
        means = [sum(side) / len(pairs) for side in zip(*pairs, strict=True)]
        axis.plot(ends, means, color=style.INK, linewidth=1.8, solid_capstyle="round")
        labels.append(style.shorten(ours["method"], room // len(rows)))
    axis.set_xticks(range(len(rows)), labels)
    axis.set_xlim(-0.6, len(rows) - 0.4)
    axis.tick_params(axis="x", length=0)
    axis.grid(axis="y")
    axis.set_axisbelow(True)
