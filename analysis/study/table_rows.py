"""The rows of a plain table: a CSV or Parquet file, a data frame, an Arrow table or a dict of columns."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.errors import ReportError

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class PlainTable:
    """Rows with their source.

    Attributes:
        rows: Values by column, one mapping per row.
        name: Name of the table, which becomes the name of the study.
        source: How messages name it.
        line: How messages name a row (`line` of a file, `row` of a table in memory).
        first: Number of the first row.
        sha256: SHA-256 of the file, as `sha256sum` prints it; empty for a table in memory.
    """

    rows: Rows
    name: str
    source: str
    line: str = "line"
    first: int = 2
    sha256: str = ""


def read_table(table: object) -> PlainTable:
    """Rows of a file (CSV with comma, semicolon or tab; Parquet), a data frame, an Arrow table or a dict of columns.

    Raises:
        ReportError: If the file is absent, empty or not such a table.
    """
    if isinstance(table, str | Path):
        return _read_file(Path(table), str(table))
    rows = _rows_in_memory(table)
    if not rows:
        raise ReportError("--table: must have rows, got an empty table")
    return PlainTable(rows, "table", "the table", "row", 0)


def _rows_in_memory(table: Any) -> Rows:
    if isinstance(table, Mapping):
        return _rows_of_columns(table)
    if hasattr(table, "__arrow_c_stream__"):
        return _rows_of_arrow(table)
    raise ReportError(
        f"--table: must be a path, a data frame, an Arrow table or a dict of columns, got {type(table).__name__}"
    )


def _rows_of_columns(columns: Mapping[Any, Iterable[Any]]) -> Rows:
    """Rows of a dict of columns; no data frame library is imported for it."""
    try:
        lists = {str(name): list(column) for name, column in columns.items()}
    except TypeError:
        raise ReportError("--table: each value of a dict must be a column (a list or an array)") from None
    lengths = {name: len(column) for name, column in lists.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise ReportError(f"--table: columns must have the same length, got {shown}")
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _rows_of_arrow(table: Any) -> Rows:
    import pyarrow as pa

    try:
        read = pa.RecordBatchReader.from_stream(table).read_all()
        _check_names(read.schema.names, "the table")
        return list(read.to_pylist())
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ReportError(f"--table: cannot be read as an Arrow table ({reason})") from None


def _check_names(names: Sequence[str], source: str) -> None:
    """Check that a column stands once: of two with one name only the last would be read."""
    for name, number in Counter(names).items():
        if name and number > 1:
            raise ReportError(f"--table: column {name!r} stands {number} times in {source}; rename or remove one")


def _read_file(source: Path, given: str) -> PlainTable:
    if not source.is_file():
        raise ReportError(f"--table: no such file, got {given!r}")
    rows = _read_parquet(source) if source.suffix == ".parquet" else _read_csv(source)
    if not rows:
        raise ReportError(f"--table: no rows below the header in {source.name!r}")
    return PlainTable(rows, source.stem, source.name, sha256=hashlib.sha256(source.read_bytes()).hexdigest())


def _read_csv(source: Path) -> Rows:
    try:
        text = source.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ReportError(f"--table: expected a CSV in UTF-8 or a .parquet file, got {source.name!r}") from None
    first = text.partition("\n")[0]
    delimiter = max((",", ";", "\t"), key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        _check_names(reader.fieldnames or (), source.name)
        return [dict(row) for row in reader]
    except csv.Error as error:
        raise ReportError(f"--table: not a CSV file ({error}), got {source.name!r}") from None


def _read_parquet(source: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        read = pq.read_table(source)
        _check_names(read.schema.names, source.name)
        return list(read.to_pylist())
    except (pa.ArrowException, OSError):
        raise ReportError(f"--table: damaged or not Parquet, got {source.name!r}") from None
