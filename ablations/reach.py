"""Whether every node sees the results that the driver writes: a folder of the driver's own machine is a quiet loss."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablations import nodes
from ablations.errors import StudyError
from ablations.lock import FILE
from ablations.progress import complain
from silhouette.errors import InputError
from silhouette.results import Store

DOCTOR = "`ablate doctor --address auto` compares the nodes"
OWN_DISK = ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs")
ADVICE = "give a folder that every node mounts at the same path, or s3://bucket/prefix"


def check_nodes(store: Store, driver: Mapping[str, Any]) -> None:
    """Ask every other node of the cluster for the driver's lock file; those that join later check for themselves.

    Where there is none yet, a results folder on this machine's own disk is worth a line.

    Raises:
        StudyError: If a node sees no results, other ones, or has none or another version of this project.
    """
    own = nodes.own()
    alive = nodes.alive()
    others = [node for node in alive if node.id != own]
    runs_trials = any(node.resources.get("CPU") for node in alive)
    if store.local and not runs_trials and on_own_disk(store.root, Path("/proc/mounts").read_text()):
        # not refused: this machine may export it, or be all machines there are
        complain(f"--results: {store.root} is on a disk of this machine, and no worker is up yet to see it; {ADVICE}")
    answers = nodes.ask(others, unseen, store.uri, store.study, dict(driver))
    for node in others:
        answer = answers[node.id]
        if isinstance(answer, ImportError | AttributeError):
            raise StudyError(f"--address: {node.host} lacks this version of the project ({answer}); {DOCTOR}")
        if isinstance(answer, str):
            raise StudyError(f"--results: {node.host} does not see {store.root} ({answer}); {ADVICE}")
        if isinstance(answer, TimeoutError):  # busy, or a mount that hangs: each trial there asks once more
            complain(f"--results: whether {node.host} sees {store.root} is not known, {answer}; {DOCTOR}")


def unseen(uri: str, study: str, driver: Mapping[str, Any]) -> str | None:
    """Why this node does not see what the driver wrote; None if it does."""
    try:
        found = Store(uri, study).read_json(FILE)
    except (InputError, OSError) as error:
        return str(error).splitlines()[0]
    if found is None:
        return f"no {FILE} there"
    same = all(found.get(key) == value for key, value in driver.items())
    return None if same else f"another driver's {FILE}"


def on_own_disk(path: str, mounts: str) -> bool:
    r"""Whether a path lies on a disk of this machine, and not on what others may see too.

    Args:
        path: Absolute.
        mounts: Text of `/proc/mounts`: per line device, place, kind.

    >>> on_own_disk("/shared/results", "/dev/sda1 / ext4 rw 0 0\nserver:/all /shared nfs4 rw 0 0")
    False
    """
    path = os.path.realpath(path)
    found = [line.split()[1:3] for line in mounts.splitlines()]
    above = [(place, kind) for place, kind in found if f"{path}/".startswith(f"{place.rstrip('/')}/")]
    return max(above, key=lambda mount: len(mount[0]), default=("/", ""))[1] in OWN_DISK


def insist(common: Mapping[str, Any]) -> None:
    """On a worker, before its first trial: see the driver's file, or refuse.

    Raises:
        StudyError: If it is not to be seen here.
    """
    driver = common.get("driver")
    why = driver and unseen(common["results"], common["study"], driver)
    if why:
        raise StudyError(f"--results: this node does not see {common['results']} ({why}); {ADVICE}")
