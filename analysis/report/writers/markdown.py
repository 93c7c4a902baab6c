"""The report as Markdown, for a README, a pull request or a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.report.elements import Figure, Page, Section, Table
from analysis.report.writers.escape import markdown as text


def render(page: Page) -> str:
    """Markdown text of the whole page."""
    return "\n\n".join(part for part in _parts(page) if part) + "\n"


def _parts(page: Page) -> Iterable[str]:
    for banner in page.banners:
        yield f"> **{text(banner)}**"
    yield f"# {text(page.title)}"
    yield text(page.question)
    if page.answer:
        yield f"**{text(page.answer)}**"
    for table in page.first.tables:
        yield from _table(table)
    yield from (_figure(f) for f in page.first.figures)
    if page.claims:
        yield "\n".join(f"- **{text(c.verdict)}**: {text(c.text)}" for c in page.claims)
    if page.claims_note:
        yield text(page.claims_note)
    yield text(page.summary)
    for section in page.rest:
        yield from _section(section)


def _section(section: Section) -> Iterable[str]:
    yield f"## {text(section.title)}"
    yield from (text(p) for p in section.paragraphs)
    yield from (_figure(f) for f in section.figures)
    for table in section.tables:
        yield from _table(table)


def _figure(figure: Figure) -> str:
    return f"![{text(figure.alt)}](figures/{figure.name}.svg)\n\n*{text(figure.caption)}*"


def _table(table: Table) -> Iterable[str]:
    yield f"*{text(table.caption)}*"
    yield table_only(table)
    if table.notes:
        yield "\n".join(f"- {text(note)}" for note in table.notes)


def table_only(table: Table) -> str:
    """A table as GitHub Markdown, without its caption."""
    rule = ["---:" if i in table.numeric else "---" for i in range(len(table.header))]
    rows = [[text(cell.text) for cell in row] for row in table.rows]
    lines = [[text(h) for h in table.header], rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
