"""The part of the section on class imbalance that shows whether a gain depends on the imbalance."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.formatting import count, listing, p_equals, show_confidence, show_coverage, show_p
from analysis.report import style
from analysis.report.cells import between, gain, p_cell, table, whole, with_withheld
from analysis.report.elements import Cell, Figure, Table
from analysis.report.figures.arms import arm_colours
from analysis.report.figures.axes import unit_label
from analysis.report.figures.dots import Dot, dot_rows
from analysis.results.document import ContrastData, Document, scale_of
from analysis.results.verdicts import FRAGILE_BELOW


def sentence(data: Document, c: ContrastData) -> str:
    """One contrast in words: verdict, both gains, the interval at the level of the correction, p, n and scope."""
    scale = scale_of(data)
    fragile = ", fragile" if c["n"] < FRAGILE_BELOW else ""
    whose = f"the gain of {c['treatment']} over {c['baseline']}"
    if c["p_adjusted"] is None:
        lead = f"No verdict on whether {whose} depends on the imbalance ({c['reason']})"
    elif c["verdict"].startswith("depends"):
        lead = f"T{whose[1:]} depends on the imbalance"
    else:
        lead = f"T{whose[1:]} shows no significant dependence on the imbalance"
    return (
        f"{lead}: {scale.signed(c['gain'])} in {c['block']} against {scale.signed(c['gain_reference'])} in "
        f"{c['reference']}, interaction {scale.signed(c['difference'])}{scale.unit_after} ({_interval(data, c)}"
        f"{_tests(data, c)}; n = {count(c['n'], 'seed')}{fragile}; {c['scope']})."
    )


def _interval(data: Document, c: ContrastData) -> str:
    level, low, high = c["ci_verdict_level"], c["ci_verdict_low"], c["ci_verdict_high"]
    if level is None:
        level, low, high = 1 - data["alpha"], c["ci_low"], c["ci_high"]
    return "no interval" if low is None else f"{show_coverage(level)} CI {scale_of(data).range(low, high)}"


def _tests(data: Document, c: ContrastData) -> str:
    if c["p_adjusted"] is None:
        return ""
    over = f", Holm {show_p(c['p_adjusted'], data['alpha'])} over {count(c['m'], 'contrast')}" if c["m"] > 1 else ""
    return f"; {p_equals(c['p'], data['alpha'])}{over}"


def figure(data: Document, contrasts: Sequence[ContrastData]) -> Figure:
    """Interaction contrasts with their pointwise intervals, one panel per pair of blocks."""
    scale, colours = scale_of(data), arm_colours(data)
    groups: dict[str, list[Dot]] = {}
    for c in contrasts:
        low, high = scale.on_axis(c["ci_low"]), scale.on_axis(c["ci_high"])
        colour = colours.get(c["treatment"], style.INK)
        dot = Dot(c["treatment"], scale.on_axis(c["difference"]), low, high, colour)
        groups.setdefault(f"{c['block']} against {c['reference']}", []).append(dot)
    caption = (
        "Interaction contrast: gain over the baseline under imbalance minus the gain in the mildest block that differs "
        f"in the imbalance alone, paired by seed; pointwise {show_confidence(data['alpha'])} t-intervals, n = "
        f"{listing(sorted({c['n'] for c in contrasts}))} seeds, for {_scopes(contrasts)}. Left of zero: the gain is "
        "lower under imbalance."
    )
    alt = "Interaction contrasts. " + "; ".join(f"{c['treatment']} {scale.signed(c['difference'])}" for c in contrasts)
    rows = tuple((c["treatment"], c["block"], c["reference"], c["difference"]) for c in contrasts)
    drawing = dot_rows(list(groups.items()), f"gain minus gain{unit_label(scale)}", lines=(0.0,))
    return Figure(
        "interaction",
        with_withheld(data, caption),
        alt,
        drawing,
        ("treatment", "block", "reference", "difference"),
        rows,
    )


def _scopes(contrasts: Sequence[ContrastData]) -> str:
    return listing(sorted({c["scope"] for c in contrasts}))


def contrast_table(data: Document, contrasts: Sequence[ContrastData]) -> Table:
    """Every contrast with both gains, interval and tests."""
    scale = scale_of(data)
    rows = [
        (
            Cell(c["treatment"]), Cell(c["block"]), Cell(c["reference"]), Cell(c["verdict"]), whole(c["n"]),
            gain(scale, c["gain"]), gain(scale, c["gain_reference"]), gain(scale, c["difference"]),
            between(scale, c["ci_low"], c["ci_high"]), p_cell(data, c["p"]), p_cell(data, c["p_adjusted"]),
        )
        for c in contrasts
    ]  # fmt: skip
    header = (
        "treatment", "block", "reference", "verdict", "n", "gain", "gain in reference", "interaction",
        f"{show_confidence(data['alpha'])} CI", "p", "p Holm",
    )  # fmt: skip
    caption = (
        "Does the gain depend on the imbalance? Interaction contrasts paired by seed, between blocks that differ in "
        f"the imbalance alone. Pointwise intervals for {_scopes(contrasts)}; Holm over all "
        f"{count(contrasts[0]['m'], 'contrast')}, apart from the declared comparisons."
    )
    return table("interaction", with_withheld(data, caption), header, rows, text=(0, 1, 2, 3))
