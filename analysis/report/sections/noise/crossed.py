"""The section on crossed sources of chance: what each adds to one run, and which may be fixed."""

from __future__ import annotations

import math
from collections.abc import Iterator

from analysis.formatting import listing, show_confidence, show_percent, show_percent_range
from analysis.report import style
from analysis.report.cells import number, p_cell, percent, percents, table, value, values_cell, whole
from analysis.report.elements import Cell, Figure, Section, Table
from analysis.report.figures.axes import unit_label
from analysis.report.figures.dots import Dot, dot_rows
from analysis.results.document import CrossedData, Document, SourceData, scale_of
from analysis.stats.designs.components import FIX, RANDOMISE, SMALL, UNCLEAR

PLACE = 122


def section(data: Document) -> Section:
    """The advice for each arm in words, then the components with their intervals."""
    arms = data["crossed"]
    shown = [arm for arm in arms if arm["components"]]
    figures = (_figure(data, shown),) if shown else ()
    tables = (_table(data, shown),) if shown else ()
    return Section("crossed", "Crossed sources of chance", tuple(_sentence(arm) for arm in arms), tables, figures)


def _sentence(arm: CrossedData) -> str:
    """What to do with each source of one arm, or why nothing can be said."""
    sizes = " × ".join(f"{n} {source}" for n, source in zip(arm["levels"], arm["sources"], strict=True))
    lead = f"{arm['arm']} ({sizes}, {arm['runs']} of {arm['planned']} runs):"
    if arm["reason"]:
        return f"{lead} no components, because {arm['reason']}."
    return " ".join([lead, *_advice(arm)])


def _advice(arm: CrossedData) -> Iterator[str]:
    for advice, lead in (
        (RANDOMISE, "Draw anew with every seed"),
        (FIX, "May be fixed"),
        (UNCLEAR, "Not known, so draw anew with every seed, or add levels"),
    ):
        found = [_named(c) for c in arm["components"] if c["advice"] == advice]
        if found:
            yield f"{lead}: {listing(found)}."


def _named(c: SourceData) -> str:
    share, interval = show_percent(c["share"]), show_percent_range(c["share_low"], c["share_high"])
    return f"{_name(c)} ({share} of the variance of one run, {interval})"


def _name(c: SourceData) -> str:
    return " × ".join(c["sources"])


def _sd(variance: float | None) -> float | None:
    return None if variance is None else math.sqrt(variance)


def _table(data: Document, arms: list[CrossedData]) -> Table:
    scale, level = scale_of(data), show_confidence(data["alpha"])
    rows = [
        (
            Cell(arm["arm"]), Cell(_name(c)), value(scale, _sd(c["variance"])),
            values_cell(scale, _sd(c["low"]), _sd(c["high"])),
            percent(c["share"]), percents(c["share_low"], c["share_high"]), number(c["f"]), whole(c["df"]),
            p_cell(data, c["p"]), Cell(c["advice"]),
        )
        for arm in arms for c in arm["components"]
    ]  # fmt: skip
    header = (
        "arm", "source", "SD", f"{level} CI", "share of the variance", f"{level} CI of the share", "F", "df", "p",
        "advice",
    )  # fmt: skip
    caption = (
        "What each crossed source adds to one run: SD of a random-effects model in which all sources are crossed. The "
        "last interaction holds all noise without a name. Intervals (Ting et al. 1990) assume normal effects; a lower "
        f"end above 0 is an F test at {data['alpha'] / 2:g}. Advice: randomise where the source surely adds something, "
        f"may be fixed where it surely adds less than {show_percent(SMALL, 0)}. It is about the spread between runs, "
        "not about their mean: a fixed source limits what a result describes to that one level."
    )
    return table("crossed", caption, header, rows, text=(0, 1, 9))


def _figure(data: Document, arms: list[CrossedData]) -> Figure:
    scale = scale_of(data)
    groups = []
    for arm in arms:
        dots = []
        for c in arm["components"]:
            sd, low, high = (scale.on_axis(_sd(c[key])) for key in ("variance", "low", "high"))
            dots.append(Dot(_name(c), sd, low, high, style.PALETTE[0] if c["advice"] else style.BASELINE))
        groups.append((arm["arm"], dots))
    rows = tuple(
        (arm["arm"], _name(c), _sd(c["variance"]), _sd(c["low"]), _sd(c["high"]), c["share"])
        for arm in arms for c in arm["components"]
    )  # fmt: skip
    caption = (
        "Spread (SD) that each crossed source of chance adds to one run, with its "
        f"{show_confidence(data['alpha'])} interval; interactions in grey. "
        f"Runs: {listing(sorted({arm['runs'] for arm in arms}))} for each arm."
    )
    alt = "SD by crossed source. " + "; ".join(
        f"{arm['arm']} {_name(c)}: {scale.value(_sd(c['variance']))}" for arm in arms[:6] for c in arm["components"]
    )
    drawing = dot_rows(groups, f"SD over runs{unit_label(scale)}")
    return Figure("crossed", caption, alt, drawing, ("arm", "source", "sd", "low", "high", "share"), rows)
