"""The section on results: every arm with its verdict, and every seed."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.formatting import MISSING, Scale, listing, sentence_case, show_confidence, show_p
from analysis.report.cells import (
    correction_line,
    decided,
    scope_line,
    table,
    value,
    verdict_interval,
    whole,
    withheld_line,
)
from analysis.report.elements import Cell, Section, Table, cells
from analysis.report.figures.arms import seed_figures
from analysis.report.writers.siunitx import mark_command, number_column, uncertain
from analysis.results.document import ArmData, BestData, ComparisonData, Document, scale_of
from analysis.results.verdicts import BETTER, EQUIVALENT, INCONCLUSIVE, NONE, WORSE

PLACE = 40


def section(data: Document) -> Section:
    """Mean and spread of every arm, with every seed."""
    tables = [arms_table(data)]
    if any(best["error"] is not None for best in data["best"]):
        tables.append(best_table(data))
    texts = tuple(best_line(data, best) for best in data["best"] if best["error"] is not None)
    return Section("results", "Results", texts, tuple(tables), tuple(seed_figures(data)))


def best_line(data: Document, best: BestData) -> str:
    """Which arms of a block can be the best, and by how much one of the others could still be better."""
    scale, kept = scale_of(data), [arm for arm in best["arms"] if arm["can_be_best"]]
    largest = max(kept, key=lambda arm: arm["better_by_at_most"] or 0.0)
    where = f"{best['block']}: " if best["block"] and len(data["blocks"]) > 1 else ""
    names = listing([arm["method"] for arm in kept], 12)
    lead = f"{where}the best arm is {f'one of {names}' if len(kept) > 1 else names}"
    others = [f"{a['method']} {scale.value(a['worse_by_at_most'])}" for a in best["arms"] if a is not largest]
    return (
        f"{lead} ({show_confidence(data['alpha'])} confidence for all arms of the block together, Hsu’s comparison "
        f"with the best). {largest['method']} could be better than all others by at most "
        f"{scale.value(largest['better_by_at_most'])}{scale.unit_after}; worse than the best by at most: "
        f"{listing(others, 12)}."
    )


def best_table(data: Document) -> Table:
    """Every arm against the best of the others of its block."""
    scale = scale_of(data)
    rows = [
        (
            Cell(best["block"] or MISSING), Cell(arm["method"]), whole(best["n"]), value(scale, arm["mean"]),
            value(scale, arm["worse_by_at_most"]), value(scale, arm["better_by_at_most"]),
            Cell("yes" if arm["can_be_best"] else "no"),
        )
        for best in data["best"] if best["error"] is not None for arm in best["arms"]
    ]  # fmt: skip
    header = (
        "block", "arm", "seeds", "mean", "worse than the best by at most", "better than all others by at most",
        "can be the best",
    )  # fmt: skip
    spreads = [best["sd_low"] for best in data["best"]] + [best["sd_high"] for best in data["best"]]
    known = [spread for spread in spreads if spread is not None]
    caption = (
        f"Every arm against the best of the others of its block: what the data allow with "
        f"{show_confidence(data['alpha'])} confidence for all statements of a block together, although the best arm "
        "was chosen after seeing the values (Hsu 1981). Seeds are blocks, one error is pooled over the arms; that "
        f"assumes an equal spread of the differences of every two arms (here SDs of {scale.value(min(known))} to "
        f"{scale.value(max(known))}). Not corrected together with the verdicts. "
        f"{listing(sorted({best['scope'] for best in data['best']}))}."
    )
    return table("best", caption, header, rows, text=(0, 1, 6))


MARKS = {BETTER: "↑", WORSE: "↓", EQUIVALENT: "≈", INCONCLUSIVE: "", NONE: ""}


def results_table(data: Document) -> Table:
    """Methods × blocks: mean ± SD (n) with the verdict's mark; one block gives a column for each number."""
    scale = scale_of(data)
    if len(data["blocks"]) == 1:
        return _one_block(data, scale)
    methods = list(dict.fromkeys(a["method"] for a in data["arms"]))
    by = {(a["method"], a["block"]): a for a in data["arms"]}
    verdicts = {c["treatment"]: c for c in data["comparisons"]}
    rows = [
        (_method_cell(data, m), *(_result_cell(scale, by.get((m, b)), verdicts) for b in data["blocks"]))
        for m in methods
    ]
    header = ("method", *data["blocks"])
    columns = range(1, len(header))
    return Table(
        "results", results_caption(data), header, tuple(rows), frozenset(columns),
        dict.fromkeys(columns, number_column(data, scale)),
    )  # fmt: skip


