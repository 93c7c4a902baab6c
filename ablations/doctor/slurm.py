"""Checks of Slurm: on the login node, and in a short job on every node of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ablations.cluster import nodes
from ablations.finding import Finding
from ablations.formatting import counted
from ablations.slurm.allocation import address_of, read_allocation

JOIN_SECONDS = 90.0
"""How long nodes of a job may take to join, on a busy machine."""
QUEUE_SECONDS = 1800.0
ENOUGH_BYTES = 1 << 30
QUERY_SECONDS = 30.0


def commands() -> Iterator[Finding]:
    """Check that Slurm's commands are here and its controller answers."""
    absent = [name for name in ("sbatch", "scontrol", "squeue") if shutil.which(name) is None]
    if absent:
        yield Finding("fault", "slurm", f"no {', '.join(absent)} on this machine", "run this on a login node")
        return
    done = subprocess.run(["scontrol", "ping"], check=False, capture_output=True, text=True, timeout=QUERY_SECONDS)
    words = " ".join((done.stdout + done.stderr).split())
    if done.returncode or " UP" not in words:
        yield Finding("fault", "slurm", f"the controller does not answer: {words}", "ask your site")
    else:
        yield Finding("ok", "slurm", words)


def follow(job: str, log: Path, patience: float = QUEUE_SECONDS) -> Iterator[str]:
    """Yield what a job prints until it has ended.

    Args:
        job: Its id.
        log: Its output.
        patience: Seconds that it may wait and run.
    """
    end, shown = time.monotonic() + patience, 0
    while time.monotonic() < end:
        running = _is_queued(job)
        lines = log.read_text(errors="replace").splitlines(keepends=True) if log.exists() else []
        whole = [line for line in lines if line.endswith("\n") or not running]
        yield from (line.rstrip("\n") for line in whole[shown:])
        shown = len(whole)
        if not running:
            return
        time.sleep(1.0)


def _is_queued(job: str) -> bool:
    command = ["squeue", "--noheader", "--jobs", job, "--format", "%T"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=QUERY_SECONDS)
    return done.returncode == 0 and bool(done.stdout.strip())


def verdict(job: str, log: Path) -> Iterator[Finding]:
    """What Slurm says of a job that has ended; a job without a log has nodes that do not see the folder."""
    done = subprocess.run(
        ["scontrol", "show", "job", job], check=False, capture_output=True, text=True, timeout=QUERY_SECONDS
    )
    words = dict(pair.split("=", 1) for pair in done.stdout.split() if "=" in pair)
    state, reason = words.get("JobState", "unknown"), words.get("Reason", "")
    if state == "PENDING":
        yield Finding(
            "fault", "slurm", f"job {job} still waits ({reason})", f"nothing is checked; scancel {job}, or ask for less"
        )
    elif not log.exists():
        detail = f"job {job} ended ({state}, {reason}) without its log {log}"
        yield Finding("fault", "results", detail, "the nodes do not see this folder: give one that all nodes mount")
    else:
        sound = state == "COMPLETED"
        yield Finding("ok" if sound else "fault", "slurm", f"job {job}: {state.lower()}", "" if sound else "see above")


def joined() -> Iterator[Finding]:
    """Wait until all nodes of the job have joined its Ray; name how many are missing."""
    wanted, found = read_allocation().nodes, 0
    end = time.monotonic() + JOIN_SECONDS
    while (found := len(nodes.alive())) < wanted and time.monotonic() < end:
        time.sleep(1.0)
    if found < wanted:
        detail = f"{found} of {counted(wanted, 'node')} joined within {JOIN_SECONDS:g} s"
        yield Finding("fault", "nodes", detail, "are ports between nodes open? see the lines above")
    else:
        yield Finding("ok", "nodes", f"all {counted(wanted, 'node')} joined")


def node_facts() -> dict[str, Any]:
    """What the node that this runs on says of itself, for Slurm."""
    name = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    return {
        "name": name,
        "address": address_of(name),
        "tmp_free": shutil.disk_usage("/tmp").free,
        "tmp_writable": _can_write("/tmp"),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "token": bool(os.environ.get("RAY_AUTH_TOKEN")),
    }


def _can_write(folder: str) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def node_faults(host: str, facts: dict[str, Any]) -> Iterator[Finding]:
    """Judge what a node said.

    Args:
        host: Its name, for messages.
        facts: What `node_facts` returned there.
    """
    if facts["address"] is None:
        detail = f"{host}: its name {facts['name']} gives loopback addresses only"
        yield Finding("fault", "node", detail, "no other node could join a head there; ask your site")
    if not facts["tmp_writable"] or facts["tmp_free"] < ENOUGH_BYTES:
        detail = f"{host}: /tmp has {facts['tmp_free'] >> 20} MiB free"
        yield Finding("fault", "node", detail, "Ray keeps its files of a job there; ask your site to clear it")
    if not facts["token"]:
        yield Finding("fault", "node", f"{host}: no RAY_AUTH_TOKEN", "does a line of setup in slurm.yaml clear it?")
