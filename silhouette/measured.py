"""Numbers of a record or of a row of its curve: in a column of their own, or by name in the map `metrics`."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from silhouette.schema import CURVE_FIELDS, SCHEMA


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record, or a row of its curve, with the numbers of its map `metrics` beside the others.

    A number of the map takes the place of a column of its name, which a person's own function may have.

    >>> flat({"epoch": 1, "metrics": {"val_f1": 0.5}}), flat({"epoch": 1, "metrics": None})
    ({'epoch': 1, 'val_f1': 0.5}, {'epoch': 1})
    """
    plain = {name: value for name, value in values.items() if name != "metrics"}
    own = dict(values.get("metrics") or {})
    return {**plain, **{name: value for name, value in own.items() if value is not None or name not in plain}}


def nested_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a curve as records hold it: what is no column of `curve` stands in its `metrics`.

    >>> nested_row({"epoch": 1, "val_f1": 0.5})
    {'epoch': 1, 'metrics': {'val_f1': 0.5}}
    """
    whole = flat(row)
    known = {name: value for name, value in whole.items() if name in CURVE_FIELDS}
    own = finite({name: value for name, value in whole.items() if name not in CURVE_FIELDS})
    return {**known, "metrics": own} if own else known


def finite(values: Mapping[str, Any]) -> dict[str, float | None]:
    """Return numbers by name as plain floats; None where a value is none, or not finite.

    Raises:
        TypeError: If a value is no number.

    >>> finite({"a": 1, "b": float("nan"), "c": None})
    {'a': 1.0, 'b': None, 'c': None}
    """
    return {str(name): _finite(str(name), value) for name, value in values.items()}


def _finite(name: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: must be a number, got {value!r:.80}") from None
    return number if math.isfinite(number) else None


def metric_columns(names: Collection[str]) -> list[str]:
    """Return the columns of the records in which some metrics may stand.

    >>> metric_columns(["test_top1"]), metric_columns(["test_f1", "test_top1"])
    (['test_top1'], ['test_top1', 'metrics'])
    """
    own = [] if all(name in SCHEMA.names for name in names) else ["metrics"]
    return [*(name for name in names if name in SCHEMA.names), *own]


def metric_column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return the values of a metric, one for each record; null where it was not measured.

    Args:
        table: Records that have the columns `metric_columns([name])`.
        name: A column of the records, or a name in their map `metrics`.
    """
    if name not in SCHEMA.names:
        return pc.map_lookup(table["metrics"], name, "last")
    if "metrics" not in table.column_names:
        return table[name]
    return pc.coalesce(pc.map_lookup(table["metrics"], name, "last"), table[name])  # a person's own was asked for


def own_metrics(table: pa.Table) -> list[str]:
    """Return the names in the maps `metrics` of records, sorted."""
    found: set[str] = set()
    for chunk in table["metrics"].chunks:
        found.update(pc.unique(chunk.keys).to_pylist())
    return sorted(found)
