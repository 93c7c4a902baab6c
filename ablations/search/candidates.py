"""Settings of the tune phase and their records: one setting is one record per tuning seed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow.compute as pc

from ablations.search.arm_search import Setting
from silhouette.results import Store

COLUMNS = (
    "trial_id", "arm", "seed", "status", "epochs_reached", "config", "curve",
    "tune_number", "tune_values", "tune_known", "tune_bracket",
)  # fmt: skip
OPEN = "open_settings.json"
"""Settings that were proposed and have not ended: a search that was killed goes on with these, from checkpoints."""
Rows = Sequence[Mapping[str, Any]]


def tune_rows(store: Store) -> list[dict[str, Any]]:
    """The records of the tune phase."""
    table = store.load((*COLUMNS, "phase"))
    return list(table.filter(pc.equal(table["phase"], "tune")).to_pylist())


def read_settings(rows: Rows, arm: str, seeds: Sequence[int], metric: str) -> list[Setting]:
    """The settings of an arm that have ended: those with a record for every tuning seed.

    A failed setting is left out, so that the next run tries it again, under its number.
    """
    found = [read_setting(group, metric) for group in _by_number(rows, arm, seeds).values() if len(group) == len(seeds)]
    return sorted(found, key=lambda setting: setting.number)


def begun(rows: Rows, arm: str, seeds: Sequence[int]) -> dict[int, tuple[str, int]]:
    """How settings were stopped of which only some records were written before a kill: (status, epoch) by number."""
    groups = _by_number(rows, arm, seeds)
    ends = {n: _end(group) for n, group in groups.items() if len(group) < len(seeds)}
    return {n: end for n, end in ends.items() if end[0] == "stopped"}


def _by_number(rows: Rows, arm: str, seeds: Sequence[int]) -> dict[int, list[Mapping[str, Any]]]:
    groups: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["arm"] == arm and row["tune_number"] is not None and row["seed"] in seeds:
            groups.setdefault(row["tune_number"], []).append(row)
    return {n: sorted(group, key=lambda r: seeds.index(r["seed"])) for n, group in groups.items()}


def read_setting(group: Rows, metric: str) -> Setting:
    """The setting of one record per seed, in the order of the tuning seeds."""
    first = group[0]
    return Setting(
        number=first["tune_number"],
        values=json.loads(first["tune_values"]),
        known=tuple(first["tune_known"] or ()),
        bracket=first["tune_bracket"] or 0,
        status=_end(group)[0],
        means=mean_curve([row["curve"] or [] for row in group], metric),
    )


def mean_curve(curves: Sequence[Sequence[Mapping[str, Any]]], metric: str) -> dict[int, float]:
    """Mean over seeds of a metric, for each epoch that every seed has measured."""
    by_seed = [{row["epoch"]: row[metric] for row in curve if row.get(metric) is not None} for curve in curves]
    shared = set.intersection(*(set(values) for values in by_seed)) if by_seed else set()
    return {epoch: sum(values[epoch] for values in by_seed) / len(by_seed) for epoch in sorted(shared)}


def setting_status(statuses: Iterable[str]) -> str:
    """Status of a setting from those of its trials: what went wrong in one of them decides.

    >>> setting_status(["complete", "complete"]), setting_status(["stopped", "diverged"])
    ('complete', 'diverged')
    """
    found = set(statuses)
    return next((s for s in ("failed", "diverged", "stopped") if s in found), "complete")


def _end(group: Rows) -> tuple[str, int]:
    return setting_status(row["status"] for row in group), max(row["epochs_reached"] or 0 for row in group)


def columns_of(setting: Setting) -> dict[str, Any]:
    """The columns of a record that say which setting of its arm it belongs to."""
    return {
        "tune_number": setting.number,
        "tune_values": json.dumps(dict(setting.values), sort_keys=True),
        "tune_known": list(setting.known),
        "tune_bracket": setting.bracket,
    }
