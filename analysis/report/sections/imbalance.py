"""The section on class imbalance."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.formatting import listing, make_scale, p_equals
from analysis.report import style
from analysis.report.cells import between, gain, number, p_cell, scope_line, table, value, whole
from analysis.report.elements import Cell, Figure, Section, Table
from analysis.report.figures.arms import arm_colours, method_of
from analysis.report.figures.axes import unit_label
from analysis.report.figures.dots import Dot, dot_rows
from analysis.results.document import ContrastData, Document, GapData, TailData, scale_of

MAX_CLASS_PANELS, MAX_CLASSES = 6, 40


UNEVEN = 1.5  # largest over smallest class, above which the classes count as uneven


ACCURACY = make_scale("test_macro_top1")


def section(data: Document) -> Section:
    """Macro accuracy, shot groups, single classes, and the interaction of gain and imbalance."""
    tails, contrasts = data["tail"], data["interactions"]
    figures: list[Figure] = []
    tables: list[Table] = []
    if tails:
        uneven = [t for t in tails if _spread(t) > UNEVEN]
        figures += [*_group_figure(data, uneven), *_class_figures(data, uneven)]
        tables += [_group_table(data, tails), _class_table(data, tails)]
    if contrasts:
        figures.append(_contrast_figure(data, contrasts))
        tables.append(_contrast_table(data, contrasts))
    texts = (*_tail_text(tails), *(_contrast_text(data, c) for c in contrasts))
    return Section("imbalance", "Class imbalance", texts, tuple(tables), tuple(figures))


def _tail_text(tails: Sequence[TailData]) -> list[str]:
    if not tails:
        return []
    balanced = all(t["test_balanced"] for t in tails)
    text = f"The test set is {'balanced' if balanced else 'not balanced'} over classes. "
    empty = sorted({(t["family"], g) for t in tails for g in t["empty"]})
    if empty:
        text += " ".join(f"{_NO_CLASS[group]} ({listing(families, 6)})." for group, families in _by_group(empty))
    return [text.strip()]


_NO_CLASS = {
    "many": "No class has more than 100 training samples",
    "medium": "No class has 20 to 100 training samples",
    "few": "No class has fewer than 20 training samples",
}


def _by_group(empty: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Shot groups without a class, each with the families in which it has none."""
    groups = [(group, [family for family, g in empty if g == group]) for group in _NO_CLASS]
    return [(group, families) for group, families in groups if families]


def _gap_dot(gap: GapData, colour: str) -> Dot:
    low, high = ACCURACY.on_axis(gap["ci_low"]), ACCURACY.on_axis(gap["ci_high"])
    return Dot(gap["name"], ACCURACY.on_axis(gap["difference"]), low, high, colour)


def _group_figure(data: Document, tails: Sequence[TailData]) -> list[Figure]:
    if not tails:
        return []
    colours = arm_colours(data)
    parts = [
        (t["treatment"], [_gap_dot(g, colours[method_of(data, t["treatment"])]) for g in (*t["overall"], *t["groups"])])
        for t in tails
    ]  # fmt: skip
    caption = (
        "Paired differences from the baseline in macro accuracy, in the worst class and by shot group (training "
        f"counts: many > 100, medium 20 to 100, few < 20); 95 % t-intervals over {_ns(tails)} seeds. "
        f"{scope_line(data)}"
    )
    rows = [
        (t["treatment"], g["name"], g["classes"], g["difference"], g["ci_low"], g["ci_high"])
        for t in tails for g in (*t["overall"], *t["groups"])
    ]  # fmt: skip
    alt = "Differences by shot group. " + "; ".join(
        f"{t['treatment']}: " + ", ".join(f"{g['name']} {ACCURACY.signed(g['difference'])}" for g in t["groups"])
        for t in tails[:8]
    )
    drawing = dot_rows(parts, "difference from the baseline (points)", lines=(0.0,))
    header = ("treatment", "group", "classes", "difference", "low", "high")
    return [Figure("shot-groups", caption, alt, drawing, header, tuple(rows))]


def _ns(tails: Sequence[TailData]) -> str:
    return listing(sorted({g["n"] for t in tails for g in t["overall"]}))


def _class_figures(data: Document, tails: Sequence[TailData]) -> list[Figure]:
    """Per-class differences sorted by training count; the table holds every comparison."""
    uneven = [t for t in tails if len(t["classes"]) <= MAX_CLASSES][:MAX_CLASS_PANELS]
    if not uneven:
        return []
    colours = arm_colours(data)
    parts = [
        (
            t["treatment"],
            [
                Dot(f"{g['name']} (n={g['train_count']:.0f})", *_ends(g), colours[method_of(data, t["treatment"])])
                for g in t["classes"]
            ],
        )
        for t in uneven
    ]
    rows = [
        (t["treatment"], g["name"], g["train_count"], g["difference"], g["ci_low"], g["ci_high"])
        for t in uneven for g in t["classes"]
    ]  # fmt: skip
    caption = (
        "Paired difference from the baseline in each class, classes sorted by their number of training samples (in "
        f"parentheses); 95 % t-intervals over {_ns(uneven)} seeds. Exploratory. {scope_line(data)}"
    )
    alt = f"Per-class differences of {listing([t['treatment'] for t in uneven])}, from head to tail."
    drawing = dot_rows(parts, "difference from the baseline (points)", lines=(0.0,))
    header = ("treatment", "class", "training samples", "difference", "low", "high")
    return [Figure("classes", caption, alt, drawing, header, tuple(rows))]


