"""Reports on a plain table: for people who ran their seeds elsewhere and have one value per method and seed."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.report.write import analyse, files
from analysis.results.document import Data
from analysis.stats.types import ReportError
from analysis.study.ledger import Record
from analysis.study.plan import Arm, Family, Plan, check_plan

Rows = list[dict[str, Any]]
WHOLE = "all rows"


def write_table_report(
    path: str | Path,
    *,
    arm: str,
    seed: str,
    metric: str,
    baseline: str,
    out: str | Path,
    block: str | None = None,
    sesoi: float | None = None,
    direction: str = "max",
    alpha: float = 0.05,
    unpaired: bool = False,
) -> str:
    """Analyse a CSV or Parquet table of per-seed results and write the report to a folder.

    Args:
        path: Table with a header, one row per method, seed (and dataset).
        arm: Column that names the method.
        seed: Column of the seed; methods are paired by it.
        metric: Column of the result.
        baseline: The method the others are compared with.
        out: Folder for the report.
        block: Column that names the dataset or condition; each gives a family of its own.
        sesoi: Smallest difference that matters, in the table's unit; None declares none.
        direction: `max` where more is better, `min` where less is.
        alpha: Level.
        unpaired: The methods were run on different seeds: Welch's test, declared, not found out.

    Returns:
        Path of `index.html`.

    Raises:
        ReportError: One line, naming column, rule and value.
    """
    data = analyse_table(
        path, arm=arm, seed=seed, metric=metric, baseline=baseline, block=block, sesoi=sesoi, direction=direction,
        alpha=alpha, unpaired=unpaired,
    )  # fmt: skip
    folder = Path(out)
    for name, content in files(data):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return str(folder / "index.html")


def analyse_table(
    path: str | Path, *, arm: str, seed: str, metric: str, baseline: str, block: str | None = None,
    sesoi: float | None = None, direction: str = "max", alpha: float = 0.05, unpaired: bool = False,
) -> Data:  # fmt: skip
    """The result document of a table; arguments and errors as in `write_table_report`.

    Values, differences and `sesoi` are in the table's own unit (0.2 is 0.2 points when the table is in percent).
    Rows with an empty metric count as failed runs.
    """
    rows = read_table(path)
    _check_columns(path, rows, [c for c in (arm, seed, metric, block) if c is not None])
    _check_options(direction, alpha, sesoi)
    plan, records = plan_of(
        rows, name=Path(path).stem, arm=arm, seed=seed, metric=metric, block=block, baseline=baseline, sesoi=sesoi,
        direction=direction, alpha=alpha, unpaired=unpaired,
    )  # fmt: skip
    return analyse(plan, records)


def read_table(path: str | Path) -> Rows:
    """Rows of a CSV (comma, semicolon or tab) or Parquet file.

    Raises:
        ReportError: If the file is absent, empty or not such a table.
    """
    source = Path(path)
    if not source.is_file():
        raise ReportError(f"--table: no such file, got {str(path)!r}")
    if source.suffix == ".parquet":
        return _read_parquet(source)
    try:
        text = source.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ReportError(f"--table: expected a CSV in UTF-8 or a .parquet file, got {source.name!r}") from None
    first = text.partition("\n")[0]
    delimiter = max((",", ";", "\t"), key=first.count)
    rows: Rows = [dict(row) for row in csv.DictReader(text.splitlines(), delimiter=delimiter)]
    if not rows:
        raise ReportError(f"--table: no rows below the header in {source.name!r}")
    return rows


def _read_parquet(source: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_table(source).to_pylist())
    except (pa.ArrowException, OSError):
        raise ReportError(f"--table: damaged or not Parquet, got {source.name!r}") from None


def _check_columns(path: str | Path, rows: Rows, wanted: Sequence[str]) -> None:
    known = [name for name in rows[0] if name] if rows else []
    for column in wanted:
        if column not in known:
            raise ReportError(f"--table: no column {column!r} in {Path(path).name}; it has {', '.join(known)}")


def _check_options(direction: str, alpha: float, sesoi: float | None) -> None:
    if direction not in ("max", "min"):
        raise ReportError(f"--direction: max or min, got {direction!r}")
    if not 0 < alpha < 0.5:
        raise ReportError(f"--alpha: must be between 0 and 0.5, got {alpha:g}")
    if sesoi is not None and not (sesoi > 0 and math.isfinite(sesoi)):
        raise ReportError(f"--sesoi: must be above 0, got {sesoi:g}")


def plan_of(
    rows: Rows, *, name: str, arm: str, seed: str, metric: str, block: str | None, baseline: str,
    sesoi: float | None, direction: str, alpha: float, unpaired: bool,
) -> tuple[Plan, list[Record]]:  # fmt: skip
    """A plan and records from the rows: each block is a dataset and a primary family of its own.

    Raises:
        ReportError: If the baseline is missing, a seed or value is no number, or a method has a seed twice.
    """
    cells = [_cell(i, row, arm, seed, metric, block) for i, row in enumerate(rows, 2)]
    _check_twice(cells)
    blocks = list(dict.fromkeys(c[1] for c in cells))
    methods = list(dict.fromkeys(c[0] for c in cells))
    if baseline not in methods:
        raise ReportError(f"--baseline: no {arm} {baseline!r} in the table; it has {', '.join(methods[:12])}")
    methods.sort(key=lambda m: m != baseline)
    present = {(m, b) for m, b, _, _ in cells}
    arms = [_arm(m, b, baseline, block) for b in blocks for m in methods if (m, b) in present]
    families = [_family(arms, b) for b in blocks]
    plan = Plan(
        study=name,
        metric=metric,
        direction=direction,
        seeds=tuple(sorted({c[2] for c in cells})),
        arms=tuple(arms),
        families=tuple(f for f in families if f is not None),
        question=f"{metric} by {arm}" + (f" and {block}" if block else ""),
        sesoi=sesoi,
        alpha=alpha,
        unpaired=unpaired,
        provenance={
            "table": name,
            "rows": len(rows),
            "columns": f"{arm}, {seed}, {metric}" + (f", {block}" if block else ""),
        },
    )
    check_plan(plan)
    return plan, [_record(plan, c, metric) for c in cells]


Cell = tuple[str, str, int, float | None]


def _cell(line: int, row: Mapping[str, Any], arm: str, seed: str, metric: str, block: str | None) -> Cell:
    name, where = str(row[arm] or "").strip(), str(row[block] or "").strip() if block else WHOLE
    if not name or not where:
        raise ReportError(f"--table: line {line} has no {arm if not name else block}")
    return name, where, _seed(line, seed, row[seed]), _value(line, metric, row[metric])


def _seed(line: int, column: str, given: Any) -> int:
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = math.nan
    if not number.is_integer():
        raise ReportError(f"--table: line {line}: {column} must be an integer, got {given!r}")
    return int(number)


def _value(line: int, column: str, given: Any) -> float | None:
    if given is None or str(given).strip().lower() in ("", "nan", "na", "null", "none"):
        return None
    try:
        number = float(given)
    except (TypeError, ValueError):
        raise ReportError(f"--table: line {line}: {column} must be a number, got {given!r}") from None
    if not math.isfinite(number):
        raise ReportError(f"--table: line {line}: {column} must be finite, got {given!r}")
    return number


def _check_twice(cells: Iterable[Cell]) -> None:
    seen: set[tuple[str, str, int]] = set()
    for name, where, seed, _ in cells:
        if (name, where, seed) in seen:
            at = "" if where == WHOLE else f" on {where!r}"
            raise ReportError(f"--table: {name!r}{at} has seed {seed} twice; is a --block column missing?")
        seen.add((name, where, seed))


def _label(method: str, where: str) -> str:
    return method if where == WHOLE else f"{method} on {where}"


def _arm(method: str, where: str, baseline: str, block: str | None) -> Arm:
    config = {"dataset": where} if block else {}
    return Arm(_label(method, where), {"method": method}, where, method == baseline, config)


def _family(arms: Sequence[Arm], where: str) -> Family | None:
    inside = [a for a in arms if a.block == where]
    base = next((a.label for a in inside if a.baseline), None)
    others = tuple(a.label for a in inside if not a.baseline)
    return Family(where, "primary", "holm", base, others) if base and others else None


def _record(plan: Plan, cell: Cell, metric: str) -> Record:
    method, where, seed, value = cell
    digest = hashlib.sha256(f"{method}\x00{where}\x00{seed}".encode()).hexdigest()[:16]
    return Record(
        trial_id=digest,
        phase=plan.phase,
        arm=_label(method, where),
        seed=seed,
        status="failed" if value is None else "complete",
        planned=None,
        reached=None,
        metrics={} if value is None else {metric: value},
        error="no value in the table" if value is None else None,
    )
