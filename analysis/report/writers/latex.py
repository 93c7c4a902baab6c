"""Tables as LaTeX for a paper: booktabs rules, siunitx columns; needs both packages and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.formatting import sentence_case
from analysis.report.elements import Cell, Table
from analysis.report.writers.escape import latex as text


def render(table: Table, marks: Sequence[str] = ()) -> str:
    r"""A `table` environment. `\bfseries` in a number column needs `\sisetup{detect-weight}` or siunitx 3.

    Args:
        table: The table.
        marks: Warnings of a few words, which open its caption.
    """
    warning = "".join(f"\\textbf{{{text(sentence_case(mark))}.}} " for mark in marks)
    body = "\n".join(_row(table, row) for row in table.rows)
    header = " & ".join(f"{{{text(h)}}}" for h in table.header)
    return (
        "\\begin{table}[t]\\centering\n"
        f"\\caption{{{warning}{text(table.caption)}}}\n\\label{{tab:{table.name}}}\n"
        f"\\begin{{tabular}}{{{_columns(table)}}}\n\\toprule\n{header} \\\\\n\\midrule\n{body}\n"
        "\\bottomrule\n\\end{tabular}\n"
        + "".join(f"\\par\\footnotesize {text(note)}\n" for note in table.notes)
        + "\\end{table}\n"
    )


def _columns(table: Table) -> str:
    return " ".join(table.siunitx.get(i, "r" if i in table.numeric else "l") for i in range(len(table.header)))


def _row(table: Table, row: tuple[Cell, ...]) -> str:
    return " & ".join(_cell(table, i, cell) for i, cell in enumerate(row)) + r" \\"


def _cell(table: Table, i: int, cell: Cell) -> str:
    if i in table.siunitx:
        return cell.latex if cell.latex is not None else f"{{{text(cell.text)}}}"
    return text(cell.text)
