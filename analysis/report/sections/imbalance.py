"""The section on class imbalance: shot groups and classes by each seed's own training counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analysis.formatting import (
    MISSING,
    count,
    listing,
    make_scale,
    show_alpha_percent,
    show_confidence,
    show_coverage,
    show_p,
)
from analysis.report.cells import between, gain, number, p_cell, table, value, whole, with_withheld
from analysis.report.elements import Cell, Figure, Section, Table
from analysis.report.figures.arms import arm_colours, method_of
from analysis.report.figures.dots import Dot, dot_rows
from analysis.report.sections import interactions
from analysis.results.document import Document, GapData, TailData, ThresholdsData
from analysis.results.imbalance.tail import UNEVEN
from analysis.results.verdicts import FRAGILE_BELOW

MAX_CLASS_PANELS, MAX_CLASSES = 6, 40
MAX_CLASS_ROWS, MAX_SENTENCES = 200, 12

ACCURACY = make_scale("test_macro_top1")


PLACE = 90


def section(data: Document) -> Section:
    """Macro accuracy, shot groups, single classes, and the interaction of gain and imbalance."""
    tails, contrasts = data["tail"], data["interactions"]
    uneven = [t for t in tails if t["train_ratio"] > UNEVEN]
    figures: list[Figure] = []
    tables: list[Table] = []
    if tails:
        figures += [*_group_figure(data, uneven), *_class_figures(data, uneven)]
        tables += [_group_table(data, tails), *_class_tables(data, tails)]
    if contrasts:
        figures.append(interactions.figure(data, contrasts))
        tables.append(interactions.contrast_table(data, contrasts))
    texts = (*_grouping(data, tails), *_sentences(data, uneven), *(interactions.sentence(data, c) for c in contrasts))
    return Section("imbalance", "Class imbalance", texts, tuple(tables), tuple(figures))


def _grouping(data: Document, tails: Sequence[TailData]) -> list[str]:
    """How the classes were grouped, and which groups and seeds are missing."""
    if not tails:
        return []
    balanced = all(t["test_balanced"] for t in tails)
    moved = list(dict.fromkeys(t["family"] for t in tails if t["classes_by"] == "rank"))
    parts = [f"Shot groups are formed on every seed by its own training counts: {_limits(tails)}."]
    if moved:
        parts.append(
            f"Classes change places between seeds in {listing(moved, 6)}: there, rank 1 is the class with the most "
            "training samples of each seed."
        )
    parts += [f"The test set is {'balanced' if balanced else 'not balanced'} over classes."]
    parts += [f"{words} ({listing(families, 6)})." for words, families in _empty(tails)]
    parts.append(
        f"Holm holds {show_alpha_percent(data['alpha'])} over the groups of one comparison; different comparisons are "
        "not corrected together, so this section is secondary to the declared comparisons."
    )
    reasons = listing(sorted({t["reason"] for t in tails if t["reason"]}))
    parts += [f"No adjusted p-values: {reasons}."] if reasons else []
    notes = [f"{t['treatment']} against {t['baseline']}: {listing(t['warnings'])}." for t in tails if t["warnings"]]
    return [" ".join(parts), *notes]


def _limits(tails: Sequence[TailData]) -> str:
    """The thresholds, with the arms that have them where there are several."""
    arms: dict[str, list[str]] = {}
    for t in tails:
        for arm, limits in zip((t["treatment"], t["baseline"]), t["thresholds"], strict=True):
            arms.setdefault(_in_words(limits), []).append(arm)
    if len(arms) == 1:
        return next(iter(arms))
    return "; ".join(f"{words} in {listing(dict.fromkeys(names), 6)}" for words, names in arms.items())


def _in_words(limits: ThresholdsData) -> str:
    many, few = limits["many"], limits["few"]
    return f"many > {many}, medium {few} to {many}, few < {few}"


def _no_class(group: str, limits: Sequence[ThresholdsData]) -> str:
    """That a shot group has no class; where the arms have other thresholds, that it has none in both arms."""
    if limits[0] != limits[1]:
        return f"No seed has {group} classes in both arms"
    many, few = limits[0]["many"], limits[0]["few"]
    range_ = {"many": f"more than {many}", "medium": f"{few} to {many}", "few": f"fewer than {few}"}[group]
    return f"No class has {range_} training samples"


def _empty(tails: Sequence[TailData]) -> Iterable[tuple[str, list[str]]]:
    """That shot groups have no class on any seed, each with the families in which they have none."""
    found: dict[str, dict[str, None]] = {}
    for t in tails:
        for group in t["empty"]:
            found.setdefault(_no_class(group, t["thresholds"]), {})[t["family"]] = None
    return ((words, list(families)) for words, families in found.items())


def _sentences(data: Document, tails: Sequence[TailData]) -> list[str]:
    """Shot groups and worst class of each comparison with uneven classes, in words."""
    shown = [_sentence(data, t) for t in tails[:MAX_SENTENCES]]
    rest = len(tails) - len(shown)
    return [*shown, *([f"{count(rest, 'more comparison')}: see the table."] if rest else [])]


def _sentence(data: Document, t: TailData) -> str:
    groups = "; ".join(_phrase(data, g) for g in t["groups"])
    overall = "; ".join(_phrase(data, g) for g in t["overall"])
    scope = t["overall"][0]["scope"]
    fragile = ", fragile" if t["seeds"] < FRAGILE_BELOW else ""
    return (
        f"{t['treatment']} against {t['baseline']}, difference of accuracies in points over {count(t['seeds'], 'seed')}"
        f" ({scope}{fragile}). By shot group, Holm over {len(t['groups'])}: {groups}. Over all classes, Holm over "
        f"{len(t['overall'])}: {overall}."
    )


def _phrase(data: Document, g: GapData) -> str:
    """One quantity: difference, the interval at the level of its correction, p, and its seeds if some lack it."""
    level = g["ci_verdict_level"]
    low, high = g["ci_verdict_low"], g["ci_verdict_high"]
    if level is None:
        level, low, high = 1 - data["alpha"], g["ci_low"], g["ci_high"]
    interval = "no interval" if low is None else f"{show_coverage(level)} CI {ACCURACY.range(low, high)}"
    p = "" if g["p_adjusted"] is None else f"; Holm p {_relation(data, g['p_adjusted'])}"
    seeds = f"; {g['n']} of {count(g['of'], 'seed')}" if g["n"] < g["of"] else ""
    return f"{g['name']} {ACCURACY.signed(g['difference'])} ({interval}{p}{seeds})"


def _relation(data: Document, p: float) -> str:
    shown = show_p(p, data["alpha"])
    return shown if shown.startswith("<") else f"= {shown}"


def _gap_dot(gap: GapData, label: str, colour: str) -> Dot:
    low, high = ACCURACY.on_axis(gap["ci_low"]), ACCURACY.on_axis(gap["ci_high"])
    return Dot(label, ACCURACY.on_axis(gap["difference"]), low, high, colour)


def _group_figure(data: Document, tails: Sequence[TailData]) -> list[Figure]:
    if not tails:
        return []
    colours = arm_colours(data)
    parts = [
        (
            t["treatment"],
            [
                _gap_dot(g, _group_label(g), colours[method_of(data, t["treatment"])])
                for g in (*t["overall"], *t["groups"])
            ],
        )
        for t in tails
    ]
    caption = (
        "Paired differences from the baseline in macro accuracy, in the worst class of each arm on each seed, and by "
        f"shot group, formed on every seed by its own training counts ({_limits(tails)}; number of classes in "
        f"parentheses); pointwise {show_confidence(data['alpha'])} t-intervals over {_ns(tails)} seeds, for "
        f"{_scopes(tails)}."
    )
    rows = [
        (t["treatment"], g["name"], g["classes"], g["n"], g["difference"], g["ci_low"], g["ci_high"])
        for t in tails for g in (*t["overall"], *t["groups"])
    ]  # fmt: skip
    alt = "Differences by shot group. " + "; ".join(
        f"{t['treatment']}: " + ", ".join(f"{g['name']} {ACCURACY.signed(g['difference'])}" for g in t["groups"])
        for t in tails[:8]
    )
    drawing = dot_rows(parts, "difference from the baseline (points)", lines=(0.0,))
    header = ("treatment", "group", "classes", "seeds", "difference", "low", "high")
    return [Figure("shot-groups", with_withheld(data, caption), alt, drawing, header, tuple(rows))]


def _group_label(g: GapData) -> str:
    """`few (3)`: the number of classes, and the seeds that have them where others lack them."""
    if g["train_count"] is None or g["name"] == "macro":
        return g["name"]
    low, high = g["classes_low"], g["classes"]
    seeds = f", {g['n']}/{g['of']} seeds" if g["n"] < g["of"] else ""
    return f"{g['name']} ({low if low == high else f'{low}–{high}'}){seeds}"


def _ns(tails: Sequence[TailData]) -> str:
    return listing(sorted({t["seeds"] for t in tails}))


def _scopes(tails: Sequence[TailData]) -> str:
    return listing(sorted({t["overall"][0]["scope"] for t in tails}))


def _class_figures(data: Document, tails: Sequence[TailData]) -> list[Figure]:
    """Per-class differences sorted by training count; the table holds every comparison."""
    fitting = [t for t in tails if 0 < len(t["classes"]) <= MAX_CLASSES]
    uneven = fitting[:MAX_CLASS_PANELS]
    if not uneven:
        return []
    colours = arm_colours(data)
    parts = [
        (
            t["treatment"],
            [
                _gap_dot(g, f"{g['name']} ({_counts(g)})", colours[method_of(data, t["treatment"])])
                for g in t["classes"]
            ],
        )
        for t in uneven
    ]
    rows = [
        (t["treatment"], g["name"], g["train_count"], g["n"], g["difference"], g["ci_low"], g["ci_high"])
        for t in uneven for g in t["classes"]
    ]  # fmt: skip
    by_rank = any(t["classes_by"] == "rank" for t in uneven)
    how = (
        "by rank, since classes change places between seeds: rank 1 is the largest class of each seed" if by_rank
        else "by their number of training samples"
    )  # fmt: skip
    left = f" The first {len(uneven)} of {len(fitting)} comparisons." if len(fitting) > len(uneven) else ""
    caption = (
        f"Paired difference from the baseline in each class, sorted {how} (training samples of the class in "
        f"parentheses); pointwise {show_confidence(data['alpha'])} t-intervals over {_ns(uneven)} seeds, for "
        f"{_scopes(uneven)}. Exploratory.{left}"
    )
    alt = f"Per-class differences of {listing([t['treatment'] for t in uneven])}, from head to tail."
    drawing = dot_rows(parts, "difference from the baseline (points)", lines=(0.0,))
    header = ("treatment", "class", "training samples", "seeds", "difference", "low", "high")
    return [Figure("classes", with_withheld(data, caption), alt, drawing, header, tuple(rows))]


def _counts(g: GapData) -> str:
    """Training samples of a class: one number, or the range over the seeds."""
    low, high = g["train_low"], g["train_high"]
    return MISSING if low is None else f"{low}" if low == high else f"{low} to {high}"


def _group_table(data: Document, tails: Sequence[TailData]) -> Table:
    rows = [
        (
            Cell(t["treatment"]), Cell(g["name"]), whole(g["classes"]), Cell(_counts(g), g["train_count"]),
            Cell(f"{g['n']} of {g['of']}" if g["n"] < g["of"] else str(g["n"]), g["n"]),
            value(ACCURACY, g["baseline"]), value(ACCURACY, g["treatment"]), gain(ACCURACY, g["difference"]),
            between(ACCURACY, g["ci_low"], g["ci_high"]), p_cell(data, g["p"]), p_cell(data, g["p_adjusted"]),
        )
        for t in tails for g in (*t["overall"], *t["groups"])
    ]  # fmt: skip
    header = (
        "treatment", "accuracy over", "classes", "training samples", "seeds", "baseline (%)", "treatment (%)",
        "difference", f"{show_confidence(data['alpha'])} CI", "p", "p Holm",
    )  # fmt: skip
    return table(
        "shot-groups",
        "Macro, worst-class and shot-group accuracy against the baseline, paired by seed. Shot groups are formed on "
        f"every seed by its own training counts ({_limits(tails)}). Pointwise intervals for {_scopes(tails)}; Holm "
        "inside the groups and inside the two summaries of one comparison.",
        header, rows, text=(0, 1),
    )  # fmt: skip


def _class_tables(data: Document, tails: Sequence[TailData]) -> list[Table]:
    with_classes = [t for t in tails if t["classes"]]
    if not with_classes:
        return []
    rows = [
        (
            Cell(t["treatment"]), Cell(g["name"]), number(g["train_count"], 0), whole(g["n"]),
            value(ACCURACY, g["baseline"]), gain(ACCURACY, g["difference"]),
            between(ACCURACY, g["ci_low"], g["ci_high"]), p_cell(data, g["p_adjusted"]),
        )
        for t in with_classes for g in t["classes"][:MAX_CLASS_ROWS]
    ]  # fmt: skip
    cut = any(len(t["classes"]) > MAX_CLASS_ROWS for t in with_classes)
    header = (
        "treatment", "class", "training samples", "seeds", "baseline (%)", "difference",
        f"{show_confidence(data['alpha'])} CI", "p BH",
    )  # fmt: skip
    caption = (
        "Every class, largest first (rank: the place in each seed's own training counts, where classes change places "
        f"between seeds; training samples: mean over the seeds). Pointwise intervals for {_scopes(with_classes)}; "
        "Benjamini–Hochberg over the classes of a comparison. Exploratory."
    )
    notes = [f"The {MAX_CLASS_ROWS} largest classes of each comparison; report.json has all."] if cut else []
    return [table("classes", with_withheld(data, caption), header, rows, text=(0, 1), long=True, notes=notes)]
