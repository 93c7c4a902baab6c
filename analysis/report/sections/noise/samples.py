"""The section on the noise of the test samples: new seeds and new test samples beside new seeds alone."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.formatting import MISSING, Scale, count, listing, show_confidence
from analysis.report import style
from analysis.report.cells import between, gain, p_cell, percent, table, value, whole, with_withheld
from analysis.report.elements import Cell, Figure, Section, Table
from analysis.report.figures.arms import method_of
from analysis.report.figures.axes import unit_label
from analysis.report.figures.dots import Dot, dot_rows
from analysis.results.document import Document, SampleNoiseData, scale_of

PLACE = 124


def section(data: Document) -> Section:
    """Both intervals of every comparison, what the samples add, and single seeds by McNemar's test."""
    rows = data["samples"]
    if not rows:
        return Section("samples", "Noise of the test samples")
    measured = [r for r in rows if r["ci_low"] is not None]
    tables = [_table(data, rows)]
    if any(r["mcnemar"] for r in rows):
        tables.append(_seeds_table(data, rows))
    figures = (_figure(data, measured),) if measured else ()
    return Section("samples", "Noise of the test samples", (_text(data, rows),), tuple(tables), figures)


def _text(data: Document, rows: Sequence[SampleNoiseData]) -> str:
    sizes = sorted({r["samples"] for r in rows if r["samples"]})
    of = f" ({listing(sizes)} samples)" if sizes else ""
    lead = (
        f"The verdicts describe new seeds on these test samples{of}. Other samples from the same source would move all "
        "seeds alike, and more seeds do not reduce that."
    )
    parts = [lead, _widest(data, rows)]
    refused = sum(bool(r["reason"]) for r in rows)
    if refused:
        parts.append(f"{count(refused, 'comparison')} without such an interval; the table gives the reason.")
    return " ".join(part for part in parts if part)


def _widest(data: Document, rows: Sequence[SampleNoiseData]) -> str:
    """By how much the interval grows, and which comparisons then reach 0."""
    found = [(r, r["error"], r["error_seeds"]) for r in rows if r["ci_low"] is not None]
    growth = [whole / seeds for _, whole, seeds in found if whole and seeds]
    if not growth:
        return ""
    grown = f"{min(growth):.2f} to {max(growth):.2f}" if len(growth) > 1 else f"{growth[0]:.2f}"
    text = f"With both, the standard error is {grown} times as large."
    lost = [r for r, _, _ in found if _excludes_zero(r["ci_seeds_low"], r["ci_seeds_high"]) and not _excludes_zero(
        r["ci_low"], r["ci_high"]
    )]  # fmt: skip
    if lost:
        names = listing([method_of(data, r["treatment"]) for r in lost])
        text += f" The interval then contains 0 for {names}: the difference is shown for these test samples only."
    return text


def _excludes_zero(low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and (low > 0 or high < 0)


def _table(data: Document, rows: Sequence[SampleNoiseData]) -> Table:
    scale = scale_of(data)
    level = show_confidence(data["alpha"])
    made = [
        (
            Cell(r["treatment"]), whole(r["n"]), whole(r["samples"]), gain(scale, r["difference"]),
            between(scale, r["ci_seeds_low"], r["ci_seeds_high"]), between(scale, r["ci_low"], r["ci_high"]),
            value(scale, r["error_seeds"]), value(scale, r["error"]), _samples_cell(scale, r),
            percent(r["churn_treatment"]), percent(r["churn_baseline"]), Cell(r["reason"] or MISSING),
        )
        for r in rows
    ]  # fmt: skip
    header = (
        "treatment", "seeds", "test samples", "difference", f"{level} CI, new seeds",
        f"{level} CI, new seeds and new test samples", "SE, new seeds", "SE, both", "SE by the samples",
        "churn", "churn of the baseline", "note",
    )  # fmt: skip
    caption = (
        "Differences with the noise of the test samples. Seeds and samples are crossed: every seed classifies every "
        "sample (two-way random effects, Satterthwaite’s degrees of freedom). Intervals are not corrected for several "
        "comparisons. SE by the samples: what a finite test set adds; “at most” is the binomial bound where the "
        "records do not say which samples were right. Churn: share of test samples that one seed of an arm has right "
        "and another one wrong."
    )
    return table("samples", with_withheld(data, caption), header, made, text=(0, 11))


def _samples_cell(scale: Scale, r: SampleNoiseData) -> Cell:
    if r["error_bound"] is not None:
        return Cell(f"at most {scale.value(r['error_bound'])}", r["error_bound"])
    return value(scale, r["sample_error"])


def _seeds_table(data: Document, rows: Sequence[SampleNoiseData]) -> Table:
    made = [
        (
            Cell(r["treatment"]), whole(c["seed"]), whole(c["only_treatment"]), whole(c["only_baseline"]),
            p_cell(data, c["p"]),
        )
        for r in rows for c in r["mcnemar"]
    ]  # fmt: skip
    header = ("treatment", "seed", "only the treatment right", "only the baseline right", "McNemar p")
    caption = (
        "Single seeds: test samples that only one of the two trained models has right, and McNemar’s exact test. Its "
        "scope is new test samples for these two models; it says nothing of other seeds. p is not corrected."
    )
    return table("mcnemar", with_withheld(data, caption), header, made, long=True)


def _figure(data: Document, rows: Sequence[SampleNoiseData]) -> Figure:
    scale = scale_of(data)
    groups: list[tuple[str, list[Dot]]] = []
    for r in rows[:60]:
        shown = [scale.on_axis(r[key]) for key in ("difference", "ci_seeds_low", "ci_seeds_high", "ci_low", "ci_high")]
        difference, seeds_low, seeds_high, low, high = shown
        dots = [
            Dot("new seeds", difference, seeds_low, seeds_high, style.BASELINE),
            Dot("and new test samples", difference, low, high, style.PALETTE[0]),
        ]
        groups.append((f"{r['treatment']} minus {r['baseline']}", dots))
    made = tuple(
        (r["treatment"], r["difference"], r["ci_seeds_low"], r["ci_seeds_high"], r["ci_low"], r["ci_high"])
        for r in rows
    )
    caption = with_withheld(
        data,
        f"Each difference with its {show_confidence(data['alpha'])} interval for new seeds on these test samples "
        f"(grey) and for new seeds and new test samples; n = {listing(sorted({r['n'] for r in rows}))} seeds.",
    )
    alt = "Intervals for new seeds, and for new seeds and new test samples. " + "; ".join(
        f"{r['treatment']}: {scale.range(r['ci_seeds_low'], r['ci_seeds_high'])}, "
        f"{scale.range(r['ci_low'], r['ci_high'])}"
        for r in rows[:12]
    )
    drawing = dot_rows(groups, f"difference{unit_label(scale)}", lines=(0.0,))
    header = ("treatment", "difference", "new seeds low", "new seeds high", "both low", "both high")
    return Figure("samples", caption, alt, drawing, header, made)
