"""Checkpoints of unfinished trials, by trial_id: any worker on any node can continue a trial."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Container
from contextlib import suppress
from typing import Any

from silhouette.results import Store

KEEP_CHECKPOINTS = 2
"""The newest may be damaged (a full disk, a lost node); then the one before it is used."""


class Checkpoints:
    """The checkpoints of one trial, below `checkpoints/<trial_id>/` of its store.

    Args:
        store: Where the study keeps its files.
        trial_id: Whose checkpoints.
        every: Least number of seconds between two of them.
    """

    def __init__(self, store: Store, trial_id: str, every: float) -> None:
        self.store = store
        self.folder = ("checkpoints", trial_id)
        self.every = every
        self._last = time.monotonic()

    def save_if_due(self, epoch: int, state: dict[str, Any]) -> None:
        """Save at the end of an epoch, unless the last one is younger than `every` seconds.

        If a checkpoint cannot be written, training continues; the next one may be written.
        """
        if time.monotonic() - self._last >= self.every:
            with suppress(OSError):
                self.save(epoch, state)

    def save(self, epoch: int, state: dict[str, Any]) -> None:
        """Write one checkpoint atomically, then delete all but the newest two."""
        self.store.write_bytes(_to_bytes(state), *self.folder, f"{epoch:06d}.pt")
        for name in self._names()[KEEP_CHECKPOINTS:]:
            self.store.delete(*self.folder, name)
        self._last = time.monotonic()

    def newest(self) -> dict[str, Any] | None:
        """State of the newest readable checkpoint; None where there is none."""
        for name in self._names():
            data = self.store.read_bytes(*self.folder, name)
            try:
                return _from_bytes(data or b"")
            except Exception:  # damaged bytes raise many kinds of errors; the older checkpoint is next
                continue
        return None

    def clear(self) -> None:
        """Delete them all. The trial has its record by then, so an error of the store is ignored."""
        with suppress(OSError):
            self.store.delete(*self.folder)

    def _names(self) -> list[str]:
        return sorted((n for n in self.store.names(*self.folder) if n.endswith(".pt")), reverse=True)


def _to_bytes(state: dict[str, Any]) -> bytes:
    """JSON where it holds the state exactly, so that an experiment without torch needs none; else torch's format."""
    with suppress(TypeError, ValueError):
        text = json.dumps(state)
        if json.loads(text) == state:
            return text.encode()
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _from_bytes(data: bytes) -> dict[str, Any]:
    if data.startswith(b"{"):
        return dict(json.loads(data))
    import torch

    return dict(torch.load(io.BytesIO(data), weights_only=True, map_location="cpu"))


def sweep(store: Store, finished: Container[str]) -> None:
    """Delete the checkpoints of finished trials, which a worker leaves if it is killed right after its record.

    Args:
        store: Where the study keeps its files.
        finished: Ids of the trials that are never run again.
    """
    with suppress(OSError):
        for trial_id in store.folders("checkpoints"):
            if trial_id in finished:
                store.delete("checkpoints", trial_id)
