"""The section on variance by source and on power."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from analysis.formatting import (
    MISSING,
    Scale,
    listing,
    show_confidence,
    show_hours,
    show_number,
    show_p,
)
from analysis.report import style
from analysis.report.cells import (
    number,
    numbers_of,
    p_cell,
    percent,
    percents,
    scope_line,
    seeds_cell,
    table,
    value,
    values_cell,
    whole,
)
from analysis.report.elements import Cell, Figure, Section, Table
from analysis.report.figures.arms import arm_colours
from analysis.report.figures.axes import unit_label
from analysis.report.figures.dots import Dot, dot_rows
from analysis.results.document import ComparisonData, ComponentData, Document, FeasibilityData, IntervalData, scale_of

PLACE = 120


def section(data: Document) -> Section:
    """Variance components where the study has them; then what each comparison can show."""
    parts = data["variance"]
    figures = [_component_figure(data, parts)] if parts else []
    tables = [_component_table(data, parts)] if parts else []
    wins = [(c, c["detail"]["p_better"]) for c in data["comparisons"] if "detail" in c]
    paired = [(c, share) for c, share in wins if share is not None]
    if paired:
        figures.append(_win_figure(data, paired))
    if any(c["feasibility"] for c in data["comparisons"]):
        tables.append(_power_table(data))
    title = "Variance sources and power" if parts else "Power"
    return Section("power", title, tables=tuple(tables), figures=tuple(figures))


def _component_figure(data: Document, parts: Sequence[ComponentData]) -> Figure:
    scale = scale_of(data)
    groups: dict[str, list[Dot]] = {}
    for c in parts:
        name = f"{c['block']}, {c['method']}" if c["method"] else c["block"]
        colour = style.BASELINE if c["source"] == "all" else style.PALETTE[0]
        sd, low, high = (scale.on_axis(c[k]) for k in ("sd", "sd_low", "sd_high"))
        dot = Dot(c["source"], sd, low, high, colour)
        groups.setdefault(name, []).append(dot)
    rows = tuple((c["block"], c["method"], c["source"], c["sd"], c["sd_low"], c["sd_high"]) for c in parts)
    caption = (
        "Spread (SD) that each source of randomness causes alone, with the others held, and all together (grey); "
        f"{show_confidence(data['alpha'])} chi-square intervals, "
        f"n = {listing(sorted({c['n'] for c in parts}))} runs each."
    )
    alt = "SD by source. " + "; ".join(f"{c['block']} {c['source']}: {scale.value(c['sd'])}" for c in parts)
    drawing = dot_rows(list(groups.items()), f"SD over runs{unit_label(scale)}")
    return Figure("variance", caption, alt, drawing, ("block", "method", "source", "sd", "low", "high"), rows)


def _component_table(data: Document, parts: Sequence[ComponentData]) -> Table:
    scale = scale_of(data)
    rows = [
        (
            Cell(c["block"]), Cell(c["method"] or MISSING), Cell(c["source"]), whole(c["n"]),
            Cell(scale.value(c["sd"]), c["sd"]),
            values_cell(scale, c["sd_low"], c["sd_high"]),
            percent(c["share"]), percents(c["share_low"], c["share_high"]), p_cell(data, c["p_less"]),
        )
        for c in parts
    ]  # fmt: skip
    level = show_confidence(data["alpha"])
    header = (
        "block", "method", "source", "runs", "SD", f"{level} CI", "share of the variance", f"{level} CI of the share",
        "p (same spread as all)",
    )  # fmt: skip
    caption = (
        "Variance by source. Shares need not sum to 100 %, because sources interact. Interval and p of a share: Pitman "
        "and Morgan, paired by seed; both assume normal runs. The test is weak: a source with half of the variance is "
        "told from all sources together in about 11 % of studies with 5 runs, 26 % with 10 and 53 % with 20. A large p "
        "is therefore no evidence that a source matters as much as all together."
    )
    return table("variance", caption, header, rows, text=(0, 1, 2))


def _win_figure(data: Document, shown: Sequence[tuple[ComparisonData, IntervalData]]) -> Figure:
    colours = arm_colours(data)
    methods = {a["arm"]: a["method"] for a in data["arms"]}
    groups: dict[str, list[Dot]] = {}
    for c, share in shown[:200]:
        method = methods[c["treatment"]]
        groups.setdefault(c["family"], []).append(Dot(method, *numbers_of(share), colours[method]))
    rows = tuple((c["family"], c["treatment"], *numbers_of(share)) for c, share in shown)
    caption = (
        "Probability that the treatment beats its baseline on one seed: share of wins (ties half) with its 95 % "
        "Clopper–Pearson interval. Lines: 0.5 (no difference) and 0.75. By Bouthillier et al. (2021) a difference "
        f"matters where the interval lies above 0.5 and the estimate is 0.75 or more. {scope_line(data)}"
    )
    alt = "Probability of being better. " + "; ".join(
        f"{c['treatment']} {show_number(share['estimate'])}" for c, share in shown[:12]
    )
    drawing = dot_rows(list(groups.items()), "P(better than the baseline)", lines=(0.5, 0.75), limits=(-0.02, 1.02))
    return Figure("wins", caption, alt, drawing, ("family", "treatment", "estimate", "low", "high"), rows)


def _power_table(data: Document) -> Table:
    scale = scale_of(data)
    able = [(c, c["feasibility"]) for c in data["comparisons"]]
    rows = [_power_row(data, scale, c, found) for c, found in able if found is not None]
    effect = f"{scale.value(data['sesoi'])}{scale.unit_after}" if data["sesoi"] else "the declared effect"
    header = (
        "treatment", "n", "SD of differences", "correlation", "smallest exact p", "detectable (80 %)",
        "by the interval of the SD", f"seeds for {effect}", "with upper SD", "computing time needed",
    )  # fmt: skip
    if data["unpaired"]:
        kept = (0, 1, 5, 6)
        shown = [[row[i] for i in kept] for row in rows]
        return table("power", _WELCH_POWER, [header[i] for i in kept], shown)
    return table(
        "power",
        "What n seeds can show (t-test, two-sided, 80 % power, at the level of the verdict: α over the number of "
        "comparisons corrected together), with the measured SD of the differences and at both ends of its 95 % "
        "interval; and how many seeds are needed to detect the declared effect, from the measured SD and from its "
        f"upper 80 % bound.{'' if data['from_table'] else ' Computing time from the records.'}",
        header, rows,
    )  # fmt: skip


_WELCH_POWER = (
    "What the seeds of two unpaired arms can show (Welch's t-test, two-sided, 80 % power, at the level of the verdict: "
    "α over the number of comparisons corrected together), with the measured standard error of the difference and at "
    "both ends of the 95 % interval of the SD."
)


def _power_row(data: Document, scale: Scale, c: ComparisonData, f: FeasibilityData) -> tuple[Cell, ...]:
    detail = c.get("detail")
    spread, correlation = (detail["sd_difference"], detail["correlation"]) if detail else (None, None)
    cost = f["seconds_for_effect"]
    return (
        Cell(c["treatment"]),
        seeds_cell(c),
        value(scale, spread),
        number(correlation),
        Cell(show_p(f["smallest_p"]), f["smallest_p"]),
        value(scale, f["detectable"]),
        values_cell(scale, f["detectable_low"], f["detectable_high"]),
        _seeds(data, c, f, "seeds_for_effect"),
        _seeds(data, c, f, "seeds_for_effect_high"),
        Cell(MISSING if cost is None else f"{show_hours(cost)} {f['device']}", cost),
    )


def _seeds(
    data: Document, c: ComparisonData, f: FeasibilityData, key: Literal["seeds_for_effect", "seeds_for_effect_high"]
) -> Cell:
    """Seeds for the declared effect; none where more seeds of the same data cannot help."""
    n = f[key]
    if n is None:
        resplits = "detail" in c and c["detail"]["overlap"] is not None
        able = data["sesoi"] and f["detectable"] is not None and not resplits
        return Cell("> 100,000" if able else MISSING, None)
    return Cell(str(n), n)
