"""Records, curves, arms and comparisons as Arrow tables with plain columns, for pandas, Polars and DuckDB."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.results.document import ArmData, ComparisonData, Summary
from silhouette.evaluated import SCHEMA as EVALUATIONS
from silhouette.evaluated import Evaluation
from silhouette.measured import metric_column, own_metrics
from silhouette.results import SCHEMA

_TEXT, _NUMBER, _COUNT, _FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()

ARMS = pa.schema(
    [
        ("arm", _TEXT), ("method", _TEXT), ("block", _TEXT), ("dataset", _TEXT), ("baseline", _FLAG),
        ("settings", _TEXT), ("n", _COUNT), ("mean", _NUMBER), ("sd", _NUMBER), ("ci_low", _NUMBER),
        ("ci_high", _NUMBER), ("sd_low", _NUMBER), ("sd_high", _NUMBER), ("median", _NUMBER), ("min", _NUMBER),
        ("max", _NUMBER), ("failed", _COUNT),
    ]
)  # fmt: skip
"""Columns of the table of arms; `settings` is JSON, `failed` the number of seeds without a result."""

COMPARISONS = pa.schema(
    [
        ("family", _TEXT), ("role", _TEXT), ("correction", _TEXT), ("m", _COUNT), ("block", _TEXT),
        ("treatment", _TEXT), ("baseline", _TEXT), ("n", _COUNT), ("difference", _NUMBER), ("ci_low", _NUMBER),
        ("ci_high", _NUMBER), ("p_t", _NUMBER), ("p_sign_flip", _NUMBER), ("p_wilcoxon", _NUMBER),
        ("p_equivalence", _NUMBER), ("p_adjusted", _NUMBER), ("p_equivalence_adjusted", _NUMBER),
        ("p_max_t", _NUMBER), ("ci_adjusted_low", _NUMBER), ("ci_adjusted_high", _NUMBER),
        ("ci_verdict_low", _NUMBER), ("ci_verdict_high", _NUMBER), ("ci_verdict_level", _NUMBER), ("d_z", _NUMBER),
        ("verdict", _TEXT), ("size", _TEXT), ("reason", _TEXT), ("sentence", _TEXT),
    ]
)  # fmt: skip
"""Columns of the table of comparisons, named as in `report.json`."""

PLAIN = tuple(field.name for field in SCHEMA if not pa.types.is_nested(field.type))
"""Columns of the records that hold one value each."""
_IDENTITY = ("trial_id", "phase", "arm", "seed", "status")


def arms_table(summary: Summary) -> pa.Table:
    """One row per arm, in the order of the plan."""
    return _table(ARMS, (_arm_row(arm) for arm in summary["arms"]))


def _arm_row(arm: ArmData) -> dict[str, Any]:
    settings = json.dumps(arm["settings"], ensure_ascii=False)
    return {**arm, "settings": settings, "failed": len(arm["failed"])}


def comparisons_table(summary: Summary) -> pa.Table:
    """One row per declared comparison."""
    return _table(COMPARISONS, (_comparison_row(c) for c in summary["comparisons"]))


def _comparison_row(comparison: ComparisonData) -> dict[str, Any]:
    return dict(comparison)


def _table(schema: pa.Schema, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    kept = [{name: row.get(name) for name in schema.names} for row in rows]
    return pa.Table.from_pylist(kept, schema=schema)


def curves_table(records: pa.Table) -> pa.Table:
    """One row per trial and epoch, from the nested column `curve`.

    Args:
        records: Records with `trial_id`, `phase`, `arm`, `seed`, `status` and `curve`.

    Returns:
        These columns without `curve`, and one column for each measurement of an epoch.
    """
    nested = records["curve"].combine_chunks()
    epochs = pc.list_flatten(nested)
    rows = records.select(_IDENTITY).take(pc.list_parent_indices(nested))
    for field, column in zip(epochs.type, epochs.flatten(), strict=True):
        if field.name == "metrics":
            rows = with_own_metrics(rows.append_column(field.name, column))
        else:
            rows = rows.append_column(field.name, column)
    return rows


def with_own_metrics(rows: pa.Table) -> pa.Table:
    """Rows with a map `metrics`, with one column for each of its names instead."""
    found = {name: metric_column(rows, name) for name in own_metrics(rows)}
    rows = rows.drop_columns(["metrics"])
    for name, column in found.items():
        if name in rows.column_names:  # a person's own function has the name of one of ours
            rows = rows.set_column(rows.column_names.index(name), name, column)
        else:
            rows = rows.append_column(name, column)
    return rows


CURVES = (*_IDENTITY, "curve")
"""Columns of the records from which `curves_table` is made."""


def evaluated_table(records: pa.Table, values: Iterable[Evaluation]) -> pa.Table:
    """One row per trial and metric that was measured after a study, with the trial's phase, arm, seed and status.

    Args:
        records: Records with `trial_id`, `phase`, `arm`, `seed` and `status`.
        values: What was measured.
    """
    trials = {row["trial_id"]: row for row in records.select(_IDENTITY).to_pylist()}
    rows = ({**trials[one.trial_id], **asdict(one)} for one in values if one.trial_id in trials)
    return _table(EVALUATED, rows)


EVALUATED = pa.schema([*(SCHEMA.field(name) for name in _IDENTITY), *(f for f in EVALUATIONS if f.name != "trial_id")])
"""Columns of the table of metrics that were measured after a study."""
