"""Cells and tables from plain numbers, for all sections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from analysis.formatting import (
    MISSING,
    Scale,
    count,
    listing,
    show_alpha,
    show_alpha_percent,
    show_coverage,
    show_number,
    show_p,
    show_percent,
    show_percent_range,
)
from analysis.report.elements import Cell, Table
from analysis.results.document import ComparisonData, Document, IntervalData
from analysis.results.sentences import CORRECTION_NAMES
from analysis.results.verdicts import NONE, VERDICTS
from analysis.stats.anytime import METHOD
from analysis.study.plan import EXPLORATORY, PER_BLOCK, UNTIL_DECIDED

SEQUENTIAL = (
    "The number of seeds depends on the results, so the only intervals are the confidence sequences of the "
    "comparisons. These hold at any number of seeds."
)


def numbers_of(interval: IntervalData | None) -> tuple[float | None, float | None, float | None]:
    """Estimate, low and high of an interval; three times None without one."""
    return (None, None, None) if interval is None else (interval["estimate"], interval["low"], interval["high"])


def table(
    name: str, caption: str, header: Sequence[str], rows: Iterable[Sequence[Cell]], *, text: Sequence[int] = (0,),
    notes: Sequence[str] = (), long: bool = False,
) -> Table:  # fmt: skip
    """A table whose columns are numbers except those listed in `text`."""
    numeric = frozenset(range(len(header))) - frozenset(text)
    made = tuple(tuple(row) for row in rows)
    return Table(name, caption, tuple(header), made, numeric, notes=tuple(notes), long=long)


def gain(scale: Scale, x: float | None) -> Cell:
    """A signed difference."""
    return Cell(scale.signed(x), x)


def value(scale: Scale, x: float | None) -> Cell:
    """A value of the metric."""
    return Cell(scale.value(x), x)


def between(scale: Scale, low: float | None, high: float | None) -> Cell:
    """An interval of a difference."""
    return Cell(scale.range(low, high), low)


def values_cell(scale: Scale, low: float | None, high: float | None) -> Cell:
    """An interval of a value."""
    return Cell(scale.value_range(low, high), low)


def p_cell(data: Document, p: float | None) -> Cell:
    """A p-value."""
    return Cell(show_p(p, data["alpha"]), p)


def number(x: float | None, digits: int = 2) -> Cell:
    """A plain number."""
    return Cell(show_number(x, digits), x)


def whole(n: int | None) -> Cell:
    """A count."""
    return Cell(MISSING if n is None else str(n), n)


def seeds_cell(c: ComparisonData) -> Cell:
    """The seeds of a comparison; of an unpaired one those of both arms."""
    groups = c["detail"]["groups"] if "detail" in c else None
    return whole(c["n"]) if groups is None else Cell(f"{groups[0]} and {groups[1]}", c["n"])


def percents(low: float | None, high: float | None) -> Cell:
    """An interval of a share as percentages."""
    return Cell(show_percent_range(low, high), low)


def percent(x: float | None, digits: int = 1) -> Cell:
    """A share as percentage."""
    return Cell(show_percent(x, digits), x)


def word(verdict: str) -> Cell:
    """A verdict, in its colour."""
    return Cell(verdict, verdict, verdict if verdict in VERDICTS else "")


def scope_line(data: Document) -> str:
    """What the intervals of a figure or table describe, and where there are none."""
    if data["stop"] == UNTIL_DECIDED:
        return f"{SEQUENTIAL} They describe {data['scope']}."
    if data["arms"] and all(a["ci_low"] is None for a in data["arms"]):
        return withheld_line(data) or "With one seed there are no intervals."
    return with_withheld(data, f"Intervals describe {data['scope']}.")


def withheld_line(data: Document) -> str:
    """That comparisons without a verdict have neither p-values nor intervals; empty where each has a verdict."""
    if not any(c["verdict"] == NONE for c in data["comparisons"]):
        return ""
    return "Where there is no verdict, neither p-values nor intervals are shown."


def with_withheld(data: Document, caption: str) -> str:
    """A caption that also says where neither p-values nor intervals are shown."""
    return " ".join(part for part in (caption, withheld_line(data)) if part)


def decided(data: Document) -> bool:
    """Whether a comparison has a verdict."""
    return any(c["verdict"] != NONE for c in data["comparisons"])


def rates_line(data: Document) -> str:
    """Which error rates the verdicts hold, over what, and under which condition; empty without a verdict."""
    if not decided(data):
        return ""
    looks, about = (" and over all looks", "about ") if data["frozen"]["looks"] else ("", "")
    looks = " and over all looks at any number of seeds" if data["stop"] == UNTIL_DECIDED else looks
    level = f"{about}{show_alpha_percent(data['frozen']['declared_alpha'])}"
    over = "in each block" if data["error_rate"] == PER_BLOCK else "over all comparisons of a role"
    parts = [*_confirmatory_rates(data, level, f"{over}{looks}"), *_exploratory_rates(data, level)]
    if data["from_table"]:
        parts.append("This holds if the number of seeds was planned; a table cannot tell.")
    if any(c["collapsed"] for c in data["comparisons"]):
        parts.append("It does not hold where a seed collapsed.")
    return " ".join(parts)


def _confirmatory_rates(data: Document, level: str, over: str) -> Iterator[str]:
    if all(f["declared_role"] == EXPLORATORY for f in data["families"]):
        return
    yield f"At most {level} of studies without any difference call something better or worse, {over}."
    if data["sesoi"]:
        yield f"At most {level} of studies call something equivalent that is not, {over}: a rate of its own."


def _exploratory_rates(data: Document, level: str) -> Iterator[str]:
    if all(f["declared_role"] != EXPLORATORY for f in data["families"]):
        return
    apart = " of a block" if data["error_rate"] == PER_BLOCK else ""
    called = f"Of what the exploratory comparisons{apart} together call better or worse"
    yield f"{called}, at most {level} is false on average."
    if data["sesoi"]:
        yield "The same holds for what they call equivalent."


def margin_line(data: Document) -> str:
    """That no margin was declared, and what follows from it; empty where one was."""
    if data["sesoi"] or not data["comparisons"]:
        return ""
    return "No smallest effect of interest was declared, so nothing is called equivalent or beyond it."


def correction_line(data: Document) -> str:
    """The test of the verdicts, its correction and the number of comparisons that it covers."""
    tests = listing(sorted({c["detail"]["method"] for c in data["comparisons"] if "detail" in c})) or "no test"
    tests = METHOD if data["stop"] == UNTIL_DECIDED else tests
    found = dict.fromkeys((CORRECTION_NAMES[f["correction"]], f["m"], f["role"]) for f in data["families"])
    parts = listing([f"{name} over {count(m, f'{role} comparison')}" for name, m, role in found], 12)
    apart = ", each block by itself" if data["error_rate"] == PER_BLOCK else ""
    return f"{tests}, two-sided, α = {show_alpha(data['alpha'])} after {parts}{apart}"


def verdict_interval(scale: Scale, c: ComparisonData) -> Cell:
    """The interval that belongs to a verdict, with its level."""
    level = c["ci_verdict_level"]
    if level is None:
        return Cell(MISSING)
    shown = scale.range(c["ci_verdict_low"], c["ci_verdict_high"])
    return Cell(f"{shown} ({show_coverage(level)})", c["ci_verdict_low"])
