"""A summary as text and as HTML, for a terminal and a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from analysis.formatting import MISSING, Scale, count, show_coverage, show_p
from analysis.results.document import ArmData, ComparisonData, Summary, scale_of

MAX_ROWS = 24
COMPARED = ("treatment", "baseline", "difference", "CI of the verdict", "p adjusted", "verdict")


def as_text(summary: Summary) -> str:
    """The study in one line, what limits its verdicts, then one line for each comparison."""
    shown = summary["comparisons"][:MAX_ROWS]
    notes = [f"  note: {notice['text']}" for notice in summary["notices"]]
    lines = [_headline(summary), *notes, *(f"  {c['verdict']}: {c['sentence']}" for c in shown)]
    return "\n".join([*lines, *_rest(summary["comparisons"], "comparison")])


def as_html(summary: Summary) -> str:
    """The study in one line, a table of the arms, a table of the comparisons; all text is escaped."""
    scale = scale_of(summary)
    arms = [_arm_cells(scale, arm) for arm in summary["arms"][:MAX_ROWS]]
    found = [_comparison_cells(summary, scale, c) for c in summary["comparisons"][:MAX_ROWS]]
    rest = [*_rest(summary["arms"], "arm"), *_rest(summary["comparisons"], "comparison")]
    parts = [
        f"<p>{escape(_headline(summary))}</p>",
        *(f"<p><strong>{escape(notice['text'])}</strong></p>" for notice in summary["notices"]),
        _table(("arm", "mean", "SD", "n"), arms),
        _table(COMPARED, found) if found else "",
        *(f"<p>{escape(line.strip())}</p>" for line in rest),
    ]
    return "".join(parts)


def message_html(message: str) -> str:
    """A message instead of results."""
    return f"<p>{escape(message)}</p>"


def _headline(summary: Summary) -> str:
    ledger = summary["ledger"]
    what = "values present" if summary["from_table"] else "trials complete"
    return (
        f"{summary['study']}: {scale_of(summary).label}, {count(len(summary['arms']), 'arm')}, "
        f"{count(len(summary['seeds']), 'seed')}, {ledger['complete']} of {ledger['planned']} {what}"
    )


def _rest(rows: Sequence[object], noun: str) -> list[str]:
    left = len(rows) - MAX_ROWS
    return [f"  and {count(left, f'more {noun}')}"] if left > 0 else []


def _arm_cells(scale: Scale, arm: ArmData) -> tuple[str, ...]:
    return arm["arm"], scale.value(arm["mean"]), scale.value(arm["sd"]), str(arm["n"])


def _comparison_cells(summary: Summary, scale: Scale, c: ComparisonData) -> tuple[str, ...]:
    level = c["ci_verdict_level"]
    ends = scale.range(c["ci_verdict_low"], c["ci_verdict_high"])
    interval = ends if level is None else f"{ends} ({show_coverage(level)})"
    p = show_p(c["p_adjusted"], summary["alpha"])
    return c["treatment"], c["baseline"], scale.signed(c["difference"]), interval, p, c["verdict"] or MISSING


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
