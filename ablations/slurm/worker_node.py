"""What every other node of a job runs: a Ray that joins the head, until the job tells it to end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from ablations.errors import StudyError
from ablations.slurm.allocation import Allocation, address_of, outward_address, read_allocation
from ablations.slurm.ray_node import RayNode, head_state, make_folder, remove_folder

POLL_SECONDS = 0.2
RETURN_SECONDS = 60.0
"""How long a node waits for a head whose process died and which its job starts again."""


class _Told:
    """What signals have asked for: SIGUSR1 to end, SIGTERM (`scancel`) to end when the head has gone."""

    ended = cancelled = False

    def __init__(self) -> None:
        signal.signal(signal.SIGUSR1, self._end)
        signal.signal(signal.SIGTERM, self._cancel)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self.ended = True

    def _cancel(self, _number: int, _frame: FrameType | None) -> None:
        self.cancelled = True


def run_worker_node() -> int:
    """Keep a Ray of this node joined to the head at `RAY_ADDRESS`.

    `scancel` signals the job and this process at once, so SIGTERM alone ends nothing here: the study ends first.

    Returns:
        Exit code 0.

    Raises:
        StudyError: Outside a job.
    """
    told, allocation, address = _Told(), read_allocation(), os.environ.get("RAY_ADDRESS", "")
    if not address:
        raise StudyError("RAY_ADDRESS: is not set; `ablate cluster job` starts this command on the nodes of its job")
    folder = make_folder()
    os.environ["TMPDIR"] = str(folder)
    try:
        while not told.ended and _join_once(told, allocation, address, folder):
            print(f"{allocation.node}: joining the head at {address} again", flush=True)
    finally:
        remove_folder(folder)
    return 0


def _join_once(told: _Told, allocation: Allocation, address: str, folder: Path) -> bool:
    """One Ray, from its start to its end. Returns True if the head is up again."""
    own = address_of(allocation.node) or outward_address(address.rpartition(":")[0])
    host = ["--node-ip-address", own] if own else []
    node = RayNode(allocation, folder, ["--address", address, *host])
    try:
        while node.alive and not told.ended:
            time.sleep(POLL_SECONDS)
    finally:
        node.end()
    return not (told.ended or told.cancelled) and _head_returns(told, allocation, address, node.last_words())


def _head_returns(told: _Told, allocation: Allocation, address: str, last_words: str) -> bool:
    """Whether the head is there again. If its machine is lost, so is the batch script: the job begins again."""
    given_up_at = time.monotonic() + RETURN_SECONDS
    while not (told.ended or told.cancelled) and time.monotonic() < given_up_at:
        state = head_state(address)
        if state == "unreachable" and head_state(address) == "unreachable":
            print(f"{allocation.node}: the first node is lost; the job begins again", flush=True)
            requeue(allocation.job)
            return False
        time.sleep(1.0)
        if state == "up":
            return True
    if last_words:
        print(f"{allocation.node}: Ray ended:\n{last_words}", flush=True)
    return False


def requeue(job: str) -> bool:
    """Ask Slurm to end a job and begin it again; returns False if that fails."""
    with suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(["scontrol", "requeue", job], check=False, timeout=60).returncode == 0
    return False
