"""Records: one row per finished trial, as the results contract stores it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pyarrow as pa

from silhouette.measured import metric_column, own_metrics
from silhouette.schema import TEST_BITS

COLUMNS = (
    "trial_id", "phase", "arm", "config", "seed", "status", "epochs_planned", "epochs_reached",
    "val_top1", "val_macro_top1", "val_loss", "test_top1", "test_macro_top1", "test_loss", "test_silhouette",
    "class_train", "class_correct", "class_total", *TEST_BITS,
    "classes_per_batch", "singleton_share", "single_class_batches",
    "seconds", "device", "threads", "versions", "git_commit", "git_dirty", "error",
    "source_sha256", "plugins", "test_pool_sha256", "metrics",
)  # fmt: skip
"""Columns of the results contract that a report reads; the study's metric is added."""


@dataclass(frozen=True, slots=True)
class Record:
    """One finished trial. `metrics` has the measured values only; `bits` say which test samples were right."""

    trial_id: str
    phase: str
    arm: str
    seed: int
    status: str
    planned: int | None
    reached: int | None
    metrics: Mapping[str, float]
    config: str | None = None
    seconds: float | None = None
    device: str | None = None
    error: str | None = None
    classes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)
    bits: bytes | None = None
    samples: int | None = None

    @property
    def complete(self) -> bool:
        """Return True if the trial ran its whole budget, by its status and by its epochs."""
        short = self.planned is not None and self.reached is not None and self.reached < self.planned
        return self.status == "complete" and not short


@lru_cache(maxsize=4096)
def parsed_config(config: str | None) -> Mapping[str, Any] | None:
    """The config of a record, from its JSON; None where it is absent or no object. Records of an arm share it.

    >>> parsed_config('{"epochs": 3}'), parsed_config("damaged")
    ({'epochs': 3}, None)
    """
    try:
        found = json.loads(config or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def read_records(table: pa.Table, extra_metrics: Iterable[str] = ()) -> list[Record]:
    """Records from a table in the results contract's columns; their `metrics` have the names of its map too."""
    names = table.column_names
    absent = [None] * table.num_rows
    columns = {
        name: table[name].to_pylist() if name in names else absent
        for name in (*_PLAIN, *_CLASSES, *_ORIGIN, *TEST_BITS)
    }
    metrics = [m for m in dict.fromkeys((*_METRICS, *extra_metrics)) if m in names]
    own = own_metrics(table) if "metrics" in names else []
    values = [metric_column(table, m).to_pylist() for m in (*own, *metrics)]  # a column of the same name counts
    measured = _rows([*own, *metrics], values, table.num_rows)
    classes = _rows(_CLASSES, [columns[name] for name in _CLASSES], table.num_rows)
    origin = _rows(_ORIGIN, [columns[name] for name in _ORIGIN], table.num_rows)
    bits = zip(*(columns[name] for name in TEST_BITS), strict=True)
    plain = zip(*(columns[name] for name in _PLAIN), strict=True)
    rows = zip(plain, measured, classes, origin, bits, strict=True)
    return [_record(*own, *more, *packed) for own, *more, packed in rows]


def _record(trial: str | None, phase: str | None, arm: str | None, *rest: Any) -> Record:
    """A record of a row, in the order of its fields; a damaged row may lack its names."""
    seed, status, planned, reached, config, seconds, device, error, metrics, *others = rest
    names = (trial or "", phase or "", arm or "")
    return Record(*names, seed, status, planned, reached, metrics, config, seconds, device, error, *others)


def _rows(names: Sequence[str], columns: Sequence[list[Any]], count: int) -> Iterable[dict[str, Any]]:
    """One mapping per row, without missing values (null or NaN)."""
    if not columns:
        return ({} for _ in range(count))
    return (
        {n: v for n, v in zip(names, row, strict=True) if v is not None and v == v}
        for row in zip(*columns, strict=True)
    )


_PLAIN = (
    "trial_id", "phase", "arm", "seed", "status", "epochs_planned", "epochs_reached", "config", "seconds", "device",
    "error",
)  # fmt: skip
_METRICS = (
    "val_top1", "val_macro_top1", "val_loss", "test_top1", "test_macro_top1", "test_loss", "test_silhouette",
    "classes_per_batch", "singleton_share", "single_class_batches",
)  # fmt: skip
_CLASSES = ("class_train", "class_correct", "class_total")
_ORIGIN = ("git_commit", "git_dirty", "versions", "threads", "source_sha256", "plugins", "test_pool_sha256")
"""Where a record comes from: code, machine, and the digest of the indices of its test samples."""
