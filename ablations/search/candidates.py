"""Candidates of the tune phase and their records: one candidate is one record per tuning seed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

import pyarrow.compute as pc

from silhouette.measured import flat
from silhouette.results import Store

COLUMNS = (
    "trial_id", "arm", "seed", "status", "epochs_reached", "config", "curve",
    "tune_number", "tune_values", "tune_known", "tune_bracket",
)  # fmt: skip
OPEN = "open_settings.json"
"""File of the candidates that were proposed and have not ended. A search that was killed continues with these."""
Rows = Sequence[Mapping[str, Any]]


@dataclass
class Candidate:
    """One choice of the nuisance values in one arm.

    Attributes:
        number: Its place in the order of the arm's proposals, from 0.
        values: Nuisance values by name.
        known: Numbers of the candidates whose outcome was known when this one was proposed.
        bracket: Its ASHA bracket.
        status: `running` until it ends, then that of its records.
        means: Mean validation value over the seeds after each epoch.
    """

    number: int
    values: Mapping[str, Any]
    known: tuple[int, ...] = ()
    bracket: int = 0
    status: str = "running"
    means: dict[int, float] = field(default_factory=dict)

    @property
    def last(self) -> float | None:
        """The value after its last epoch."""
        return self.means[max(self.means)] if self.means else None


def tune_rows(store: Store) -> list[dict[str, Any]]:
    """The records of the tune phase."""
    table = store.load((*COLUMNS, "phase"))
    return list(table.filter(pc.equal(table["phase"], "tune")).to_pylist(maps_as_pydicts="strict"))


def read_candidates(rows: Rows, arm: str, seeds: Sequence[int], metric: str) -> list[Candidate]:
    """The candidates of an arm that have ended: those with a record for every tuning seed.

    A failed candidate is left out, so that the next run tries it again, under its number.
    """
    found = [
        read_candidate(group, metric) for group in _by_number(rows, arm, seeds).values() if len(group) == len(seeds)
    ]
    return sorted(found, key=lambda candidate: candidate.number)


def _by_number(rows: Rows, arm: str, seeds: Sequence[int]) -> dict[int, list[Mapping[str, Any]]]:
    groups: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["arm"] == arm and row["tune_number"] is not None and row["seed"] in seeds:
            groups.setdefault(row["tune_number"], []).append(row)
    return {n: sorted(group, key=lambda r: seeds.index(r["seed"])) for n, group in groups.items()}


def read_candidate(group: Rows, metric: str) -> Candidate:
    """The candidate of one record per seed, in the order of the tuning seeds."""
    first = group[0]
    return Candidate(
        number=first["tune_number"],
        values=json.loads(first["tune_values"]),
        known=tuple(first["tune_known"] or ()),
        bracket=first["tune_bracket"] or 0,
        status=_end(group)[0],
        means=mean_curve([row["curve"] or [] for row in group], metric),
    )


def mean_curve(curves: Sequence[Sequence[Mapping[str, Any]]], metric: str) -> dict[int, float]:
    """Mean over seeds of a metric, for each epoch that every seed has measured."""
    rows = [map(flat, curve) for curve in curves]
    by_seed = [{row["epoch"]: row[metric] for row in curve if row.get(metric) is not None} for curve in rows]
    shared = set.intersection(*(set(values) for values in by_seed)) if by_seed else set()
    return {epoch: sum(values[epoch] for values in by_seed) / len(by_seed) for epoch in sorted(shared)}


def group_status(statuses: Iterable[str]) -> str:
    """Status of a candidate from those of its trials: `complete` only if all are, else the worst of them.

    >>> group_status(["complete", "complete"]), group_status(["stopped", "diverged"])
    ('complete', 'diverged')
    """
    found = set(statuses)
    return next((s for s in ("failed", "diverged", "stopped") if s in found), "complete")


def _end(group: Rows) -> tuple[str, int]:
    return group_status(row["status"] for row in group), max(row["epochs_reached"] or 0 for row in group)


class CandidateColumns(TypedDict):
    """The columns of a record that say which candidate of its arm it belongs to; `tune_values` is JSON."""

    tune_number: int
    tune_values: str
    tune_known: list[int]
    tune_bracket: int


def columns_of(candidate: Candidate) -> CandidateColumns:
    """The columns of a record that say which candidate of its arm it belongs to."""
    return {
        "tune_number": candidate.number,
        "tune_values": json.dumps(dict(candidate.values), sort_keys=True),
        "tune_known": list(candidate.known),
        "tune_bracket": candidate.bracket,
    }
