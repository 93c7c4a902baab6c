"""The section on provenance: where the numbers come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from analysis.formatting import MISSING, count, listing
from analysis.report.cells import table, whole
from analysis.report.elements import Cell, Section
from analysis.results.document import Document

PLACE = 160


def section(data: Document) -> Section:
    """Where the numbers come from, trial ids included."""
    found = data["provenance"]
    rows = [] if data["from_table"] else [(Cell("plan hash"), Cell(data["plan_hash"] or MISSING))]
    rows += [
        (Cell(str(k)), Cell(_counted(cast(Mapping[str, int], v)) if k in _COUNTED else _flat(v)))
        for k, v in found.items()
        if k != "trial_ids" and v not in (None, {}, "")
    ]
    caption = _TABLE_ONLY if data["from_table"] else "Where these numbers come from."
    parts = [table("provenance", caption, ("what", "value"), rows, text=(0, 1))]
    ids = found.get("trial_ids") or {}
    total = sum(len(v) for v in ids.values())
    if 0 < total <= MAX_IDS:
        made = [(Cell(arm), whole(len(v)), Cell(" ".join(v))) for arm, v in ids.items()]
        parts.append(
            table("trials", "Trial ids of every arm.", ("arm", "n", "trial ids"), made, text=(0, 2), long=True)
        )
    note = () if total <= MAX_IDS else (f"The {total} trial ids are in report.json.",)
    return Section("provenance", "Provenance", note, tuple(parts))


MAX_IDS = 2000
_TABLE_ONLY = (
    "Where these numbers come from: a plain table. It does not tell which code, machine or plan made its values."
)


_COUNTED = (
    "commits of the records",
    "source digests of the records",
    "plugins of the records",
    "versions of the records",
    "devices",
)


def _counted(numbers: Mapping[str, int]) -> str:
    """Each value with the number of records that have it."""
    return listing([f"{value} ({count(n, 'record')})" for value, n in numbers.items()], 12)


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_flat(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return listing([_flat(v) for v in value], 12)
    return str(value)
