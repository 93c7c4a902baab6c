"""The section on seeds until it is decided: each comparison seed by seed, and what stopping saved."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.formatting import MISSING, count, listing, show_coverage, show_hours, show_number, show_percent
from analysis.report.cells import between, gain, rates_line, table, whole, word
from analysis.report.elements import Cell, Figure, Section, Table
from analysis.report.figures.axes import suffix
from analysis.report.figures.sequences import draw_sequences, title
from analysis.results.document import Document, SequenceData, UntilDecidedData, scale_of

PLACE = 55
PER_FIGURE = 6
"""Comparisons on one figure."""


def section(data: Document) -> Section:
    """When each comparison was decided; empty for a study with a fixed number of seeds."""
    found = data["until_decided"]
    if found is None:
        return Section("until_decided", _TITLE)
    return Section(
        "until_decided",
        _TITLE,
        tuple(_paragraphs(data, found)),
        (_decisions_table(data, found),),
        tuple(_figures(data, found)),
    )


_TITLE = "Seeds until it was decided"


def stop_text(data: Document) -> str:
    """The rule by which the study stops, or an empty text."""
    found = data["until_decided"]
    if found is None:
        return ""
    return (
        f"an arm gets no more seeds once its comparison is decided; the study ends when all are, or after "
        f"{count(found['max_seeds'], 'seed')}. Anytime-valid t-test (mixture, g = {show_number(found['mixture'])}): "
        "any number of looks, by anyone, at any time"
    )


def _paragraphs(data: Document, found: UntilDecidedData) -> Iterator[str]:
    decided = [c for c in found["comparisons"] if c["decided_at"]]
    of = count(len(found["comparisons"]), "comparison")
    when = f" after {listing([str(c['decided_at']) for c in decided], 12)} seeds" if decided else ""
    yield (
        f"{len(decided)} of {of} decided{when}; no number of seeds below {found['first']} could decide one, and "
        f"{found['max_seeds']} are the largest. {_saved(found)} A decision stands: later seeds of that comparison are "
        f"not used. {rates_line(data)}".strip()
    )
    if found["ahead"]:
        parts = [f"{a['arm']} ({_seeds(a['seeds'])})" for a in found["ahead"]]
        yield (
            f"Ran ahead of a decision and are not used: {listing(parts, 12)}. Free workers had begun them "
            "while the slowest trial of the seed before ran."
        )


def _seeds(seeds: list[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {listing([str(s) for s in seeds], 12)}"


def _saved(found: UntilDecidedData) -> str:
    """Trials and computing time against the plan with the largest number of seeds in every arm."""
    saved = found["trials_at_most"] - found["trials"]
    share = show_percent(saved / found["trials_at_most"], 0)
    seconds, time = found["seconds_saved"], ""
    if seconds is not None and seconds >= 1:
        time = f", about {show_hours(seconds)} of computing time"
    return (
        f"{count(found['trials'], 'trial')} ran. {found['max_seeds']} seeds in every arm are "
        f"{found['trials_at_most']} trials, so stopping saved {saved} of them ({share}){time}."
    )


def _decisions_table(data: Document, found: UntilDecidedData) -> Table:
    scale = scale_of(data)
    header = (
        "treatment", "baseline", "verdict", "decided after", "by the first", f"difference{_unit(data)}",
        "confidence sequence", "level", "why no further seed can decide it",
    )  # fmt: skip
    rows = [
        (
            Cell(c["treatment"]), Cell(c["baseline"]), word(c["verdict"]), whole(c["decided_at"] or None),
            whole(c["evidence_at"] or None), gain(scale, _at(c, "difference")),
            between(scale, _at(c, "low"), _at(c, "high")),
            Cell(MISSING if c["level"] is None else show_coverage(c["level"]), c["level"]),
            Cell(MISSING if c["decided_at"] else c["blocked"] or "they can"),
        )
        for c in found["comparisons"]
    ]  # fmt: skip
    width = len(header) if any(c["blocked"] and not c["decided_at"] for c in found["comparisons"]) else len(header) - 1
    caption = (
        "After how many seeds each comparison was decided, and by how many: the second number is smaller where another "
        "decision made the correction milder. Difference and sequence are those of the seeds that decided, or of all."
    )
    return table("until_decided", caption, header[:width], [row[:width] for row in rows], text=(0, 1, 2, 8))


def _unit(data: Document) -> str:
    unit = scale_of(data).unit
    return f" ({unit})" if unit else ""


def _at(c: SequenceData, key: str) -> float | None:
    """A value after the seeds that decided, or after all."""
    values: list[float | None] = c[key]  # type: ignore[literal-required]
    n = c["evidence_at"] or len(values)
    return values[n - 1] if 0 < n <= len(values) else None


def _figures(data: Document, found: UntilDecidedData) -> Iterator[Figure]:
    shown = [c for c in found["comparisons"] if c["difference"]]
    pages = [shown[i : i + PER_FIGURE] for i in range(0, len(shown), PER_FIGURE)]
    for i, page in enumerate(pages):
        drawing = draw_sequences(data, page, found["max_seeds"])
        rows = tuple(
            (c["treatment"], c["baseline"], n, c["difference"][n - 1], *(_nth(c[k], n) for k in ("low", "high")))
            for c in page
            for n in range(1, len(c["difference"]) + 1)
        )
        header = ("treatment", "baseline", "seeds", "difference", "low", "high")
        alt = f"Confidence sequences by number of seeds. {'; '.join(title(data, c) for c in page)}."
        yield Figure(f"sequences{suffix(i, len(pages))}", _caption(data), alt, drawing, header, rows)


def _nth(values: list[float | None], n: int) -> float | None:
    return values[n - 1] if n <= len(values) else None


def _caption(data: Document) -> str:
    margin = ""
    if data["sesoi"]:
        scale = scale_of(data)
        shaded = f"±{scale.value(data['sesoi'])}{scale.unit_after}"
        margin = f" It is equivalent where the band lies inside the declared margin of {shaded} (shaded)."
    return (
        "Each comparison as the seeds came in. Line: mean difference of the first n seeds. Band: its confidence "
        "sequence, which covers the true difference at all n together. A comparison is decided where the band no "
        f"longer contains 0 (dashed line), and gets no seed after that.{margin} {rates_line(data)}"
    )
