"""Claims: which of several drivers of one study takes which trial, by files in its folder that all of them see.

A claim is a file that only one process can create (O_EXCL): `flock` is no lock between nodes on every file system. Its
name has the trial and a number. Whoever takes a trial over creates the next number, so a claim is never removed under
its holder. A claim holds while its driver's heartbeat changes; each driver watches that with its own clock, since
clocks of nodes differ.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from silhouette.results import Store

FOLDER = "claims"
DRIVERS = "drivers"
STALE_SECONDS = 60.0
"""A driver whose heartbeat has not changed for so long is gone."""
LISTING_SECONDS = 1.0
FREE, HELD, ENDED = "free", "held", "ended"


def place() -> str:
    """Host and process namespace: two processes of one place can look at each other by process id."""
    with suppress(OSError):
        return f"{platform.node()} {os.readlink('/proc/self/ns/pid')}"
    return platform.node()


class Claims:
    """The claims of one driver.

    Args:
        store: The study's store, on a file system.
        owner: Name of this driver's heartbeat file, without its suffix.
        clock: Returns seconds.

    Attributes:
        mine: Numbers of the claims that this driver holds, by key.
    """

    def __init__(self, store: Store, owner: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.store, self.owner, self.clock = store, owner, clock
        self.mine: dict[str, int] = {}
        self._seen: dict[str, tuple[str, float]] = {}
        self._listed_at, self._listing = -LISTING_SECONDS, dict[str, int]()
        self._before = dict(self._newest())

    def take(self, key: str) -> bool:
        """Take a trial, unless another driver holds it or it ended since this driver began."""
        if self.state(key) != FREE:
            return False
        number = self._newest().get(key, -1) + 1
        path = self.store.path(FOLDER, f"{key}.{number:04d}")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:  # another driver was faster
            self._listed_at = -LISTING_SECONDS
            return False
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps({"owner": self.owner, "job": os.environ.get("SLURM_JOB_ID")}) + "\n")
        self.mine[key] = self._listing[key] = number
        return True

    def release(self, key: str, outcome: str = "") -> None:
        """Give a trial back, or note how it ended. An error of the store leaves a claim that becomes stale."""
        number = self.mine.pop(key, None)
        if number is not None:
            said = json.dumps({"owner": self.owner, "released": True, "outcome": outcome}) + "\n"
            with suppress(OSError):
                self.store.write_bytes(said.encode(), FOLDER, f"{key}.{number:04d}")

    def release_all(self) -> None:
        """Give back everything."""
        for key in list(self.mine):
            self.release(key)

    def state(self, key: str) -> str:
        """Return `free`, `held` (also by this driver), or `ended`: it failed since this driver began.

        What failed before is tried again, as by every new run.
        """
        number = self._newest().get(key)
        if number is None:
            return FREE
        claim = _parsed(self.store.read_bytes(FOLDER, f"{key}.{number:04d}"))
        if claim.get("released"):
            return ENDED if claim.get("outcome") and number > self._before.get(key, -1) else FREE
        owner = claim.get("owner")
        if owner == self.owner:
            return HELD if self.mine.get(key) == number else FREE
        return HELD if self._lives(owner if isinstance(owner, str) else f"unknown {key}.{number}") else FREE

    def _newest(self) -> dict[str, int]:
        """The newest claim on each key; the folder is read at most once a second."""
        if self.clock() - self._listed_at >= LISTING_SECONDS:
            found: dict[str, int] = {}
            for name in self._names():
                key, _, number = name.rpartition(".")
                if number.isdecimal():
                    found[key] = max(int(number), found.get(key, -1))
            self._listing, self._listed_at = found, self.clock()
        return self._listing

    def _names(self) -> list[str]:
        """Files of the folder. Arrow fails to list one in which a file has just been replaced, so it is read again."""
        for _ in range(3):
            with suppress(OSError):
                return self.store.names(FOLDER)
        return self.store.names(FOLDER)

    def _lives(self, owner: str) -> bool:
        """Whether the heartbeat of a driver has changed lately. Of its own place the kernel knows at once."""
        beat = self.store.read_bytes(DRIVERS, f"{owner}.json") or b""
        said = _parsed(beat)
        if said.get("place") == place() and not _is_process(said.get("pid")):
            return False
        text, now = beat.decode(errors="replace"), self.clock()
        if self._seen.get(owner, ("", 0.0))[0] != text or owner not in self._seen:
            self._seen[owner] = (text, now)
        return now - self._seen[owner][1] < STALE_SECONDS


def _parsed(data: bytes | None) -> Mapping[str, Any]:
    """A file of JSON; empty while it is being written, or if it is damaged."""
    try:
        found = json.loads(data or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_process(pid: Any) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (OSError, TypeError, ValueError):  # of another user, or no number
        return True
    return True
