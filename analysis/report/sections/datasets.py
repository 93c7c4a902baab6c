"""The section on several datasets: averages, pooling, ranks and the critical-difference diagram."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle

from analysis.formatting import Scale, count, listing, p_equals, show_number, show_p
from analysis.report import style
from analysis.report.cells import between, gain, number, p_cell, percent, table, whole, word
from analysis.report.elements import Cell, Figure, Section, Table
from analysis.report.figures.arms import arm_colours, margin_band, unit_label
from analysis.report.figures.axes import Dot, dot_rows
from analysis.results.document import Data, scale_of


def section(data: Data) -> Section:
    """Everything over several datasets, one condition after the other."""
    tables: list[Table] = []
    figures: list[Figure] = []
    paragraphs: list[str] = []
    conditions = data.get("across") or []
    for i, part in enumerate(conditions):
        tag = f"-{i + 1}" if len(conditions) > 1 else ""
        if part["pairs"]:
            figures.append(_forest(data, part, tag))
            tables += [_pairs_table(data, part, tag), _new_table(data, part, tag)]
        if part["ranks"]:
            paragraphs += _rank_text(data, part)
            figures.append(_cd_figure(data, part, tag))
            if len(part["ranks"]["methods"]) <= MAX_MATRIX:
                figures.append(_matrix_figure(data, part, tag))
            tables.append(_matrix(data, part, tag))
    return Section("across", "Across datasets", tuple(paragraphs), tuple(tables), tuple(figures))


def _where(part: Data) -> str:
    over = f"{count(len(part['datasets']), 'dataset')} ({listing(part['datasets'])})"
    return f"{part['condition']}; {over}" if part["condition"] else over


def _forest(data: Data, part: Data, tag: str) -> Figure:
    scale, colours = scale_of(data), arm_colours(data)
    parts = [(p["treatment"], _rows(p, scale, colours.get(p["treatment"], style.INK), data)) for p in part["pairs"]]
    drawing = dot_rows(parts, f"difference from the baseline{unit_label(scale)}", lines=(0.0,), band=margin_band(data))
    rows = [(p["treatment"], name, d) for p in part["pairs"] for name, d in p["differences"].items()]
    caption = (
        f"Differences on each dataset with their average over these datasets (Satterthwaite t) and the pooled value "
        f"for new ones (random effects; dashed: prediction interval). {_where(part)}. Bars: "
        f"{100 * (1 - data['alpha']):g} % intervals. Scope: the average speaks about these datasets and new seeds, "
        "the pooled value about new datasets of this kind."
    )
    alt = "Forest plot by dataset. " + "; ".join(_alt(p, scale) for p in part["pairs"])
    return Figure(f"datasets{tag}", caption, alt, drawing, ("treatment", "dataset", "difference"), tuple(rows))


def _alt(pair: Data, scale: Scale) -> str:
    return f"{pair['treatment']}: average {scale.signed(pair['average']['difference'])} over {len(pair['datasets'])}"


def _rows(pair: Data, scale: Scale, colour: str, data: Data) -> list[Dot]:
    by = {(c["family"], c["treatment"]): c for c in data["comparisons"]}
    methods = {a["arm"]: (a["method"], a.get("dataset")) for a in data["arms"]}
    rows = []
    for name in pair["datasets"]:
        found = [c for c in by.values() if methods[c["treatment"]] == (pair["treatment"], name)]
        low, high = (found[0]["ci_low"], found[0]["ci_high"]) if found else (None, None)
        rows.append(_dot(name, pair["differences"][name], low, high, style.MUTED, scale))
    average, pooled = pair["average"], pair["pooled"]
    ci = average["ci"] or {"low": None, "high": None}
    rows.append(_dot("average, these datasets", average["difference"], ci["low"], ci["high"], colour, scale))
    if pooled:
        wide = pooled["prediction"]
        dot = _dot("pooled, new datasets", pooled["estimate"], pooled["ci"]["low"], pooled["ci"]["high"], colour, scale)
        ends = (scale.factor * wide["low"], scale.factor * wide["high"]) if wide else None
        rows.append(Dot(dot.label, dot.estimate, dot.low, dot.high, colour, wide=ends))
    return rows


def _dot(label: str, x: float, low: float | None, high: float | None, colour: str, scale: Scale) -> Dot:
    ends = [None if v is None else scale.factor * v for v in (low, high)]
    return Dot(label, scale.factor * x, ends[0], ends[1], colour)


def _pairs_table(data: Data, part: Data, tag: str) -> Table:
    scale = scale_of(data)
    rows = []
    for p in part["pairs"]:
        a = p["average"]
        ci = a["ci"] or {"low": None, "high": None}
        rows.append((
            Cell(p["treatment"]), Cell(p["baseline"]), whole(a["datasets"]), gain(scale, a["difference"]),
            between(scale, ci["low"], ci["high"]), number(a["df"], 1), p_cell(data, a["p"]),
            p_cell(data, p["p_average_adjusted"]), word(p["verdict"]),
        ))  # fmt: skip
    header = ("treatment", "baseline", "datasets", "average difference", "CI", "df", "p", "p Holm", "verdict")
    notes = sorted({w for p in part["pairs"] for w in p["warnings"]})
    return table(
        f"datasets{tag}",
        f"Average over these datasets, each weighing the same (Satterthwaite t). {_where(part)}. "
        "Scope: these datasets and splits, new seeds.",
        header, rows, text=(0, 1, 8), notes=notes,
    )  # fmt: skip


def _new_table(data: Data, part: Data, tag: str) -> Table:
    scale = scale_of(data)
    rows = []
    for p in part["pairs"]:
        pooled, b = p["pooled"], p["bayes"]
        wide = (pooled or {}).get("prediction") or {"low": None, "high": None}
        ci = (pooled or {}).get("ci") or {"low": None, "high": None}
        rows.append((
            Cell(p["treatment"]), gain(scale, (pooled or {}).get("estimate")), between(scale, ci["low"], ci["high"]),
            between(scale, wide["low"], wide["high"]), gain(scale, (pooled or {}).get("tau")),
            p_cell(data, p["wilcoxon"]["p"]), p_cell(data, p["p_wilcoxon_adjusted"]), word(p["verdict_new"]),
            percent(b["worse"]), percent(b["equivalent"]), percent(b["better"]),
        ))  # fmt: skip
    header = (
        "treatment", "pooled", "CI", "prediction interval", "τ", "p (Wilcoxon)", "p Holm", "verdict",
        "P(below)", "P(inside)", "P(above)",
    )  # fmt: skip
    margin = scale.value(data["sesoi"]) if data["sesoi"] else "0"
    return table(
        f"new-datasets{tag}",
        "For new datasets of this kind: random effects (Hartung–Knapp), exact Wilcoxon over datasets (Holm), and the "
        f"Bayesian signed-rank probabilities that a new difference lies below, inside or above ±{margin}. "
        f"{_where(part)}; datasets are the observations, seeds are not.",
        header, rows, text=(0, 7),
    )  # fmt: skip


def _rank_text(data: Data, part: Data) -> list[str]:
    ranks, test = part["ranks"], part["ranks"]["test"]
    f = "∞" if test["f"] is None else show_number(test["f"])
    text = (
        f"Ranks of {test['methods']} methods over {test['datasets']} datasets: Iman–Davenport F = {f}, "
        f"{p_equals(test['p_f'], data['alpha'])}; permutation {p_equals(test['p_permutation'], data['alpha'])} "
        f"({test['permutation_method']}). The pairwise verdicts are the Holm-adjusted exact Wilcoxon tests below; the "
        "diagram is a picture."
    )
    out = [text, *(f"Note: {w}." for w in test["warnings"])]
    if ranks["dropped"]:
        out.append(f"Incomplete, so left out of the ranks: {listing(ranks['dropped'])}.")
    return out


def _cd_figure(data: Data, part: Data, tag: str) -> Figure:
    ranks, test = part["ranks"], part["ranks"]["test"]
    drawing = critical_difference_diagram(ranks, arm_colours(data))
    caption = (
        f"Mean ranks (1 is best) over {test['datasets']} datasets; the bar shows Nemenyi's critical difference "
        f"{test['critical_difference']:.2f} at α = {test['alpha']:g}. Methods joined by a line were not told apart by "
        "the Holm-adjusted exact Wilcoxon tests. More seeds do not shorten the bar, only more datasets do."
    )
    pairs = sorted(zip(test["mean_ranks"], ranks["methods"], strict=True))
    alt = "Critical-difference diagram. Mean ranks: " + ", ".join(f"{m} {r:.2f}" for r, m in pairs)
    rows = tuple((m, r) for r, m in pairs)
    return Figure(f"critical-difference{tag}", caption, alt, drawing, ("method", "mean rank"), rows)


def critical_difference_diagram(ranks: Data, colours: dict[str, str]) -> Canvas:
    """Methods on a rank axis, labels at both sides, lines under those that were not told apart."""
    test = ranks["test"]
    order = sorted(range(len(ranks["methods"])), key=lambda i: (test["mean_ranks"][i], i))
    half = (len(order) + 1) // 2
    bars = len(ranks["cliques"])
    with style.look():
        figure, (axis,) = style.new_figure(0.75 + 0.12 * bars + 0.2 * half)
        style.margins(figure, [], top=0.1, bottom=0.05)
        figure.subplots_adjust(left=0.02, right=0.98)
        k = len(order)
        axis.set_xlim(1 - 0.64 * (k - 1), k + 0.64 * (k - 1))
        axis.set_ylim(-(1.1 + 0.55 * bars + half), 2.2)
        axis.axis("off")
        _rank_axis(axis, k, min(test["critical_difference"], k - 1.0), test["critical_difference"])
        for j, run in enumerate(ranks["cliques"]):
            ends = [test["mean_ranks"][i] for i in run]
            y = -0.6 - 0.55 * j
            axis.plot([min(ends) - 0.04, max(ends) + 0.04], [y, y], color=style.INK, linewidth=3, solid_capstyle="butt")
        for place, i in enumerate(order):
            _rank_label(axis, ranks, i, place, half, k, bars, colours)
    return figure


def _rank_axis(axis: Axes, k: int, shown: float, cd: float) -> None:
    axis.plot([1, k], [0, 0], color=style.MUTED, linewidth=0.8)
    for r in range(1, k + 1):
        axis.plot([r, r], [0, 0.25], color=style.MUTED, linewidth=0.8)
        axis.text(r, 0.4, str(r), ha="center", va="bottom", fontsize=7.5)
    axis.plot([1, 1 + shown], [1.6, 1.6], color=style.MUTED, linewidth=1.6)
    wider = " (wider than the axis)" if shown < cd else ""
    axis.text(1 + shown + 0.06, 1.6, f"CD = {cd:.2f}{wider}", va="center", fontsize=7.5)


def _rank_label(
    axis: Axes, ranks: Data, i: int, place: int, half: int, k: int, bars: int, colours: dict[str, str]
) -> None:
    left = place < half
    row = place if left else k - 1 - place
    rank, method = ranks["test"]["mean_ranks"][i], ranks["methods"][i]
    y = -(1.0 + 0.55 * bars + row)
    x = 1 - 0.06 * (k - 1) if left else k + 0.06 * (k - 1)
    axis.plot([rank, rank, x], [0, y, y], color=colours.get(method, style.MUTED), linewidth=1.0)
    text = f"{style.shorten(method, 20)}  {rank:.2f}" if left else f"{rank:.2f}  {style.shorten(method, 20)}"
    axis.text(x, y, f" {text} ", ha="right" if left else "left", va="center", fontsize=7.5)


MAX_MATRIX = 8


def _matrix_figure(data: Data, part: Data, tag: str) -> Figure:
    """Every method against every other: mean difference, wins and losses, adjusted p."""
    scale, ranks = scale_of(data), part["ranks"]
    cells = {(r["a"], r["b"]): (r["difference"], r["wins"], r["losses"], r["p_adjusted"]) for r in ranks["pairwise"]}
    cells |= {(b, a): (-d, losses, wins, p) for (a, b), (d, wins, losses, p) in cells.items()}
    rows = tuple((a, b, *values) for (a, b), values in cells.items())
    caption = (
        f"Each row's method against each column's over {ranks['test']['datasets']} datasets: mean difference"
        f"{unit_label(scale)}, wins : losses, Holm-adjusted exact Wilcoxon p. Framed: told apart. Colour: the "
        "difference, not the p. Scope: new datasets of this kind."
    )
    alt = "Pairwise matrix. " + "; ".join(
        f"{a} against {b}: {scale.signed(v[0])}" for (a, b), v in list(cells.items())[:20]
    )
    drawing = _draw_matrix(ranks["methods"], cells, scale, data["alpha"])
    header = ("method", "against", "difference", "wins", "losses", "p adjusted")
    return Figure(f"matrix{tag}", caption, alt, drawing, header, rows)


Against = tuple[float, int, int, float]


def _draw_matrix(methods: Sequence[str], cells: dict[tuple[str, str], Against], scale: Scale, alpha: float) -> Canvas:
    k = len(methods)
    reach = max((abs(v[0]) for v in cells.values()), default=0.0) or 1.0
    names = [style.shorten(m, 18) for m in methods]
    with style.look():
        figure, (axis,) = style.new_figure(0.55 + 0.52 * k)
        style.margins(figure, names, top=0.3, bottom=0.1)
        shown = [[cells[a, b][0] if a != b else math.nan for b in methods] for a in methods]
        axis.imshow(shown, cmap=style.DIVERGING, vmin=-reach, vmax=reach, aspect="auto")
        for (a, b), value in cells.items():
            _matrix_cell(axis, methods.index(a), methods.index(b), value, scale, alpha, abs(value[0]) / reach)
        axis.set_yticks(range(k), names)
        axis.set_xticks(range(k), [style.shorten(m, 60 // k) for m in methods])
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure


def _matrix_cell(axis: Axes, i: int, j: int, v: Against, scale: Scale, alpha: float, depth: float) -> None:
    colour = "#ffffff" if depth > 0.62 else "#111111"
    text = f"{scale.signed(v[0])}\n{v[1]} : {v[2]}\np {show_p(v[3], alpha)}"
    axis.text(j, i, text, ha="center", va="center", fontsize=6.5, color=colour, linespacing=1.25)
    if v[3] <= alpha:
        axis.add_patch(Rectangle((j - 0.47, i - 0.46), 0.94, 0.92, fill=False, edgecolor="#111111", linewidth=1.4))


def _matrix(data: Data, part: Data, tag: str) -> Table:
    scale = scale_of(data)
    rows = [
        (
            Cell(r["a"]), Cell(r["b"]), gain(scale, r["difference"]), whole(r["wins"]), whole(r["losses"]),
            p_cell(data, r["p"]), p_cell(data, r["p_adjusted"]),
            Cell("told apart" if r["apart"] else "not told apart"),
        )
        for r in part["ranks"]["pairwise"]
    ]  # fmt: skip
    header = ("method", "against", "mean difference", "wins", "losses", "p (Wilcoxon)", "p Holm", "finding")
    return table(
        f"pairwise{tag}",
        f"All pairs of methods over {part['ranks']['test']['datasets']} datasets, exact Wilcoxon, Holm over "
        f"{len(rows)} pairs. Scope: new datasets of this kind.",
        header, rows, text=(0, 1, 7),
    )  # fmt: skip
