"""The tables every report has: results, comparisons, ledger. They format what the document holds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analysis.formatting import MISSING, Scale, listing, show_number, show_p
from analysis.report.elements import Cell, Table, cells
from analysis.results.document import Data, scale_of
from analysis.results.sentences import CORRECTION_NAMES
from analysis.results.verdicts import BETTER, EQUIVALENT, INCONCLUSIVE, NONE, WORSE

MARKS = {BETTER: "↑", WORSE: "↓", EQUIVALENT: "≈", INCONCLUSIVE: "", NONE: ""}


def mean_sd(scale: Scale, arm: Mapping[str, Any]) -> str:
    """`91.32 ± 0.41 (10)`; without a spread the value and its n."""
    if arm["mean"] is None:
        return MISSING
    spread = "" if arm["sd"] is None else f" ± {scale.spread(arm['sd'])}"
    return f"{scale.value(arm['mean'])}{spread} ({arm['n']})"


def uncertain(scale: Scale, mean: float | None, sd: float | None) -> str:
    """Mean and SD for siunitx, `94.81(15)`: decimals follow two significant digits of the SD.

    >>> from analysis.formatting import make_scale
    >>> uncertain(make_scale("test_top1"), 0.94812, 0.00154)
    '94.81(15)'
    """
    if mean is None:
        return "{--}"
    if sd is None or sd <= 0:
        return f"{scale.factor * mean:.{scale.decimals}f}"
    s = scale.factor * sd
    decimals = max(0, 1 - math.floor(math.log10(s)))
    if float(f"{s:.{decimals}f}") >= 10 ** (2 - decimals):  # 0.0996 rounds to 0.100: one digit fewer
        decimals = max(0, decimals - 1)
    if decimals == 0:
        return f"{scale.factor * mean:.0f}({s:.0f})"
    return f"{scale.factor * mean:.{decimals}f}({round(s * 10**decimals)})"


def results_table(data: Data) -> Table:
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
        dict.fromkeys(columns, _si_format(data, scale)),
    )  # fmt: skip


def results_caption(data: Data) -> str:
    """What the results table shows, and how to read its marks."""
    scale = scale_of(data)
    unit = f" ({scale.symbol})" if scale.symbol else ""
    alpha = data["alpha"]
    if not data["comparisons"]:
        return f"{sentence_case(scale.label)}{unit}: {_MEAN_SD} Scope: {data['scope']}."
    corrections = listing(sorted({CORRECTION_NAMES[f["correction"]] for f in data["families"]}))
    margin = f" ≈ equivalent within ±{scale.value(data['sesoi'])};" if data["sesoi"] else ""
    return (
        f"{sentence_case(scale.label)}{unit}: {_MEAN_SD} "
        f"↑ better, ↓ worse than the baseline of the block (paired t, {corrections}-adjusted, α = {alpha:g});{margin} "
        f"no mark: not shown. Scope: {data['scope']}."
    )


_MEAN_SD = "mean ± standard deviation (ddof 1) over n seeds, n in parentheses."


def sentence_case(text: str) -> str:
    """Text with a capital first letter."""
    return text[:1].upper() + text[1:]


def _method_cell(data: Data, method: str) -> Cell:
    base = any(a["baseline"] for a in data["arms"] if a["method"] == method)
    return Cell(f"{method} (baseline)" if base else method, method, "baseline" if base else "")


def _result_cell(scale: Scale, arm: Data | None, comparisons: Mapping[str, Data]) -> Cell:
    if arm is None or arm["mean"] is None:
        return Cell(MISSING, None, "", "{--}")
    verdict = comparisons.get(arm["arm"], {}).get("verdict", "")
    mark = MARKS.get(verdict, "")
    shown = f"{mean_sd(scale, arm)}{' ' + mark if mark else ''}"
    si = uncertain(scale, arm["mean"], arm["sd"]) + (f"$^{{{_TEX_MARKS[mark]}}}$" if mark else "")
    bold = r"\bfseries " if verdict == BETTER else ""
    return Cell(shown, arm["mean"], verdict if mark else "", bold + si)


_TEX_MARKS = {"↑": r"\uparrow", "↓": r"\downarrow", "≈": r"\approx"}


def _si_format(data: Data, scale: Scale) -> str:
    """Column type wide enough for every number of the table."""
    shown = [uncertain(scale, a["mean"], a["sd"]) for a in data["arms"] if a["mean"] is not None]
    whole = max((len(s.split("(")[0].split(".")[0].lstrip("-")) for s in shown), default=1)
    places = max((len(s.split("(")[0].partition(".")[2]) for s in shown), default=0)
    digits = max((len(s.partition("(")[2].rstrip(")")) for s in shown), default=0)
    sign = "-" if any(s.startswith("-") for s in shown) else ""
    return f"S[table-format={sign}{whole}.{places}{f'({digits})' if digits else ''}]"


def _one_block(data: Data, scale: Scale) -> Table:
    comparisons = {c["treatment"]: c for c in data["comparisons"]}
    rows = [_one_row(data, scale, a, comparisons) for a in data["arms"]]
    level = f"{100 * (1 - data['alpha']):g} %"
    header = ("method", "mean ± SD (n)", f"{level} CI of mean", "difference", f"{level} CI", "p adj.", "verdict")
    width = len(header) if data["comparisons"] else 3
    return Table(
        "results", results_caption(data), header[:width], tuple(row[:width] for row in rows),
        frozenset(range(1, min(width, 6))), {1: _si_format(data, scale)},
    )  # fmt: skip


def _one_row(data: Data, scale: Scale, arm: Data, comparisons: Mapping[str, Data]) -> tuple[Cell, ...]:
    c = comparisons.get(arm["arm"])
    interval = Cell(_range(scale, arm["ci_low"], arm["ci_high"]), arm["ci_low"])
    lead = (_method_cell(data, arm["method"]), _result_cell(scale, arm, comparisons), interval)
    if c is None:
        return (*lead, *cells((MISSING, MISSING, MISSING, "baseline" if arm["baseline"] else MISSING)))
    return (
        *lead,
        Cell(scale.signed(c["difference"]), c["difference"]),
        Cell(scale.range(c["ci_low"], c["ci_high"]), c["ci_low"]),
        Cell(show_p(c["p_adjusted"], data["alpha"]), c["p_adjusted"]),
        Cell(c["verdict"], c["verdict"], c["verdict"]),
    )


def _range(scale: Scale, low: float | None, high: float | None) -> str:
    return MISSING if low is None else f"{scale.value(low)} to {scale.value(high)}"


def arms_table(data: Data) -> Table:
    """Each arm described: n, mean, SD with their intervals, median, extremes."""
    scale = scale_of(data)
    level = f"{100 * (1 - data['alpha']):g} %"
    header = ("arm", "n", "mean", f"{level} CI of mean", "SD", f"{level} CI of SD", "median", "smallest", "largest")
    rows = [_arm_row(scale, a) for a in data["arms"]]
    caption = (
        f"{sentence_case(scale.label)} of each arm over complete seeds. SD with ddof 1; Student-t interval of "
        f"the mean, chi-square interval of the SD. Scope: {data['scope']}."
    )
    return Table("arms", caption, header, tuple(rows), frozenset(range(1, len(header))))


def _arm_row(scale: Scale, a: Data) -> tuple[Cell, ...]:
    return (
        Cell(a["arm"], None, "baseline" if a["baseline"] else ""),
        Cell(str(a["n"]), a["n"]),
        Cell(scale.value(a["mean"]), a["mean"]),
        Cell(_range(scale, a["ci_low"], a["ci_high"]), a["ci_low"]),
        Cell(scale.value(a["sd"]), a["sd"]),
        Cell(_range(scale, a["sd_low"], a["sd_high"]), a["sd_low"]),
        *(Cell(scale.value(a[k]), a[k]) for k in ("median", "min", "max")),
    )


def comparisons_table(data: Data) -> Table:
    """Every comparison with raw and adjusted p, exact tests, effect size and verdict."""
    scale = scale_of(data)
    level = f"{100 * (1 - data['alpha']):g} %"
    header = (
        "family", "treatment", "baseline", "n", f"difference{scale.unit_after and f' ({scale.unit})'}",
        f"{level} CI", "p (t)", "p (sign-flip)", "p (Wilcoxon)", "p adjusted", "d_z", "verdict",
    )  # fmt: skip
    rows = [_comparison_row(data, scale, c) for c in data["comparisons"]]
    return Table("comparisons", _comparisons_caption(data), header, tuple(rows), frozenset(range(3, 11)))


def _comparisons_caption(data: Data) -> str:
    families = [
        f"{f['family']}: {f['role']}, {CORRECTION_NAMES[f['correction']]}, m = {f['m']}" for f in data["families"]
    ]
    test = "Welch's t" if data["unpaired"] else "the paired t-test"
    return (
        f"All comparisons, two-sided, α = {data['alpha']:g}; the verdict rests on {test}, the exact tests stand "
        f"beside it. Families: {listing(families, 12)}. Scope: {data['scope']}."
    )


def _comparison_row(data: Data, scale: Scale, c: Data) -> tuple[Cell, ...]:
    ps = (c["p_t"], c["p_sign_flip"], c["p_wilcoxon"], c["p_adjusted"])
    return (
        Cell(c["family"]),
        Cell(c["treatment"]),
        Cell(c["baseline"]),
        Cell(str(c["n"]), c["n"]),
        Cell(scale.signed(c["difference"]), c["difference"]),
        Cell(scale.range(c["ci_low"], c["ci_high"]), c["ci_low"]),
        *(Cell(show_p(p, data["alpha"]), p) for p in ps),
        Cell(show_number(c["d_z"]), c["d_z"]),
        Cell(c["verdict"], c["verdict"], c["verdict"]),
    )


def effects_table(data: Data) -> Table:
    """Effect sizes with their intervals, and how well the pairs go together."""
    scale = scale_of(data)
    header = (
        "treatment", "n", "Hodges–Lehmann", "its CI (level)", "d_z", "CI", "g_z", "rank-biserial", "P(better)", "CI",
        "wins", "correlation", "Var(A−B)/(Var A+Var B)",
    )  # fmt: skip
    rows = [_effect_row(scale, c) for c in data["comparisons"] if c.get("detail")]
    caption = (
        "Effect sizes: Hodges–Lehmann shift with its exact interval (the level it attains), d_z with noncentral-t "
        "interval, Hedges' g_z, matched-pairs rank-biserial, P(better) with Clopper–Pearson interval; correlation of "
        f"the pairs, and the variance ratio (below 1 pairing pays). Scope: {data['scope']}."
    )
    return Table("effects", caption, header, tuple(rows), frozenset(range(1, len(header))), long=True)


def _effect_row(scale: Scale, c: Data) -> tuple[Cell, ...]:
    d = c["detail"]
    shift, dz, g, p = (d[k] or {} for k in ("shift", "d_z", "g_z", "p_better"))
    level = f" ({100 * shift['level']:.1f} %)" if shift else ""
    return (
        Cell(c["treatment"]),
        Cell(str(c["n"]), c["n"]),
        Cell(scale.signed(shift.get("estimate")), shift.get("estimate")),
        Cell(scale.range(shift.get("low"), shift.get("high")) + level, shift.get("low")),
        Cell(show_number(dz.get("estimate")), dz.get("estimate")),
        Cell(_plain_range(dz), dz.get("low")),
        Cell(show_number(g.get("estimate")), g.get("estimate")),
        Cell(show_number(d["rank_biserial"]), d["rank_biserial"]),
        Cell(show_number(p.get("estimate")), p.get("estimate")),
        Cell(_plain_range(p), p.get("low")),
        Cell(MISSING if d["wins"] is None else f"{d['wins']} of {c['n']}", d["wins"]),
        Cell(show_number(d["correlation"]), d["correlation"]),
        Cell(show_number(d["variance_ratio"]), d["variance_ratio"]),
    )


def _plain_range(interval: Mapping[str, Any]) -> str:
    low, high = interval.get("low"), interval.get("high")
    return MISSING if low is None or high is None else f"{show_number(low)} to {show_number(high)}"


def ablation_table(data: Data, found: Sequence[Data]) -> Table:
    """Many-to-one comparisons: Holm beside the max-t sign-flip test."""
    scale = scale_of(data)
    header = ("arm", "against", "n", "difference", "CI (1 − α/m)", "p (t)", "p adjusted", "p (max-t)", "verdict")
    rows = [
        (
            Cell(c["treatment"]), Cell(c["baseline"]), Cell(str(c["n"]), c["n"]),
            Cell(scale.signed(c["difference"]), c["difference"]),
            Cell(scale.range(c["ci_adjusted_low"], c["ci_adjusted_high"]), c["ci_adjusted_low"]),
            *(Cell(show_p(c[k], data["alpha"]), c[k]) for k in ("p_t", "p_adjusted", "p_max_t")),
            Cell(c["verdict"], c["verdict"], c["verdict"]),
        )
        for c in found
    ]  # fmt: skip
    caption = (
        "Each arm against the full method. The verdict rests on Holm-adjusted paired t; the max-t sign-flip p keeps "
        f"the correlation through the shared baseline. Scope: {data['scope']}."
    )
    return Table("ablation", caption, header, tuple(rows), frozenset(range(2, 8)))


def ledger_table(data: Data) -> Table:
    """What became of each arm's planned trials."""
    names = ("planned", "complete", "stopped", "diverged", "failed", "missing")
    arms = data["ledger"]["arms"]
    rows = [(Cell(a["arm"]), *(Cell(str(a[k]), a[k]) for k in names)) for a in arms]
    total = (Cell("all arms"), *(Cell(str(data["ledger"][k]), data["ledger"][k]) for k in names))
    caption = f"Trials of the {data['phase']} phase by arm, in seeds. Only complete ones enter results and tests."
    return Table(
        "ledger", caption, ("arm", *names), (*rows, total), frozenset(range(1, 7)), notes=tuple(_ledger_notes(data))
    )


def _ledger_notes(data: Data) -> Iterable[str]:
    ledger = data["ledger"]
    for arm in ledger["arms"]:
        if arm["missing_seeds"] and len(arm["missing_seeds"]) < arm["planned"]:
            yield f"{arm['arm']}: no record yet for seeds {listing(arm['missing_seeds'], 12)}."
        if arm["stopped_at"]:
            rungs = listing([f"{n} at epoch {e}" for e, n in arm["stopped_at"].items()])
            yield f"{arm['arm']}: stopped early: {rungs}."
    if ledger["tune_phase"]:
        yield f"{ledger['tune_phase']} tune-phase records stand beside these; no verdict uses them."
