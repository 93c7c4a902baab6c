"""What an experiment reports of a trial, checked: rows of its curve, and the columns of its record."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ablations.state.agreement import ENVIRONMENT, IDENTITY
from ablations.workers.experiment import Experiment
from silhouette.bits import as_bits, pack
from silhouette.measured import finite, flat, nested_row
from silhouette.schema import MAX_TEST_BITS, SCHEMA, TEST_BITS

STATUSES = ("running", "complete", "diverged")
"""Of an experiment. The search makes one `stopped`, an exception makes one `failed`."""
OF_THE_ENGINE = {*IDENTITY, *ENVIRONMENT} - {"device", "threads"}
"""Columns that no experiment may write: its record would be that of another trial, or of other code."""
VALIDATION = ("val_top1", "val_macro_top1", "val_loss")
"""Columns of a record that its last row gives, where the experiment does not."""


def numbered(curve: Sequence[Mapping[str, Any]], start: int = 0) -> list[dict[str, Any]]:
    """Return rows of a curve from a place on, each with its epoch.

    >>> numbered([{"val_f1": 0.5}, {"val_f1": 0.6}], 1)
    [{'epoch': 2, 'val_f1': 0.6}]
    """
    return [{"epoch": start + i, **row} for i, row in enumerate(curve[start:], 1)]


def fault_of_rows(rows: Iterable[Mapping[str, Any]], metric: str | None) -> tuple[str, str]:
    """Status and reason why a search cannot use some rows; two empty texts if it can.

    Args:
        rows: New rows of a curve.
        metric: What the search sees; None in the confirm phase.
    """
    for row in rows:
        if metric is None:
            break
        values = flat(row)
        if values.get(metric) is None:
            return "failed", f"step(): each row must have the metric of the search, {metric}; it has {_names(values)}"
        if not math.isfinite(values[metric]):
            return "diverged", f"epoch {row['epoch']}: {metric} is {values[metric]}"
    return "", ""


def check_status(training: Experiment, planned: int | None) -> None:
    """Check after a step that an experiment says whether it goes on; else it would be trained for ever.

    Args:
        training: The experiment.
        planned: Epochs of its budget; None where its config has none.

    Raises:
        ValueError: If its status is unknown, contradicts `done`, or is still `running` after the planned epochs.
    """
    status, done = training.status, bool(training.done)
    if status not in STATUSES:
        raise ValueError(f"status: must be {', '.join(STATUSES)}, got {status!r}")
    if done == (status == "running"):
        raise ValueError(f"done: must be {status != 'running'} while status is {status!r}, got {done}")
    if planned is not None and training.epoch >= planned and not done:
        raise ValueError(f"status: must be complete or diverged after {planned} epochs, got {status!r}")


def outcome_of(
    training: Experiment, planned: int | None, *, test: bool, reports: str | None, max_bits: int = MAX_TEST_BITS
) -> dict[str, Any]:
    """Return the columns of a record that an experiment decides.

    What `result` leaves out follows from the experiment: its epochs, its curve, and the validation metrics of its last
    row. A result that cannot be a record makes the trial `failed`, with the reason.

    Args:
        training: The experiment, which has ended.
        planned: Epochs of its budget; None where its config has none.
        test: Whether to read test data; False in the tune phase.
        reports: Test metric that a complete trial must have; None if none is needed.
        max_bits: Largest test set of which the record says which samples were right.
    """
    known = {"epochs_planned": planned, "epochs_reached": training.epoch, "curve": numbered(training.curve)}
    given = training.result(test=test)
    try:
        found = _columns(_with_bits(given, max_bits if test else 0), training)
    except (TypeError, ValueError) as error:
        return {**known, "status": "failed", "error": f"result(): {error}"}
    own = found["metrics"] or {}
    names = {*found, *own}
    if test and reports and found["status"] == "complete" and reports not in names:
        has = _names({**given, **own})
        return {**known, "status": "failed", "error": f"result(): must have the study's metric {reports}; it has {has}"}
    return {**known, **found}


def _with_bits(given: Any, max_bits: int) -> Any:
    """The result with its `correct` samples as columns of bits; without these for a test set of more samples.

    Raises:
        ValueError: If `correct` does not say for each sample whether it was right.
    """
    if not isinstance(given, Mapping):
        return given
    found = {name: value for name, value in given.items() if name != "correct"}
    if given.get("correct") is not None:
        right = as_bits(given["correct"])
        found |= {"correct_bits": pack(right), "correct_samples": len(right)}
    kept = 0 < (found.get("correct_samples") or 0) <= max_bits
    return found if kept else {name: value for name, value in found.items() if name not in TEST_BITS}


def _columns(given: Any, training: Experiment) -> dict[str, Any]:
    """The result as columns of a record.

    Raises:
        TypeError: If it is no mapping, or a value of its metrics no number.
        ValueError: If it has a key that is no column, or one that the engine writes.
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"must return a dict, got {type(given).__name__}")
    unknown = [name for name in given if name not in SCHEMA.names]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no column of the records; give it inside metrics={{...}}")
    if taken := [name for name in given if name in OF_THE_ENGINE]:
        raise ValueError(f"{taken[0]!r} is a column that says which trial this is or what trained it; leave it out")
    if not isinstance(given.get("metrics") or {}, Mapping):
        raise TypeError(f"metrics must be a dict of numbers, got {given['metrics']!r:.80}")
    last = _last_row(training)
    metrics = {**last.get("metrics", {}), **finite(given.get("metrics") or {})}
    ours = {name: value for name, value in metrics.items() if name in SCHEMA.names and name not in given}
    own = {name: value for name, value in metrics.items() if name not in ours}
    validation = {name: last[name] for name in VALIDATION if last.get(name) is not None}
    status = given.get("status") or training.status
    plain = {name: value for name, value in given.items() if name != "metrics"}
    return {
        **validation,
        **ours,
        **plain,
        "metrics": own or None,
        "status": "stopped" if status == "running" else status,
    }


def _last_row(training: Experiment) -> dict[str, Any]:
    """The numbers of the last row that are measured on validation data; none after a divergence."""
    if not training.curve or training.status == "diverged":
        return {}
    row = nested_row(training.curve[-1])
    own = {name: value for name, value in row.get("metrics", {}).items() if name.startswith("val_")}
    return {**row, "metrics": own}


def _names(values: Mapping[str, Any]) -> str:
    return ", ".join(sorted(map(str, values))) or "nothing"