def _ends(g: GapData) -> tuple[float, float | None, float | None]:
    dot = _gap_dot(g, "")
    return float(dot.estimate or 0.0), dot.low, dot.high


def _spread(t: TailData) -> float:
    counts = [g["train_count"] or 0.0 for g in t["classes"]]
    return float(max(counts) / max(min(counts), 1.0))


def _group_table(data: Document, tails: Sequence[TailData]) -> Table:
    rows = [
        (
            Cell(t["treatment"]), Cell(g["name"]), whole(g["classes"]), value(ACCURACY, g["baseline"]),
            value(ACCURACY, g["treatment"]), gain(ACCURACY, g["difference"]),
            between(ACCURACY, g["ci_low"], g["ci_high"]), p_cell(data, g["p"]), p_cell(data, g["p_adjusted"]),
        )
        for t in tails for g in (*t["overall"], *t["groups"])
    ]  # fmt: skip
    header = (
        "treatment", "accuracy over", "classes", "baseline (%)", "treatment (%)", "difference", "95 % CI", "p",
        "p Holm",
    )  # fmt: skip
    return table(
        "shot-groups",
        "Macro, worst-class and shot-group accuracy against the baseline, paired by seed; Holm inside the groups and "
        f"inside the two summaries of one comparison. {scope_line(data)}",
        header, rows, text=(0, 1),
    )  # fmt: skip


def _class_table(data: Document, tails: Sequence[TailData]) -> Table:
    rows = [
        (
            Cell(t["treatment"]), Cell(g["name"]), number(g["train_count"], 0), value(ACCURACY, g["baseline"]),
            gain(ACCURACY, g["difference"]), between(ACCURACY, g["ci_low"], g["ci_high"]),
            p_cell(data, g["p_adjusted"]),
        )
        for t in tails for g in t["classes"][:200]
    ]  # fmt: skip
    header = ("treatment", "class", "training samples", "baseline (%)", "difference", "95 % CI", "p BH")
    caption = (
        "Every class, sorted by training samples; Benjamini–Hochberg over the classes of a comparison. Exploratory."
    )
    return table("classes", caption, header, rows, text=(0, 1), long=True)


def _contrast_text(data: Document, c: ContrastData) -> str:
    scale = scale_of(data)
    shown = c["p_adjusted"] <= data["alpha"]
    found = "depends on the imbalance" if shown else "shows no significant dependence on the imbalance"
    return (
        f"The gain of {c['treatment']} {found}: {scale.signed(c['gain'])} in {c['block']} against "
        f"{scale.signed(c['gain_reference'])} in {c['reference']}, interaction {scale.signed(c['difference'])}"
        f"{scale.unit_after} (95 % CI {scale.range(c['ci_low'], c['ci_high'])}; {p_equals(c['p'])}, Holm "
        f"{p_equals(c['p_adjusted'])}; n = {c['n']})."
    )


def _contrast_figure(data: Document, contrasts: Sequence[ContrastData]) -> Figure:
    scale, colours = scale_of(data), arm_colours(data)
    groups: dict[str, list[Dot]] = {}
    for c in contrasts:
        low, high = scale.on_axis(c["ci_low"]), scale.on_axis(c["ci_high"])
        colour = colours.get(c["treatment"], style.INK)
        dot = Dot(c["treatment"], scale.on_axis(c["difference"]), low, high, colour)
        groups.setdefault(f"{c['block']} against {c['reference']}", []).append(dot)
    caption = (
        "Interaction contrast: gain over the baseline under imbalance minus the gain in the mildest block, paired by "
        f"seed; 95 % t-intervals, n = {listing(sorted({c['n'] for c in contrasts}))}. Left of zero: the gain is "
        f"smaller under imbalance. {scope_line(data)}"
    )
    alt = "Interaction contrasts. " + "; ".join(f"{c['treatment']} {scale.signed(c['difference'])}" for c in contrasts)
    rows = tuple((c["treatment"], c["block"], c["reference"], c["difference"]) for c in contrasts)
    drawing = dot_rows(list(groups.items()), f"gain minus gain{unit_label(scale)}", lines=(0.0,))
    return Figure("interaction", caption, alt, drawing, ("treatment", "block", "reference", "difference"), rows)


def _contrast_table(data: Document, contrasts: Sequence[ContrastData]) -> Table:
    scale = scale_of(data)
    rows = [
        (
            Cell(c["treatment"]), Cell(c["block"]), Cell(c["reference"]), whole(c["n"]), gain(scale, c["gain"]),
            gain(scale, c["gain_reference"]), gain(scale, c["difference"]),
            between(scale, c["ci_low"], c["ci_high"]), p_cell(data, c["p"]), p_cell(data, c["p_adjusted"]),
        )
        for c in contrasts
    ]  # fmt: skip
    header = (
        "treatment",
        "block",
        "reference",
        "n",
        "gain",
        "gain in reference",
        "interaction",
        "95 % CI",
        "p",
        "p Holm",
    )
    caption = f"Does the gain depend on the imbalance? Interaction contrasts paired by seed. {scope_line(data)}"
    return table("interaction", caption, header, rows, text=(0, 1, 2))