def results_caption(data: Document) -> str:
    """What the results table shows, and how to read its marks."""
    scale = scale_of(data)
    unit = f" ({scale.symbol})" if scale.symbol else ""
    if not decided(data):
        return f"{sentence_case(scale.label)}{unit}: {_MEAN_SD} {scope_line(data)}"
    margin = f" ≈ equivalent within ±{scale.value(data['sesoi'])};" if data["sesoi"] else ""
    return (
        f"{sentence_case(scale.label)}{unit}: {_MEAN_SD} "
        f"↑ better, ↓ worse than the baseline of the block ({correction_line(data)});{margin} "
        f"no mark: no significant difference{' or no verdict' if withheld_line(data) else ''}. {scope_line(data)}"
    )


_MEAN_SD = "mean ± standard deviation (ddof 1) over n seeds, n in parentheses."


def mean_sd(scale: Scale, arm: ArmData) -> str:
    """`91.32 ± 0.41 (10)`; without a spread the value and its n."""
    if arm["mean"] is None:
        return MISSING
    spread = "" if arm["sd"] is None else f" ± {scale.value(arm['sd'])}"
    return f"{scale.value(arm['mean'])}{spread} ({arm['n']})"


def _method_cell(data: Document, method: str) -> Cell:
    base = any(a["baseline"] for a in data["arms"] if a["method"] == method)
    return Cell(f"{method} (baseline)" if base else method, method, "baseline" if base else "")


def _result_cell(scale: Scale, arm: ArmData | None, comparisons: Mapping[str, ComparisonData]) -> Cell:
    if arm is None or arm["mean"] is None:
        return Cell(MISSING, None, "", "{--}")
    verdict = comparisons[arm["arm"]]["verdict"] if arm["arm"] in comparisons else ""
    mark = MARKS.get(verdict, "")
    shown = f"{mean_sd(scale, arm)}{' ' + mark if mark else ''}"
    si = uncertain(scale, arm["mean"], arm["sd"]) + mark_command(mark)
    bold = r"\bfseries " if verdict == BETTER else ""
    return Cell(shown, arm["mean"], verdict if mark else "", bold + si)


def _one_block(data: Document, scale: Scale) -> Table:
    comparisons = {c["treatment"]: c for c in data["comparisons"]}
    rows = [_one_row(data, scale, a, comparisons) for a in data["arms"]]
    level = show_confidence(data["alpha"])
    lead = ("method", "mean ± SD (n)", f"{level} CI of mean")
    header = (*lead, "difference", "CI of the verdict (level)", "p adj.", "verdict")
    width = len(header) if data["comparisons"] else 3
    return Table(
        "results", results_caption(data), header[:width], tuple(row[:width] for row in rows),
        frozenset(range(1, min(width, 6))), {1: number_column(data, scale)},
    )  # fmt: skip


def _one_row(data: Document, scale: Scale, arm: ArmData, comparisons: Mapping[str, ComparisonData]) -> tuple[Cell, ...]:
    c = comparisons.get(arm["arm"])
    interval = Cell(scale.value_range(arm["ci_low"], arm["ci_high"]), arm["ci_low"])
    lead = (_method_cell(data, arm["method"]), _result_cell(scale, arm, comparisons), interval)
    if c is None:
        return (*lead, *cells((MISSING, MISSING, MISSING, "baseline" if arm["baseline"] else MISSING)))
    return (
        *lead,
        Cell(scale.signed(c["difference"]), c["difference"]),
        verdict_interval(scale, c),
        Cell(show_p(c["p_adjusted"], data["alpha"]), c["p_adjusted"]),
        Cell(c["verdict"], c["verdict"], c["verdict"]),
    )


def arms_table(data: Document) -> Table:
    """Each arm described: n, mean, SD with their intervals, median, extremes."""
    scale = scale_of(data)
    level = show_confidence(data["alpha"])
    header = ("arm", "n", "mean", f"{level} CI of mean", "SD", f"{level} CI of SD", "median", "smallest", "largest")
    rows = [_arm_row(scale, a) for a in data["arms"]]
    caption = (
        f"{sentence_case(scale.label)} of each arm over complete seeds. SD with ddof 1; Student-t interval of "
        f"the mean, chi-square interval of the SD. {scope_line(data)}"
    )
    return Table("arms", caption, header, tuple(rows), frozenset(range(1, len(header))))


def _arm_row(scale: Scale, a: ArmData) -> tuple[Cell, ...]:
    return (
        Cell(a["arm"], None, "baseline" if a["baseline"] else ""),
        Cell(str(a["n"]), a["n"]),
        Cell(scale.value(a["mean"]), a["mean"]),
        Cell(scale.value_range(a["ci_low"], a["ci_high"]), a["ci_low"]),
        Cell(scale.value(a["sd"]), a["sd"]),
        Cell(scale.value_range(a["sd_low"], a["sd_high"]), a["sd_low"]),
        *(Cell(scale.value(a[k]), a[k]) for k in ("median", "min", "max")),
    )
