"""A plain table as plan and records: one value per method and seed, from runs made with any software."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from analysis.errors import ReportError
from analysis.study.plan import PER_STUDY, Arm, Family, Plan
from analysis.study.plan_checks import ERROR_RATES, check_plan, margin_fault
from analysis.study.records import Record
from analysis.study.table_rows import PlainTable
from silhouette.metrics import METRICS

WHOLE = "all rows"
MISSING = ("", "nan", "na", "null", "none")
SMALLEST_PERCENT = 10.0
"""Values between this and 100 are taken for percent where the unit of a margin is checked."""
SAME_SIZE = 1.25
"""Values of two methods that differ by at most this factor are taken for the same in two units."""
LEAST_POINTS = 0.01
"""A smaller margin on values in percent is taken for a fraction."""


@dataclass(frozen=True)
class TableOptions:
    """Which columns of a table hold what, and what was declared about it.

    Attributes:
        arm: Column that names the method.
        seed: Column of the seed; methods are paired by it.
        metric: Column of the result.
        baseline: The method that the others are compared with.
        block: Column that names the dataset or condition; methods are compared inside each of its values.
        sesoi: Smallest difference that matters (> 0), in the table's unit; None declares none.
        direction: `max` where more is better, `min` where less is.
        alpha: Level, between 0 and 0.5.
        unpaired: The methods were run on different seeds: Welch's test.
        error_rate: `study`: the comparisons of all blocks are corrected together. `block`: those of each block by
            themselves.
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
    error_rate: str = PER_STUDY

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return tuple(name for name in (self.arm, self.seed, self.metric, self.block) if name is not None)


def _check_columns(table: PlainTable, options: TableOptions) -> None:
    known = [name for name in table.rows[0] if name]
    for column in options.columns:
        if column not in known:
            raise ReportError(f"--table: no column {column!r} in {table.source}; it has {', '.join(known)}")
    roles = {options.metric: "metric", options.seed: "seed", options.arm: "arm"}
    if options.block in roles:
        raise ReportError(f"--block: must be another column than --{roles[options.block]}, got {options.block!r}")


def _check_types(options: TableOptions) -> None:
    for name in ("arm", "seed", "metric", "block"):
        column = getattr(options, name)
        if not isinstance(column, str) and (name != "block" or column is not None):
            raise ReportError(f"--{name}: must be the name of a column, got {column!r}")
    for name in ("alpha", "sesoi"):
        number = getattr(options, name)
        if not isinstance(number, Real) and (name != "sesoi" or number is not None):
            raise ReportError(f"--{name}: must be a number, got {number!r}")


def _check_options(options: TableOptions) -> None:
    if options.direction not in ("max", "min"):
        raise ReportError(f"--direction: max or min, got {options.direction!r}")
    if not 0 < options.alpha < 0.5:
        raise ReportError(f"--alpha: must be between 0 and 0.5, got {options.alpha:g}")
    if options.error_rate not in ERROR_RATES:
        raise ReportError(f"--error-rate: study or block, got {options.error_rate!r}")
    fault = margin_fault(options.sesoi, fractions=False)
    if fault:
        raise ReportError(f"--sesoi: {fault}")


def _check_margin(margin: float | None, cells: Iterable[Cell]) -> None:
    """Check that the margin has the unit of the values: fractions or percent."""
    values = [cell.value for cell in cells if cell.value is not None]
    if margin is None or not values:
        return
    fault = margin_fault(margin, fractions=min(values) >= 0 and max(values) <= 1)
    if min(values) >= SMALLEST_PERCENT and max(values) <= 100 and margin < LEAST_POINTS:
        fault = f"{margin:g} is {margin:g} points, as the values are in percent; did you mean {100 * margin:g}?"
    if fault:
        raise ReportError(f"--sesoi: {fault}")


def _check_units(options: TableOptions, cells: Sequence[Cell]) -> None:
    """Check that no method has fractions where another one has the same values in percent."""
    found: dict[str, list[float]] = {}
    for cell in cells:
        if cell.value is not None:
            found.setdefault(cell.method, []).append(cell.value)
    for fractions, percents in itertools.permutations(found, 2):
        if _same_in_percent(found[fractions], found[percents]):
            raise ReportError(
                f"--metric: {options.metric} must have one unit, got fractions for {fractions!r} and percents for "
                f"{percents!r}"
            )


