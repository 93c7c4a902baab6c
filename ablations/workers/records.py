"""Build and write the records of trials: identity, outcome, host and versions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ablations.search.candidates import group_status, mean_curve
from ablations.state.provenance import host_columns
from ablations.workers.spec import Report, Rows, RunContext, SeedGroupSpec, TrialSpec
from silhouette.results import Store
from silhouette.schema import FAILED

PAUSES = (1.0, 5.0)
"""Seconds before each retry of a record that could not be written (a full disk, a store that does not answer)."""


def identity(context: RunContext, group: SeedGroupSpec, trial: TrialSpec) -> dict[str, Any]:
    """The columns of a record that say which trial it is."""
    return {
        "trial_id": trial.trial_id,
        "arm": group.arm,
        "seed": trial.seed,
        "phase": group.phase,
        "git_commit": context.git_commit,
        "git_dirty": context.git_dirty,
        "settings": json.dumps(context.arms[group.arm].settings, sort_keys=True),
        "config": json.dumps(group.config(context), sort_keys=True),
        **(group.candidate.columns if group.candidate else {}),
    }


def failed_record(
    context: RunContext, group: SeedGroupSpec, trial: TrialSpec, error: str, epochs_reached: int
) -> dict[str, Any]:
    """The record of a trial that could not be trained to its end."""
    outcome = {"status": "failed", "error": error, "epochs_reached": epochs_reached}
    planned = group.config(context).get("epochs")
    return {
        **identity(context, group, trial),
        **host_columns(group.plugins(context)),
        "epochs_planned": planned,
        **outcome,
    }


def shown_columns(context: RunContext, group: SeedGroupSpec, trial: TrialSpec) -> dict[str, Any]:
    """What the MLflow view needs to know of a trial that has no record yet."""
    return {
        "trial_id": trial.trial_id,
        "arm": group.arm,
        "seed": trial.seed,
        "phase": group.phase,
        "git_commit": context.git_commit,
        "config": group.config(context),
        "tune_number": group.candidate.number if group.candidate else None,
    }


def lost_seconds(store: Store, trial_id: str) -> float | None:
    """Seconds of earlier runs of a trial that failed, which its next record replaces; None without any."""
    with suppress(OSError):  # a store that does not answer: the record counts more than what it replaces
        before = store.record(trial_id)
        if before is not None and before["status"] == FAILED:
            return (before["seconds"] or 0.0) + (before["earlier_seconds"] or 0.0)
    return None


def write_record(store: Store, record: Mapping[str, Any]) -> None:
    """Write a record. Try again after a few seconds: the training behind it took longer.

    Raises:
        OSError: If the last try fails too.
    """
    with_retries(lambda: store.write_record(record))


def with_retries(write: Callable[[], None]) -> None:
    """Call what writes a file; again after a few seconds if the store does not take it.

    Raises:
        OSError: If the last try fails too.
    """
    for pause in PAUSES:
        try:
            return write()
        except OSError:
            time.sleep(pause)
    return write()


def without_curve(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as the driver gets it, which has the curve from earlier reports and no use for single test samples."""
    return {key: value for key, value in record.items() if key not in ("curve", "correct_bits")}


def ended_report(
    context: RunContext,
    records: Sequence[Mapping[str, Any]],
    rows: Mapping[str, Rows] | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """The report of a group whose records are written.

    Args:
        context: What all groups of the phase share.
        records: One for each seed.
        rows: New rows of each trial's curve; by default the whole curve of each record.
        notes: What a person should know.
    """
    if rows is None:
        rows = {record["trial_id"]: record["curve"] or [] for record in records}
    status = group_status(record["status"] for record in records)
    shown = [without_curve(record) for record in records]
    return Report(status, rows, group_means(context, rows), records=shown, notes=tuple(notes))


def group_means(context: RunContext, rows: Mapping[str, Rows]) -> dict[int, float]:
    """Mean over the seeds by epoch of what the search sees; empty in the confirm phase."""
    return mean_curve(list(rows.values()), context.metric) if context.metric else {}
