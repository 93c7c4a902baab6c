"""The section on several datasets: averages, pooling, ranks and the critical-difference diagram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from analysis.formatting import Scale, count, listing, p_equals, show_alpha, show_confidence, show_number
from analysis.report import style
from analysis.report.cells import between, gain, number, numbers_of, p_cell, percent, table, whole, word
from analysis.report.elements import Cell, Figure, Section, Table
from analysis.report.figures.arms import arm_colours
from analysis.report.figures.axes import margin_band, unit_label
from analysis.report.figures.critical_difference import critical_difference_diagram
from analysis.report.figures.dots import Dot, dot_rows
from analysis.report.figures.pairwise_matrix import draw_matrix
from analysis.results.document import (
    AcrossData,
    AcrossPairData,
    Document,
    PooledData,
    RanksData,
    RankTestData,
    scale_of,
)

PLACE = 60


def section(data: Document) -> Section:
    """Everything over several datasets, one condition after the other."""
    tables: list[Table] = []
    figures: list[Figure] = []
    paragraphs: list[str] = []
    conditions = data["across"]
    for i, part in enumerate(conditions):
        tag = f"-{i + 1}" if len(conditions) > 1 else ""
        if part["pairs"]:
            figures.append(_forest(data, part, tag))
            tables += [_pairs_table(data, part, tag), _new_table(data, part, tag)]
        ranks = part["ranks"]
        if ranks:
            paragraphs += _rank_text(data, ranks)
            figures.append(_cd_figure(data, ranks, tag))
            if len(ranks["methods"]) <= MAX_MATRIX:
                figures.append(_matrix_figure(data, ranks, tag))
            tables.append(_matrix(data, ranks, tag))
    return Section("across", "Across datasets", tuple(paragraphs), tuple(tables), tuple(figures))


def _where(part: AcrossData) -> str:
    over = f"{count(len(part['datasets']), 'dataset')} ({listing(part['datasets'])})"
    return f"{part['condition']}; {over}" if part["condition"] else over


def _forest(data: Document, part: AcrossData, tag: str) -> Figure:
    scale, colours = scale_of(data), arm_colours(data)
    parts = [(p["treatment"], _rows(p, scale, colours.get(p["treatment"], style.INK))) for p in part["pairs"]]
    drawing = dot_rows(parts, f"difference from the baseline{unit_label(scale)}", lines=(0.0,), band=margin_band(data))
    rows = [(p["treatment"], name, d) for p in part["pairs"] for name, d in p["differences"].items()]
    caption = (
        "Differences on each dataset, their average over these datasets (Satterthwaite t) and the pooled value "
        f"for new ones (random effects; dashed: prediction interval). {_where(part)}. Bars: "
        f"{show_confidence(data['alpha'])} intervals, each for itself. The average describes new seeds on these "
        "datasets, the pooled value new datasets of this kind."
    )
    alt = "Forest plot by dataset. " + "; ".join(_alt(p, scale) for p in part["pairs"])
    return Figure(f"datasets{tag}", caption, alt, drawing, ("treatment", "dataset", "difference"), tuple(rows))


def _alt(pair: AcrossPairData, scale: Scale) -> str:
    return f"{pair['treatment']}: average {scale.signed(pair['average']['difference'])} over {len(pair['datasets'])}"


def _rows(pair: AcrossPairData, scale: Scale, colour: str) -> list[Dot]:
    rows = []
    for name in pair["datasets"]:
        low, high = pair["intervals"][name] or (None, None)
        rows.append(_dot(name, pair["differences"][name], low, high, style.MUTED, scale))
    average, pooled = pair["average"], pair["pooled"]
    _, low, high = numbers_of(average["ci"])
    rows.append(_dot("average, these datasets", average["difference"], low, high, colour, scale))
    if pooled:
        _, low, high = numbers_of(pooled["ci"])
        dot = _dot("pooled, new datasets", pooled["estimate"], low, high, colour, scale)
        rows.append(replace(dot, wide=_prediction(pooled, scale)))
    return rows


def _prediction(pooled: PooledData, scale: Scale) -> tuple[float, float] | None:
    _, low, high = numbers_of(pooled["prediction"])
    return None if low is None or high is None else (scale.factor * low, scale.factor * high)


def _dot(label: str, x: float, low: float | None, high: float | None, colour: str, scale: Scale) -> Dot:
    return Dot(label, scale.on_axis(x), scale.on_axis(low), scale.on_axis(high), colour)


def _pairs_table(data: Document, part: AcrossData, tag: str) -> Table:
    scale = scale_of(data)
    rows = []
    for p in part["pairs"]:
        a = p["average"]
        _, low, high = numbers_of(a["ci"])
        rows.append((
            Cell(p["treatment"]), Cell(p["baseline"]), whole(a["datasets"]), gain(scale, a["difference"]),
            between(scale, low, high), number(a["df"], 1), p_cell(data, a["p"]),
            p_cell(data, p["p_average_adjusted"]), word(p["verdict"]),
        ))  # fmt: skip
    header = ("treatment", "baseline", "datasets", "average difference", "CI", "df", "p", "p Holm", "verdict")
    notes = sorted({w for p in part["pairs"] for w in p["warnings"]} | _reasons(part))
    return table(
        f"datasets{tag}",
        f"Average over these datasets, each with the same weight (Satterthwaite t). {_where(part)}. Intervals describe "
        f"{part['pairs'][0]['average']['scope']}, each for itself; p Holm is adjusted over the rows.",
        header, rows, text=(0, 1, 8), notes=notes,
    )  # fmt: skip


def _reasons(part: AcrossData) -> set[str]:
    """Why a verdict over datasets waits for one on a single dataset."""
    return {f"no verdict: {p['reason']}" for p in part["pairs"] if p["reason"]}


def _new_table(data: Document, part: AcrossData, tag: str) -> Table:
    """What is said of new datasets; without a margin there is no region inside of it."""
    regions: tuple[Literal["worse", "equivalent", "better"], ...]
    regions = ("worse", "equivalent", "better") if data["sesoi"] else ("worse", "better")
    rows = [_new_row(data, p, [p["bayes"][key] if p["bayes"] else None for key in regions]) for p in part["pairs"]]
    names = {"worse": "P(below)", "equivalent": "P(inside)", "better": "P(above)"}
    header = (
        "treatment", "pooled", "CI", "prediction interval", "τ", "p (Wilcoxon)", "p Holm", "verdict",
        *(names[key] for key in regions),
    )  # fmt: skip
    margin = f"below, inside or above ±{scale_of(data).value(data['sesoi'])}" if data["sesoi"] else "below or above 0"
    return table(
        f"new-datasets{tag}",
        "For new datasets of this kind: random effects (modified Hartung–Knapp), exact Wilcoxon over datasets (Holm "
        f"over the rows), and the probabilities that the mean difference on a new dataset lies {margin} (hierarchical "
        f"normal model, half-normal prior of τ). {_where(part)}; datasets are the observations, seeds are not.",
        header, rows, text=(0, 7),
    )  # fmt: skip


def _new_row(data: Document, p: AcrossPairData, probabilities: Sequence[float | None]) -> tuple[Cell, ...]:
    scale, pooled, test = scale_of(data), p["pooled"], p["wilcoxon"]
    _, low, high = numbers_of(pooled["ci"] if pooled else None)
    _, wide_low, wide_high = numbers_of(pooled["prediction"] if pooled else None)
    return (
        Cell(p["treatment"]), gain(scale, pooled["estimate"] if pooled else None), between(scale, low, high),
        between(scale, wide_low, wide_high), gain(scale, pooled["tau"] if pooled else None),
        p_cell(data, test["p"] if test else None), p_cell(data, p["p_wilcoxon_adjusted"]), word(p["verdict_new"]),
        *(percent(share) for share in probabilities),
    )  # fmt: skip


def _rank_text(data: Document, ranks: RanksData) -> list[str]:
    test = ranks["test"]
    text = (
        f"Ranks of {test['methods']} methods over {test['datasets']} datasets: {_rank_test(data, test)}. "
        "The pairwise verdicts are those of the Holm-adjusted exact Wilcoxon tests in "
        "the table; the diagram only illustrates them. Two methods are called different only if each has a verdict on "
        "every dataset and one of them is better or worse on a single one."
    )
    reasons = dict.fromkeys(r["reason"] for r in ranks["pairwise"] if r["reason"])
    out = [text, *(f"Note: {w}." for w in test["warnings"]), *(f"No verdict: {reason}." for reason in reasons)]
    if ranks["dropped"]:
        out.append(f"Incomplete, so left out of the ranks: {listing(ranks['dropped'])}.")
    return out


def _rank_test(data: Document, test: RankTestData) -> str:
    """The test of all methods together; none where a method has no verdict on a dataset."""
    if test["p_permutation"] is None:
        return "no test of all methods together, since not each has a verdict on every dataset"
    f = f"Iman–Davenport F = {show_number(test['f'])}, {p_equals(test['p_f'], data['alpha'])}; " if test["f"] else ""
    return f"{f}permutation {p_equals(test['p_permutation'], data['alpha'])} ({test['permutation_method']})"


def _cd_figure(data: Document, ranks: RanksData, tag: str) -> Figure:
    test = ranks["test"]
    drawing = critical_difference_diagram(ranks, arm_colours(data))
    caption = (
        f"Mean ranks (1 is best) over {test['datasets']} datasets; the bar shows Nemenyi's critical difference "
        f"{show_number(test['critical_difference'])} at α = {show_alpha(test['alpha'])}. A line joins "
        "methods for which the Holm-adjusted exact Wilcoxon tests show no difference. More datasets shorten the bar, "
        "more seeds do not."
    )
    pairs = sorted(zip(test["mean_ranks"], ranks["methods"], strict=True))
    alt = "Critical-difference diagram. Mean ranks: " + ", ".join(f"{m} {show_number(r)}" for r, m in pairs)
    rows = tuple((m, r) for r, m in pairs)
    return Figure(f"critical-difference{tag}", caption, alt, drawing, ("method", "mean rank"), rows)


MAX_MATRIX = 8


def _matrix_figure(data: Document, ranks: RanksData, tag: str) -> Figure:
    """Every method against every other: mean difference, wins and losses, adjusted p."""
    scale = scale_of(data)
    cells = {(r["a"], r["b"]): (r["difference"], r["wins"], r["losses"], r["p_adjusted"]) for r in ranks["pairwise"]}
    cells |= {(b, a): (-d, losses, wins, p) for (a, b), (d, wins, losses, p) in cells.items()}
    rows = tuple((a, b, *values) for (a, b), values in cells.items())
    caption = (
        f"Each row's method against each column's over {ranks['test']['datasets']} datasets: mean difference"
        f"{unit_label(scale)}, wins : losses, Holm-adjusted exact Wilcoxon p. Framed: different. "
        "Colour: how much better or worse the row is, not the p. The p-values describe new datasets of this kind."
    )
    alt = "Pairwise matrix. " + "; ".join(
        f"{a} against {b}: {scale.signed(v[0])}" for (a, b), v in list(cells.items())[:20]
    )
    apart = [(r["a"], r["b"]) for r in ranks["pairwise"] if r["apart"]]
    framed = {*apart, *((b, a) for a, b in apart)}
    higher = data["metric"]["direction"] == "max"
    drawing = draw_matrix(ranks["methods"], cells, framed, scale, data["alpha"], higher_is_better=higher)
    header = ("method", "against", "difference", "wins", "losses", "p adjusted")
    return Figure(f"matrix{tag}", caption, alt, drawing, header, rows)


def _matrix(data: Document, ranks: RanksData, tag: str) -> Table:
    scale = scale_of(data)
    rows = [
        (
            Cell(r["a"]), Cell(r["b"]), gain(scale, r["difference"]), whole(r["wins"]), whole(r["losses"]),
            p_cell(data, r["p"]), p_cell(data, r["p_adjusted"]),
            Cell("different" if r["apart"] else "no verdict" if r["reason"] else "no difference shown"),
        )
        for r in ranks["pairwise"]
    ]  # fmt: skip
    header = ("method", "against", "mean difference", "wins", "losses", "p (Wilcoxon)", "p Holm", "finding")
    return table(
        f"pairwise{tag}",
        f"All pairs of methods over {ranks['test']['datasets']} datasets, exact Wilcoxon, Holm over "
        f"{count(len(rows), 'pair')}. The p-values describe new datasets of this kind.",
        header, rows, text=(0, 1, 7),
    )  # fmt: skip
