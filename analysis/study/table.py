"""A plain table as plan and records: one value per method and seed, from runs made with any software."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.errors import ReportError
from analysis.study.plan import Arm, Family, Plan
from analysis.study.plan_checks import check_plan
from analysis.study.records import Record

Rows = list[dict[str, Any]]
WHOLE = "all rows"
MISSING = ("", "nan", "na", "null", "none")


@dataclass(frozen=True)
class TableOptions:
    """Which columns of a table hold what, and what was declared about it.

    Attributes:
        arm: Column that names the method.
        seed: Column of the seed; methods are paired by it.
        metric: Column of the result.
        baseline: The method that the others are compared with.
        block: Column that names the dataset or condition; each value has a family of its own.
        sesoi: Smallest difference that matters (> 0), in the table's unit; None declares none.
        direction: `max` where more is better, `min` where less is.
        alpha: Level, between 0 and 0.5.
        unpaired: The methods were run on different seeds: Welch's test.
    """

    arm: str
    seed: str
    metric: str
    baseline: str
    block: str | None = None
    sesoi: float | None = None
    direction: str = "max"
    alpha: float = 0.05
    unpaired: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return tuple(name for name in (self.arm, self.seed, self.metric, self.block) if name is not None)


@dataclass(frozen=True)
class PlainTable:
    """Rows with their source.

    Attributes:
        rows: Values by column, one mapping per row.
        name: Name of the table, which becomes the name of the study.
        source: How messages name it.
        line: How messages name a row (`line` of a file, `row` of a table in memory).
        first: Number of the first row.
    """

    rows: Rows
    name: str
    source: str
    line: str = "line"
    first: int = 2


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
        return list(pa.RecordBatchReader.from_stream(table).read_all().to_pylist())
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ReportError(f"--table: cannot be read as an Arrow table ({reason})") from None


def _read_file(source: Path, given: str) -> PlainTable:
    if not source.is_file():
        raise ReportError(f"--table: no such file, got {given!r}")
    rows = _read_parquet(source) if source.suffix == ".parquet" else _read_csv(source)
    if not rows:
        raise ReportError(f"--table: no rows below the header in {source.name!r}")
    return PlainTable(rows, source.stem, source.name)


def _read_csv(source: Path) -> Rows:
    try:
        text = source.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ReportError(f"--table: expected a CSV in UTF-8 or a .parquet file, got {source.name!r}") from None
    first = text.partition("\n")[0]
    delimiter = max((",", ";", "\t"), key=first.count)
    try:
        return [dict(row) for row in csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)]
    except csv.Error as error:
        raise ReportError(f"--table: not a CSV file ({error}), got {source.name!r}") from None


def _read_parquet(source: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_table(source).to_pylist())
    except (pa.ArrowException, OSError):
        raise ReportError(f"--table: damaged or not Parquet, got {source.name!r}") from None


def _check_columns(table: PlainTable, wanted: Sequence[str]) -> None:
    known = [name for name in table.rows[0] if name]
    for column in wanted:
        if column not in known:
            raise ReportError(f"--table: no column {column!r} in {table.source}; it has {', '.join(known)}")


def _check_options(options: TableOptions) -> None:
    if options.direction not in ("max", "min"):
        raise ReportError(f"--direction: max or min, got {options.direction!r}")
    if not 0 < options.alpha < 0.5:
        raise ReportError(f"--alpha: must be between 0 and 0.5, got {options.alpha:g}")
    if options.sesoi is not None and not (options.sesoi > 0 and math.isfinite(options.sesoi)):
        raise ReportError(f"--sesoi: must be above 0, got {options.sesoi:g}")


def plan_of(table: PlainTable, options: TableOptions) -> tuple[Plan, list[Record]]:
    """A plan and records from a table: each block is a dataset and has a primary family of its own.

    Rows without a value in the metric column count as failed runs.

    Raises:
        ReportError: If a column or the baseline is missing, a seed or value is not a number, an option is out of
            its range, or a method has a seed twice.
    """
    _check_columns(table, options.columns)
    _check_options(options)
    cells = [_cell(f"{table.line} {i}", row, options) for i, row in enumerate(table.rows, table.first)]
    _check_twice(cells)
    plan = _plan(table, options, cells)
    check_plan(plan)
    return plan, [_record(plan, cell) for cell in cells]


def _plan(table: PlainTable, options: TableOptions, cells: Sequence[Cell]) -> Plan:
    blocks = list(dict.fromkeys(cell.block for cell in cells))
    arms = _arms(cells, blocks, options)
    families = [_family(arms, block) for block in blocks]
    return Plan(
        study=table.name,
        metric=options.metric,
        direction=options.direction,
        seeds=tuple(sorted({cell.seed for cell in cells})),
        arms=tuple(arms),
        families=tuple(family for family in families if family is not None),
        question=f"{options.metric} by {options.arm}" + (f" and {options.block}" if options.block else ""),
        sesoi=options.sesoi,
        alpha=options.alpha,
        declared_alpha=options.alpha,
        unpaired=options.unpaired,
        from_table=True,
        provenance={"table": table.name, "rows": len(table.rows), "columns": ", ".join(options.columns)},
    )


@dataclass(frozen=True)
class Cell:
    """One value of the table; None where the run has no result."""

    method: str
    block: str
    seed: int
    value: float | None

    @property
    def label(self) -> str:
        """Label of the arm."""
        return _label(self.method, self.block)


def _cell(line: str, row: Mapping[str, Any], options: TableOptions) -> Cell:
    method = _text(row[options.arm])
    block = _text(row[options.block]) if options.block else WHOLE
    if not method or not block:
        raise ReportError(f"--table: {line} has no {options.arm if not method else options.block}")
    seed = _seed(line, options.seed, row[options.seed])
    return Cell(method, block, seed, _value(line, options.metric, row[options.metric]))


def _text(given: Any) -> str:
    return "" if given is None or given != given else str(given).strip()


def _seed(line: str, column: str, given: Any) -> int:
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = math.nan
    if not number.is_integer():
        raise ReportError(f"--table: {line}: {column} must be an integer, got {given!r}")
    return int(number)


def _value(line: str, column: str, given: Any) -> float | None:
    if given is None or str(given).strip().lower() in MISSING:
        return None
    try:
        number = float(given)
    except (TypeError, ValueError):
        raise ReportError(f"--table: {line}: {column} must be a number, got {given!r}") from None
    if not math.isfinite(number):
        raise ReportError(f"--table: {line}: {column} must be finite, got {given!r}")
    return number


def _check_twice(cells: Iterable[Cell]) -> None:
    seen: set[tuple[str, int]] = set()
    for cell in cells:
        if (cell.label, cell.seed) in seen:
            at = "" if cell.block == WHOLE else f" on {cell.block!r}"
            raise ReportError(f"--table: {cell.method!r}{at} has seed {cell.seed} twice; is a --block column missing?")
        seen.add((cell.label, cell.seed))


def _label(method: str, block: str) -> str:
    return method if block == WHOLE else f"{method} on {block}"


def _arms(cells: Sequence[Cell], blocks: Sequence[str], options: TableOptions) -> list[Arm]:
    """Arms by block, the baseline first, then in the order of the table."""
    baseline = str(options.baseline)
    methods = list(dict.fromkeys(cell.method for cell in cells))
    if baseline not in methods:
        known = ", ".join(methods[:12])
        raise ReportError(f"--baseline: no {options.arm} {baseline!r} in the table; it has {known}")
    methods.sort(key=lambda method: method != baseline)
    present = {(cell.method, cell.block) for cell in cells}
    pairs = [(method, block) for block in blocks for method in methods if (method, block) in present]
    return [_arm(method, block, method == baseline, options) for method, block in pairs]


def _arm(method: str, block: str, is_baseline: bool, options: TableOptions) -> Arm:
    config = {"dataset": block} if options.block else {}
    return Arm(_label(method, block), {"method": method}, block, is_baseline, config, method, block_settings={})


def _family(arms: Sequence[Arm], block: str) -> Family | None:
    inside = [arm for arm in arms if arm.block == block]
    base = next((arm.label for arm in inside if arm.baseline), None)
    others = tuple(arm.label for arm in inside if not arm.baseline)
    return Family(block, "primary", "holm", base, others) if base and others else None


def _record(plan: Plan, cell: Cell) -> Record:
    key = f"{cell.method}\x00{cell.block}\x00{cell.seed}"
    return Record(
        trial_id=hashlib.sha256(key.encode()).hexdigest()[:16],
        phase=plan.phase,
        arm=cell.label,
        seed=cell.seed,
        status="failed" if cell.value is None else "complete",
        planned=None,
        reached=None,
        metrics={} if cell.value is None else {plan.metric: cell.value},
        error="no value in the table" if cell.value is None else None,
    )
