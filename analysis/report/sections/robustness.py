"""The section on robustness: other tests and metrics, failures by intention to treat."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.formatting import MISSING, make_scale, show_p, show_range
from analysis.report.cells import between, gain, number, p_cell, percent, percents, scope_line, table, whole, word
from analysis.report.elements import Cell, Section, Table
from analysis.results.document import Document, FailureData, RobustnessData
from analysis.results.verdicts import NONE

PLACE = 130


def section(data: Document) -> Section:
    """The same comparisons by other tests and metrics, failures."""
    rows, failures = data["robustness"], data["failures"]
    tables: list[Table] = []
    texts: list[str] = []
    if rows:
        texts.append(_agreement(data, rows))
        tables.append(_tests_table(data, rows))
        if any(r["other_metrics"] for r in rows):
            tables.append(_metrics_table(data, rows))
    if failures:
        tables.append(_failure_table(data, failures))
    return Section("robustness", "Robustness", tuple(texts), tuple(tables))


def _test_of_verdict(data: Document) -> str:
    """The test that the verdicts use, in words."""
    found = {c["detail"]["method"] for c in data["comparisons"] if "detail" in c and c["verdict"] != NONE}
    return found.pop() if len(found) == 1 else "declared"


def _agreement(data: Document, rows: Sequence[RobustnessData]) -> str:
    name = _test_of_verdict(data)
    apart = [r["treatment"] for r in rows if not r["agree"]]
    if not apart:
        return f"The {name} test and the exact tests agree at level α in every comparison (unadjusted)."
    return (
        f"In {len(apart)} of {len(rows)} comparisons the {name} test and an exact test disagree at level α "
        "(unadjusted). With few seeds an exact test may be unable to reject."
    )


def _tests_table(data: Document, rows: Sequence[RobustnessData]) -> Table:
    made = [
        (
            Cell(r["treatment"]), *(p_cell(data, r[k]) for k in ("p_t", "p_sign_flip", "p_wilcoxon", "p_welch")),
            p_cell(data, r["p_dunnett"]),
            _loo(data, r["leave_one_out"]), Cell("yes" if r["agree"] else "no"),
        )
        for r in rows
    ]  # fmt: skip
    name = _test_of_verdict(data)
    header = ("treatment", name, "sign-flip", "Wilcoxon", "Welch", "Dunnett", f"{name}, one seed left out", "agree")
    return table(
        "robustness",
        "The same comparisons under other tests (raw p), and the range of the first p when each seed is left out in "
        "turn. Dunnett’s p alone is adjusted over the family; it pools the error of its arms, with seeds as blocks. "
        "None of these replaces the declared test.",
        header, made, text=(0, 7),
    )  # fmt: skip


def _loo(data: Document, ends: Sequence[float] | None) -> Cell:
    if ends is None:
        return Cell(MISSING)
    return Cell(f"{show_p(ends[0], data['alpha'])} to {show_p(ends[1], data['alpha'])}", ends[1])


def _metrics_table(data: Document, rows: Sequence[RobustnessData]) -> Table:
    made = [
        (
            Cell(r["treatment"]), Cell(make_scale(metric).label), gain(make_scale(metric), m["difference"]),
            between(make_scale(metric), m["ci_low"], m["ci_high"]), p_cell(data, m["p"]),
        )
        for r in rows for metric, m in r["other_metrics"].items()
    ]  # fmt: skip
    header = ("treatment", "metric", "difference", "CI", f"p ({_test_of_verdict(data)})")
    caption = f"The same comparisons in the other recorded metrics. Exploratory, unadjusted. {scope_line(data)}"
    return table("other-metrics", caption, header, made, text=(0, 1), long=True)


def _failure_table(data: Document, failures: Sequence[FailureData]) -> Table:
    made = [
        (
            Cell(f["arm"]), whole(f["planned"]), whole(f["no_result"]), percent(f["rate"]),
            percents(f["rate_low"], f["rate_high"]),
            number(f["p_better"]),
            Cell(show_range(f["p_better_low"], f["p_better_high"]), f["p_better_low"]),
            p_cell(data, f["p_last"]), p_cell(data, f["p_last_adjusted"]), word(f["verdict_last"]),
        )
        for f in failures
    ]  # fmt: skip
    header = (
        "arm",
        "seeds tried",
        "no result",
        "rate",
        "95 % CI",
        "P(better), ITT",
        "95 % CI (ITT)",
        "p (ITT)",
        "p Holm",
        "verdict (ITT)",
    )
    return table(
        "failures",
        "Failures by intention to treat: no seed is dropped. In P(better) a run without a result loses against one "
        "with a result and ties with another without; intervals are Clopper–Pearson. p is that of the exact Wilcoxon "
        "test in which such a run ranks last; its verdict is about all outcomes, failures included, not about means.",
        header, made, text=(0, 9),
    )  # fmt: skip
