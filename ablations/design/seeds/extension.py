"""Seeds that are added to a study after its results could be seen: the note in `study.json` that says so for ever."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc

from silhouette.results import Store

NOTES = ("extended", "frozen", "budget")
"""Keys of `study.json` that record what happened to a study; a larger plan keeps them."""


def extension_notes(stored: Mapping[str, Any] | None, new: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """The notes that `study.json` must keep when `new` replaces `stored`.

    Seeds that are added after results could be seen are declared beforehand (`looks`) or recorded permanently.

    Returns:
        `frozen`, and `extended`: a list of `{from, to, at, declared}`, numbers of seeds, one for each time that
        seeds were added to a study that had complete confirm-phase records.
    """
    if stored is None:
        return {}
    kept = {key: stored[key] for key in NOTES if key in stored}
    note = extension(stored, new, store)
    return kept if note is None else {**kept, "extended": [*kept.get("extended", []), note]}


def extension(stored: Mapping[str, Any] | None, new: Mapping[str, Any], store: Store) -> dict[str, Any] | None:
    """The note on seeds that `new` adds to a stored plan whose results could be seen; None if it adds none."""
    if stored is None or set(new["seeds"]) <= set(stored["seeds"]) or not has_results(store):
        return None
    if new.get("stop") and new["stop"] == stored.get("stop"):
        return None  # a larger maximum of seeds: this test holds its level at any number of them
    looks = new.get("looks", [])
    before, after = len(stored["seeds"]), len(new["seeds"])
    declared = looks == stored.get("looks", []) and {before, after} <= set(looks)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"from": before, "to": after, "at": now, "declared": declared}


def has_results(store: Store) -> bool:
    """Return True if a complete record of the confirm phase is there, so that results could be seen."""
    table = store.load(("phase", "status"))
    return bool(pc.any(pc.and_(pc.equal(table["phase"], "confirm"), pc.equal(table["status"], "complete"))).as_py())
