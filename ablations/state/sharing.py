"""Several drivers of one study on one file system: each has a heartbeat of its own, and claims say who runs what."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import threading
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import IO

from ablations.errors import StudyError
from ablations.state.claims import DRIVERS, FOLDER, Claims, place
from ablations.state.lock import BEAT_SECONDS, DriverIdentity, living_driver, living_sharers
from silhouette.results import Store


class SharedLock:
    """Takes part in a study; a context manager. It takes the place of `DriverLock`, which admits one driver.

    Args:
        store: The study's store, on a file system that all drivers see.
        command: The driver's command line.

    Raises:
        StudyError: On entering, if a driver works on the study that does not share it.

    Attributes:
        holder: This driver.
        running: Tells the trial_ids that are running now.
        claims: What this driver has taken.
    """

    def __init__(self, store: Store, command: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.store, self.command = store, command
        self.holder: DriverIdentity = {"host": platform.node(), "pid": os.getpid(), "started_at": now}
        self.name = f"{platform.node()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.running: Callable[[], Iterable[str]] = tuple
        self.claims = Claims(store, self.name)
        self._beats = 0
        self._file: IO[str] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> SharedLock:
        """Start the heartbeat. On one machine the kernel keeps out a driver that does not share; else heartbeats do."""
        self._lock_file()
        if (other := living_driver(self.store)) is not None:
            raise _alone(self.store, f"process {other['pid']} on {other['host']}")
        self._write()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Give back what has not ended, and remove the heartbeat; the last driver removes what is left."""
        self._stop.set()
        self._thread.join()
        self.claims.release_all()
        with suppress(OSError):
            self.store.delete(DRIVERS, f"{self.name}.json")
        if self._file is not None:
            self._file.close()

    def _lock_file(self) -> None:
        os.makedirs(self.store.root, exist_ok=True)
        self._file = open(self.store.path(".lock"), "a")  # noqa: SIM115  # held open until the end
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise _alone(self.store, "a process of this machine") from None
        except OSError:  # a file system without such locks
            return

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            with suppress(OSError):
                self._write()

    def _write(self) -> None:
        self._beats += 1
        now = datetime.now(UTC).isoformat(timespec="seconds")
        me = {**self.holder, "place": place(), "command": self.command, "job": os.environ.get("SLURM_JOB_ID")}
        said = {**me, "updated_at": now, "beat": self._beats, "running": sorted(self.running())}
        self.store.write_bytes((json.dumps(said, indent=1) + "\n").encode(), DRIVERS, f"{self.name}.json")


def _alone(store: Store, who: str) -> StudyError:
    return StudyError(f"--shared: {who} runs {store.root} without --shared; wait for it or stop it")


def sweep_claims(store: Store) -> None:
    """Remove all claims. Call it when no trial is left, or as the only driver."""
    if not living_sharers(store):
        for folder in (FOLDER, DRIVERS):
            with suppress(OSError):
                store.delete(folder)
