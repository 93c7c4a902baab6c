"""The report as neutral parts (sections, tables, figures), which three writers turn into HTML, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from matplotlib.figure import Figure as Canvas

from analysis.report.style import export_pdf, export_svg

SortKey = float | str | None


@dataclass(frozen=True)
class Cell:
    """One table cell.

    Attributes:
        text: What a reader sees.
        sort: What the column is sorted by; the text where None.
        mark: `baseline`, a verdict word, or empty: how the cell is highlighted.
        latex: The same cell in LaTeX where it differs (already escaped), for siunitx columns.
    """

    text: str
    sort: SortKey = None
    mark: str = ""
    latex: str | None = None


@dataclass(frozen=True)
class Table:
    """A table with its caption.

    Attributes:
        name: File name of its LaTeX form, without ending.
        caption: What it shows, with n, interval and scope.
        header: Column titles.
        rows: Cells by row.
        numeric: Indices of right-aligned columns.
        siunitx: LaTeX column types by index, for columns of numbers with uncertainty.
        notes: Lines below the table.
        long: Whether the table is an appendix that a reader unfolds.
    """

    name: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()
    siunitx: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    long: bool = False


@dataclass(frozen=True)
class Figure:
    """A drawn figure with the data it shows.

    Attributes:
        name: File name without ending.
        caption: What it shows, with n, interval and scope.
        alt: What it shows, for a reader who does not see it.
        drawing: The matplotlib figure; exported when asked for.
        header: Columns of the data.
        rows: The data.
    """

    name: str
    caption: str
    alt: str
    drawing: Canvas
    header: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    @cached_property
    def svg(self) -> str:
        """The drawing as SVG text."""
        return export_svg(self.drawing, self.name)

    @property
    def pdf(self) -> bytes:
        """The drawing as PDF."""
        return export_pdf(self.drawing)


@dataclass(frozen=True)
class Section:
    """A titled part of the report; `paragraphs` come first, then figures, then tables."""

    key: str
    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.paragraphs or self.tables or self.figures)


@dataclass(frozen=True)
class Claim:
    """One comparison of the claims box.

    Attributes:
        verdict: Its verdict.
        role: Role of its family.
        line: What is compared, the difference with the interval of the verdict, and what would decide it.
        text: The whole finding in sentences, which a reader unfolds.
    """

    verdict: str
    role: str
    line: str
    text: str


@dataclass(frozen=True)
class Page:
    """The whole report.

    Attributes:
        title: Name of the study.
        question: What it asks.
        answer: What its comparisons have shown, in one or two sentences; empty where nothing is compared.
        banners: Warnings at the top of the page (missing trials, no verdict).
        marks: A few words of the gravest warnings, for the caption of every LaTeX table.
        summary: One paragraph: metric, seeds, arms, scope.
        claims: The claims box.
        claims_note: How many comparisons the box leaves to their table, or empty.
        first: The table and the figure that come before the claims.
        rest: The sections after them, in order.
    """

    title: str
    question: str
    answer: str
    banners: tuple[str, ...]
    marks: tuple[str, ...]
    summary: str
    claims: tuple[Claim, ...]
    claims_note: str
    first: Section
    rest: tuple[Section, ...]

    @property
    def sections(self) -> tuple[Section, ...]:
        """All parts that have tables and figures, in order."""
        return (self.first, *self.rest)


def cells(values: Sequence[str | Cell]) -> tuple[Cell, ...]:
    """A row from texts and cells."""
    return tuple(v if isinstance(v, Cell) else Cell(v) for v in values)
