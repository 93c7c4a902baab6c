"""One driver per study and results location; `driver.json` tells other processes about it.

`driver.json` names the driver, its last heartbeat and the trials that are running; `ablate status` reads it. On a file
system the lock is the kernel's, which ends with the process. An object store has no locks. There the heartbeat is the
lock: if it is older than a minute, the driver has ended.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import IO, Any, NotRequired, TypedDict

from ablations.errors import StudyError
from silhouette.results import Store

FILE = "driver.json"
BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0


class DriverIdentity(TypedDict):
    """Which driver runs. Plain data, since a node with other code must be able to read it.

    Attributes:
        host: Its machine.
        pid: Its process.
        started_at: When it started.
        sources: Digest of its code; a node must have the same.
        plugins: Digest of each plugin of its study, by name; a node must have the same.
        plugin_versions: Version of each, None where it has none; a node that knows one must have the same.
    """

    host: str
    pid: int
    started_at: str
    sources: NotRequired[str]
    plugins: NotRequired[dict[str, str | None]]
    plugin_versions: NotRequired[dict[str, str | None]]


class DriverLock:
    """The lock that a driver holds while it runs trials; a context manager.

    Args:
        store: The study's store.
        command: The driver's command line.
        running: Tells the trial_ids that are running now, and the names of the candidates.
        predecessor: Process id of a driver on this machine that is known to have ended; its heartbeat does not count.

    Raises:
        StudyError: On entering, if another driver holds it; the line names that one.

    Attributes:
        holder: This driver, as `driver.json` has it for every node.
    """

    def __init__(
        self,
        store: Store,
        command: str,
        running: Callable[[], Iterable[str]] = tuple,
        predecessor: int | None = None,
    ) -> None:
        self.store, self.running, self.predecessor = store, running, predecessor
        self.holder: DriverIdentity = {"host": platform.node(), "pid": os.getpid(), "started_at": _now()}
        self.command = command
        self._file: IO[str] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> DriverLock:
        """Take the lock and start the heartbeat."""
        holder = living_driver(self.store)
        if sharers := living_sharers(self.store):
            raise _taken(self.store, sharers[0])
        if self.store.local:
            self._lock_file(holder)
        elif holder is not None and (holder["host"], holder["pid"]) != (platform.node(), self.predecessor):
            raise _taken(self.store, holder)
        self._write()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Release the lock and remove `driver.json`."""
        self._stop.set()
        self._thread.join()
        self.store.delete(FILE)
        if self._file is not None:
            self._file.close()

    def _lock_file(self, holder: Mapping[str, Any] | None) -> None:
        os.makedirs(self.store.root, exist_ok=True)
        self._file = open(self.store.path(".lock"), "w")  # noqa: SIM115  # held open until the end
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise _taken(self.store, holder) from None

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                self._write()
            except OSError:
                continue  # a full disk, or a store that does not answer for a moment: the next heartbeat may be written

    def _write(self) -> None:
        me = {**self.holder, "command": self.command}
        self.store.write_json({**me, "updated_at": _now(), "running": sorted(self.running())}, FILE)


def living_driver(store: Store) -> dict[str, Any] | None:
    """Content of `driver.json` if its heartbeat is at most a minute old; else None."""
    return _read_living(store, FILE)


def _read_living(store: Store, *parts: str) -> dict[str, Any] | None:
    try:
        found = json.loads(store.read_bytes(*parts) or b"null")
        age = (datetime.now(UTC) - datetime.fromisoformat(found["updated_at"])).total_seconds()
        if not {"host", "pid", "started_at"} <= found.keys():
            return None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return dict(found) if age < STALE_SECONDS else None


def living_sharers(store: Store) -> list[dict[str, Any]]:
    """What `drivers/` says of the drivers that share the study and whose heartbeat is at most a minute old."""
    names = [name for name in store.names("drivers") if name.endswith(".json")] if store.local else []
    found = (_read_living(store, "drivers", name) for name in sorted(names))
    return [driver for driver in found if driver is not None]


def running_trials(store: Store) -> list[str]:
    """Return the trial_ids, and the names of candidates, that any driver is running."""
    drivers = [*filter(None, [living_driver(store)]), *living_sharers(store)]
    return [name for driver in drivers for name in driver.get("running", ())]


def _taken(store: Store, holder: Mapping[str, Any] | None) -> StudyError:
    who = "process {pid} on {host}, since {started_at}".format_map(holder) if holder else "unknown to driver.json"
    return StudyError(f"--results: another `ablate run` works on {store.root} ({who}); wait for it or stop it")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