def _same_in_percent(fractions: Sequence[float], percents: Sequence[float]) -> bool:
    """Whether some values lie in 0 to 1, others above 10, and both have about the same size in percent."""
    if not (0 < min(fractions) <= max(fractions) < 1 and SMALLEST_PERCENT <= min(percents) <= max(percents) <= 100):
        return False
    ratio = statistics.median(percents) / statistics.median(fractions)
    return 100 / SAME_SIZE <= ratio <= 100 * SAME_SIZE


def plan_of(table: PlainTable, options: TableOptions) -> tuple[Plan, list[Record]]:
    """A plan and records from a table: each block is a dataset, and all comparisons are primary.

    Rows without a value in the metric column count as failed runs.

    Raises:
        ReportError: If a column or the baseline is missing, a seed or value is not a number, an option is out of
            its range, or a method has a seed twice.
    """
    _check_types(options)
    _check_columns(table, options)
    _check_options(options)
    cells = [_cell(f"{table.line} {i}", row, options) for i, row in enumerate(table.rows, table.first)]
    _check_twice(cells)
    _check_margin(options.sesoi, cells)
    _check_units(options, cells)
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
        unit=_unit(options.metric, cells),
        direction=options.direction,
        seeds=tuple(sorted({cell.seed for cell in cells})),
        arms=tuple(arms),
        families=tuple(family for family in families if family is not None),
        question=f"{options.metric} by {options.arm}" + (f" and {options.block}" if options.block else ""),
        sesoi=options.sesoi,
        alpha=options.alpha,
        declared_alpha=options.alpha,
        unpaired=options.unpaired,
        own_seeds=_seeds_by_arm(cells) if options.unpaired else {},
        error_rate=options.error_rate,
        from_table=True,
        provenance=_provenance(table, options, cells),
    )


def _unit(metric: str, cells: Iterable[Cell]) -> str:
    """`%` for fractions under the name of a metric of ours; a column of that name may also hold percents."""
    values = [cell.value for cell in cells if cell.value is not None]
    ours = metric in METRICS and METRICS[metric].percent
    return "%" if ours and all(0 <= value <= 1 for value in values) else ""


def _seeds_by_arm(cells: Iterable[Cell]) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for cell in cells:
        found.setdefault(cell.label, []).append(cell.seed)
    return {label: tuple(sorted(seeds)) for label, seeds in found.items()}


def _provenance(table: PlainTable, options: TableOptions, cells: Iterable[Cell]) -> dict[str, Any]:
    """All that is known of the origin of a table."""
    return {
        "table": table.name,
        **({"SHA-256 of the file": table.sha256} if table.sha256 else {}),
        "SHA-256 of the values": _digest(cells),
        "rows": len(table.rows),
        "columns": ", ".join(options.columns),
    }


def _digest(cells: Iterable[Cell]) -> str:
    """SHA-256 of the values that were read, the same in every form of a table and every order of its rows."""
    rows = sorted((cell.method, cell.block, cell.seed, repr(cell.value)) for cell in cells)
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True)
class Cell:
    """One value of the table; None where the run has no result. `place` is its line or row."""

    method: str
    block: str
    seed: int
    value: float | None
    place: str

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
    return Cell(method, block, seed, _value(line, options.metric, row[options.metric]), line)


def _text(given: Any) -> str:
    return "" if given is None or given != given else str(given).strip()


def _seed(line: str, column: str, given: Any) -> int:
    with suppress(TypeError, ValueError):
        if isinstance(given, Integral | str):  # a float has not all digits of a large seed
            return int(given)
    with suppress(TypeError, ValueError):
        if (number := float(given)).is_integer():
            return int(number)
    raise ReportError(f"--table: {line}: {column} must be an integer, got {given!r}")


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
    if len(methods) == 1:
        raise ReportError(f"--table: must have a method beside the baseline, got {baseline!r} alone")
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
    return Record(
        trial_id=cell.place,
        phase=plan.phase,
        arm=cell.label,
        seed=cell.seed,
        status="failed" if cell.value is None else "complete",
        planned=None,
        reached=None,
        metrics={} if cell.value is None else {plan.metric: cell.value},
        error="no value in the table" if cell.value is None else None,
    )
