"""The section on sensitivity: curves with bands, heat maps, shares of variance, importance."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.formatting import (
    MISSING,
    Scale,
    count,
    listing,
    sentence_case,
    show_alpha_percent,
    show_confidence,
    show_coverage,
    show_level,
    show_percent,
)
from analysis.report import style
from analysis.report.cells import (
    number,
    p_cell,
    percent,
    percents,
    scope_line,
    table,
    value,
    values_cell,
    whole,
    with_withheld,
)
from analysis.report.elements import Cell, Figure, Section, Table
from analysis.report.figures.curves import draw_curves
from analysis.report.figures.dots import Dot, dot_rows
from analysis.report.figures.heat_map import draw_heat_map
from analysis.results.document import CurveData, Document, EffectData, ImportanceData, SharesData, scale_of
from analysis.results.verdicts import FRAGILE_BELOW, MIN_SEEDS
from analysis.stats.anova import REST, SEEDS
from analysis.stats.types import SCOPE_SPLITS

PERCENT = Scale(100.0, "", "%", 1, "share")
"""How shares are drawn."""


PLACE = 80


def section(data: Document) -> Section:
    """Curves first, then grids and their shares, then importance in the tune phase."""
    part = data["sensitivity"]
    figures = _curve_figures(data, part["curves"])
    figures += [_heat_map(data, s, i) for i, s in enumerate(part["shares"]) if len(s["factors"]) == 2]
    figures += _share_figures(part["shares"])
    tables: list[Table] = []
    if part["curves"]:
        tables.append(_curve_table(data, part["curves"]))
    if part["shares"]:
        tables.append(_share_table(data, part["shares"]))
    if data["importance"]:
        figures.append(_importance_figure(data["importance"]))
        tables.append(_importance_table(data["importance"]))
    texts = tuple(sentence(data, c) for c in part["curves"])
    return Section("sensitivity", "Sensitivity", texts, tuple(tables), tuple(figures))


def sentence(data: Document, c: CurveData) -> str:
    """One curve in words: where the best mean is, the largest losses, the range like the default, the edge."""
    where = f"{c['block']}, {c['held']}" if c["held"] else c["block"]
    lead = f"{c['label']} ({where}): best mean at {show_level(c['best'])}."
    parts = [lead, _losses(data, c), _range_like_default(data, c)]
    return " ".join([*(part for part in parts if part), *(f"Note: {w}." for w in c["warnings"])])


def _losses(data: Document, c: CurveData) -> str:
    """Which levels can be the best, and by how much each can be worse than the best of the others."""
    scale = scale_of(data)
    if c["reason"]:
        return f"No statement about the best level ({c['reason']})."
    if c["error"] is None:
        why = "fewer than 3 common seeds" if c["n"] < MIN_SEEDS else "the differences have no spread"
        return f"No statement about the best level ({why})."
    losses = [f"{show_level(lv['value'])}: {scale.value(lv['worse_by_at_most'])}" for lv in c["levels"]]
    best = [show_level(x) for x in c["plateau"]]
    unit = f" ({scale.unit})" if scale.unit else ""
    fragile = ", fragile" if c["n"] < FRAGILE_BELOW else ""
    return (
        f"With {show_confidence(data['alpha'])} confidence for all levels of this curve together, the best level is "
        f"{f'one of {listing(best, 12)}' if len(best) > 1 else best[0]}. The largest loss that the data allow for each "
        f"level, against the best of the others{unit}: {listing(losses, 12)} (Hsu's comparison with the best; error "
        f"pooled over the levels, SD of the difference between two of them {scale.value(c['sd_low'])} to "
        f"{scale.value(c['sd_high'])}; n = {count(c['n'], 'seed')}{fragile}; {c['scope']})."
    )


def _range_like_default(data: Document, c: CurveData) -> str:
    """The levels around the default that are equivalent to it."""
    scale, found, level = scale_of(data), c["insensitivity"], c["insensitivity_level"]
    if found is None or level is None:
        return ""
    margin = f"±{scale.value(data['sesoi'])}{scale.unit_after} of the default {show_level(c['default'])}"
    how = f"{show_coverage(level)} t-intervals, from the default outwards"
    if len(found) == 1:
        return f"No neighbour is shown to lie within {margin} ({how})."
    return (
        f"Within {margin} at each level tested from {show_level(found[0])} to {show_level(found[-1])} ({how}, so that "
        f"the whole range holds {show_alpha_percent(data['alpha'])})."
    )


def _curve_figures(data: Document, curves: Sequence[CurveData]) -> list[Figure]:
    """One figure per factor, one panel per block and setting of the other factors."""
    figures = []
    for factor in dict.fromkeys(c["factor"] for c in curves):
        mine = [c for c in curves if c["factor"] == factor]
        drawing = draw_curves(data, mine)
        rows = [
            (c["block"], c["held"], lv["value"], seed, v)
            for c in mine for lv in c["levels"] for seed, v in lv["values"].items()
        ]  # fmt: skip
        alt = f"{scale_of(data).label} against {mine[0]['label']}. " + "; ".join(_curve_alt(data, c) for c in mine[:6])
        header = ("block", "held", factor, "seed", "value")
        figures.append(Figure(f"curve-{factor}", _curve_caption(data, mine), alt, drawing, header, tuple(rows)))
    return figures


_METHOD = "Hsu's comparison with the best: one pooled error, all levels of a curve together"


def _described(data: Document, curves: Sequence[CurveData]) -> str:
    """What the intervals of curves describe, and where there are none."""
    if all(lv["ci_low"] is None for c in curves for lv in c["levels"]):
        return scope_line(data)
    return with_withheld(data, f"Intervals describe {listing(sorted({c['scope'] for c in curves}))}.")


def _curve_alt(data: Document, c: CurveData) -> str:
    scale = scale_of(data)
    points = ", ".join(f"{show_level(lv['value'])}: {scale.value(lv['mean'])}" for lv in c["levels"])
    return f"{c['block']} {points}"


def _curve_caption(data: Document, curves: Sequence[CurveData]) -> str:
    level = show_confidence(data["alpha"])
    ns = sorted({c["n"] for c in curves})
    grey = " Grey band: the baseline's interval." if any(c["reference"] for c in curves) else ""
    default = " Dashed line: the default." if any(c["default"] is not None for c in curves) else ""
    rings = f" Rings: the level can be the best ({_METHOD})." if any(c["error"] is not None for c in curves) else ""
    return (
        f"{sentence_case(scale_of(data).label)} against {curves[0]['label']}: mean, pointwise {level} t-interval "
        f"(dark band) and band "
        f"that holds at all levels together (light; Bonferroni); thin lines are seeds (n = {listing(ns)}).{rings}"
        f"{default}{grey} Nothing is drawn beyond the grid. {_described(data, curves)}"
    )


def _curve_table(data: Document, curves: Sequence[CurveData]) -> Table:
    scale = scale_of(data)
    rows = [
        (
            Cell(c["block"]), Cell(c["held"] or MISSING), Cell(c["label"]), Cell(show_level(lv["value"])),
            whole(lv["n"]), value(scale, lv["mean"]), values_cell(scale, lv["ci_low"], lv["ci_high"]),
            values_cell(scale, lv["band_low"], lv["band_high"]), value(scale, lv["worse_by_at_most"]),
            value(scale, lv["better_by_at_most"]),
            Cell(MISSING if lv["insensitive"] is None else "yes" if lv["insensitive"] else "no"),
        )
        for c in curves for lv in c["levels"]
    ]  # fmt: skip
    header = (
        "block", "held", "factor", "level", "n", "mean", "CI", "simultaneous band", "worse by at most",
        "better by at most", "like the default",
    )  # fmt: skip
    return table(
        "sensitivity",
        f"Each level of each factor: {show_confidence(data['alpha'])} t-interval, simultaneous band (Bonferroni "
        "over the levels), by how much the level can be worse and better than the best of the others "
        f"({_METHOD}; 0 in “better”: it is not the best), and whether it is equivalent to the default within the "
        "declared margin (t-intervals as in the sentences). Different curves are not corrected together. "
        f"{_described(data, curves)}",
        header, rows, text=(0, 1, 2, 3, 10), long=True,
    )  # fmt: skip


def _heat_map(data: Document, s: SharesData, i: int) -> Figure:
    scale = scale_of(data)
    rows = [(*c["at"], c["mean"], c["sd"], c["on_plateau"]) for c in s["cells"]]
    outlined = (
        f"Outlined: the cell can be the best ({show_confidence(data['alpha'])}; Hsu's comparison with the best, one "
        "pooled error, all cells together)."
    )
    none = "No cell is outlined: there is no statement about the best cell."
    caption = (
        f"{sentence_case(scale.label)} over {s['factors'][0]} × {s['factors'][1]} ({s['block']}): mean ± SD of "
        f"n = {s['n']} seeds in each cell; colour is the difference from the mean of the grid. "
        f"{outlined if any(c['on_plateau'] for c in s['cells']) else none} {scope_line(data)}"
    )
    alt = f"Heat map of {scale.label}. " + "; ".join(
        f"{', '.join(show_level(x) for x in c['at'])}: {scale.value(c['mean'])}" for c in s["cells"][:30]
    )
    header = (*s["factors"], "mean", "sd", "can be the best")
    return Figure(f"grid-{i + 1}", caption, alt, draw_heat_map(s, scale), header, tuple(rows))


def _share_figures(parts: Sequence[SharesData]) -> list[Figure]:
    if not parts:
        return []
    groups = [(s["block"], [_share_dot(e) for e in s["effects"]]) for s in parts if s["effects"]]
    if not groups:
        return []
    rows = [
        (s["block"], e["name"], e["share"], e["low"], e["high"], e["noise_floor"]) for s in parts for e in s["effects"]
    ]
    caption = (
        "Share of the sum of squares that each factor, their interaction and the seeds explain (exact ANOVA of the "
        f"complete grid, n = {listing(sorted({s['n'] for s in parts}))} seeds as blocks). Bar: 95 % interval of the "
        "share of a run's variance without what chance adds, for normal noise of one size in every cell. Dashed "
        "tick: what a factor without effect reaches in 5 % of studies; a share left of it is not told from noise. "
        "The shares sum to 1 with the seeds."
    )
    alt = "Shares of variance. " + "; ".join(
        f"{s['block']}: " + ", ".join(f"{e['name']} {show_percent(e['share'])}" for e in s["effects"]) for s in parts
    )
    drawing = dot_rows(groups, "share of the variance (%)", limits=(-2, 102))
    header = ("block", "effect", "share", "low", "high", "noise floor")
    return [Figure("shares", caption, alt, drawing, header, tuple(rows))]


def _share_dot(e: EffectData) -> Dot:
    seeds = e["name"] in (SEEDS, REST)
    low, high, floor = (PERCENT.on_axis(x) for x in (e["low"], e["high"], e["noise_floor"]))
    colour = style.BASELINE if seeds else style.PALETTE[0]
    return Dot(e["name"], PERCENT.on_axis(e["share"]), low, high, colour, mark=None if seeds else floor)


def _share_table(data: Document, parts: Sequence[SharesData]) -> Table:
    rows = [
        (
            Cell(s["block"]), Cell(e["name"]), whole(e["df"]), percent(e["share"]),
            percents(e["low"], e["high"]), percent(e["noise_floor"]),
            number(e["f"]), p_cell(data, e["p"]),
        )
        for s in parts for e in s["effects"]
    ]  # fmt: skip
    notes = [f"{s['block']}: outside the complete grid: {listing(s['left_out'], 12)}." for s in parts if s["left_out"]]
    if SCOPE_SPLITS in data["scope"]:
        notes.append("Intervals, F and p assume independent splits. The splits overlap here, so they are too certain.")
    header = ("block", "effect", "df", "share", "95 % interval", "noise floor", "F", "p")
    return table(
        "shares", "Exact ANOVA of each block's complete grid with the seeds as blocks: the row seeds is what a seed "
        "adds to all settings alike, seeds × settings the rest. F tests each effect against its own interaction with "
        "the seeds; it assumes differences of one spread, so no verdict uses it. The interval is that of the share of "
        f"a run's variance without what chance adds. {scope_line(data)}", header, rows, text=(0, 1), notes=notes,
    )  # fmt: skip


def _importance_figure(found: Sequence[ImportanceData]) -> Figure:
    arms = dict.fromkeys(i["arm"] for i in found)
    groups = [(arm, [_importance_dot(i) for i in found if i["arm"] == arm]) for arm in arms]
    rows = tuple((i["arm"], i["name"], i["share"], i["noise_floor"], i["n"]) for i in found)
    alt = "Importance in the tune phase. " + ", ".join(
        f"{i['arm']}: {i['name']} {show_percent(i['share'], 0)}" for i in found[:24]
    )
    drawing = dot_rows(groups, "importance (%)", limits=(-2, 102))
    return Figure("importance", _importance_caption(found), alt, drawing, ("arm", "field", "share", "floor", "n"), rows)


def _importance_dot(i: ImportanceData) -> Dot:
    colour = style.PALETTE[0] if i["above_noise"] else style.BASELINE
    return Dot(i["name"], 100 * i["share"], None, None, colour, mark=100 * i["noise_floor"])


def _importance_caption(found: Sequence[ImportanceData]) -> str:
    ns = listing(sorted({i["n"] for i in found}))
    return (
        f"Importance of what the tune phase varied, inside each arm ({found[0]['method']}, n = {ns} candidates, on "
        "validation data). Dashed tick: the most that any of 19 dummy settings of random numbers got; grey dots "
        "are below it, as most are with fewer than 40 candidates. Exploratory: the sample is "
        "irregular and chosen by the search."
    )


def _importance_table(found: Sequence[ImportanceData]) -> Table:
    rows = [
        (
            Cell(i["arm"]), Cell(i["name"]), whole(i["n"]), percent(i["share"]), percent(i["noise_floor"]),
            Cell("yes" if i["above_noise"] else "no"),
        )
        for i in found
    ]  # fmt: skip
    header = ("arm", "field", "candidates", "importance", "noise floor", "above noise")
    return table("importance", _importance_caption(found), header, rows, text=(0, 1, 5), long=True)
