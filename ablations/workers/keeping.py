"""Keep weights or test embeddings of a complete trial, before its record is written; the record comes first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablations.errors import first_line
from ablations.state.kept import drop_kept, kept_bytes, write_kept
from ablations.workers.experiment import METHODS
from ablations.workers.records import with_retries, write_record
from silhouette.results import Store


def keep_trial(store: Store, trial_id: str, kind: str, training: Any) -> str:
    """Write what a study keeps of a trial. A fault costs this file, not the trial.

    Args:
        store: Where the study keeps its files.
        trial_id: The trial.
        kind: `last` or `embeddings`.
        training: Its experiment, which has ended.

    Returns:
        Empty if it is written; else one line that says why not.
    """
    try:
        data = kept_bytes(kind, trial_id, getattr(training, METHODS[kind])())
        with_retries(lambda: write_kept(store, trial_id, kind, data))
    except Exception as error:  # also of the experiment's own code: the training behind the record took longer
        return f"{trial_id}: nothing kept ({type(error).__name__}: {first_line(error)}); its record is written"
    return ""


def write_record_first(store: Store, record: Mapping[str, Any]) -> str:
    """Write a record; if the disk is full, remove what was kept of the trial and write it then.

    Returns:
        Empty, or one line that says what the record has cost.

    Raises:
        OSError: If the record cannot be written even so.
    """
    try:
        write_record(store, record)
    except OSError as error:
        if not drop_kept(store, record["trial_id"]):
            raise
        write_record(store, record)
        return f"{record['trial_id']}: nothing kept ({first_line(error)}); its record is written"
    return ""
