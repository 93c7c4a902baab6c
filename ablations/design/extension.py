"""Seeds that were added after results could be seen: declared beforehand, or labelled for ever."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc

from silhouette.results import Store

KEPT = ("extended", "frozen")
"""Keys of `study.json` that tell what happened to a study; a larger plan does not forget them."""


def history(stored: Mapping[str, Any] | None, new: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """What `study.json` must go on to say when `new` takes the place of `stored`.

    Returns:
        `frozen`, and `extended`: a list of `{from, to, at, declared}`, numbers of seeds, one for each time that
        seeds were added to a study that had complete confirm-phase records.
    """
    if stored is None:
        return {}
    kept = {key: stored[key] for key in KEPT if key in stored}
    if set(new["seeds"]) <= set(stored["seeds"]) or not _looked_at(store):
        return kept
    looks = new.get("looks", [])
    before, after = len(stored["seeds"]), len(new["seeds"])
    declared = looks == stored.get("looks", []) and {before, after} <= set(looks)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    note = {"from": before, "to": after, "at": now, "declared": declared}
    return {**kept, "extended": [*kept.get("extended", []), note]}


def _looked_at(store: Store) -> bool:
    table = store.load(("phase", "status"))
    return bool(pc.any(pc.and_(pc.equal(table["phase"], "confirm"), pc.equal(table["status"], "complete"))).as_py())
