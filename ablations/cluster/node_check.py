"""Check, before the first trial, that every node sees the driver's results and runs the driver's code."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ablations.cluster import nodes
from ablations.errors import StudyError
from ablations.state.admission import ADVICE, DOCTOR, mismatch
from ablations.state.lock import DriverIdentity
from silhouette.results import Store

LOCAL_FILE_SYSTEMS = ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs")


def check_nodes(store: Store, driver: DriverIdentity, labels: Mapping[str, str], warn: Callable[[str], None]) -> None:
    """Ask each other node that may run trials for the driver's lock file.

    A node that joins later is checked by its own workers (`require_admission`). While there is no node to ask, a
    results folder on a disk of this machine gets a warning.

    Args:
        store: Location of the results.
        driver: The driver.
        labels: Labels that a node must have to run trials.
        warn: Prints one line.

    Raises:
        StudyError: If a node does not see the driver's lock file, or has none or another version of this project.
    """
    own, alive = nodes.own(), nodes.alive()
    others = [node for node in alive if node.id != own and node.has_labels(labels)]
    if not any(node.resources.get("CPU") for node in alive):
        _warn_of_local_disk(store, warn)
    answers = nodes.ask(others, mismatch, store.uri, store.study, driver)
    for node in others:
        _judge(node, answers[node.id], store, warn)


def _warn_of_local_disk(store: Store, warn: Callable[[str], None]) -> None:
    """Only a warning: this machine may export the folder, or no other machine may ever join."""
    if store.local and on_local_disk(store.root, Path("/proc/mounts").read_text()):
        warn(f"--results: {store.root} is on a disk of this machine, and no worker is up yet to check it; {ADVICE}")


def _judge(node: nodes.Node, answer: Any, store: Store, warn: Callable[[str], None]) -> None:
    if isinstance(answer, ImportError | AttributeError):
        raise StudyError(f"--address: {node.host} lacks this version of the project ({answer}); {DOCTOR}")
    if isinstance(answer, tuple):
        raise StudyError(f"{answer[0]}: {node.host} {answer[1]}")
    if isinstance(answer, TimeoutError):  # busy, or a mount that hangs: each worker there checks again
        warn(f"--results: {node.host} did not say whether it sees {store.root}, {answer}; {DOCTOR}")


def on_local_disk(path: str, mounts: str) -> bool:
    r"""Return True if a path is on a disk of this machine, not on a file system that other machines can mount.

    Args:
        path: Absolute path.
        mounts: Text of `/proc/mounts`. Each line has device, mount point, type.

    >>> on_local_disk("/shared/results", "/dev/sda1 / ext4 rw 0 0\nserver:/all /shared nfs4 rw 0 0")
    False
    """
    path = os.path.realpath(path)
    found = [line.split()[1:3] for line in mounts.splitlines()]
    above = [(place, kind) for place, kind in found if f"{path}/".startswith(f"{place.rstrip('/')}/")]
    return max(above, key=lambda mount: len(mount[0]), default=("/", ""))[1] in LOCAL_FILE_SYSTEMS
