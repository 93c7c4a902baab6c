"""Whether every node sees the results that the driver writes, and runs its code: all else is a quiet loss."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ablations.cluster import nodes
from ablations.console.live import print_error
from ablations.errors import StudyError, first_line
from ablations.state.lock import FILE
from ablations.state.provenance import source_digest
from silhouette.errors import InputError
from silhouette.results import Store, without_secret

DOCTOR = "`ablate doctor --address auto` compares the nodes"
OWN_DISK = ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs")
PAUSES = (1.0, 2.0, 5.0)
"""Seconds before a store that does not answer is asked again; a refusal must come within 15 s."""
LATE_PAUSES = (1.0, 5.0, 15.0, 30.0)
"""The same on a node that joined later, whose refusal ends a study that runs."""
ADVICE = "give a folder that every node mounts at the same path, or s3://bucket/prefix"


def check_nodes(store: Store, driver: Mapping[str, Any], labels: Mapping[str, str]) -> None:
    """Ask every other node that trials may run on for the driver's lock file; those that join later check themselves.

    Where there is none yet, a results folder on this machine's own disk is worth a line.

    Args:
        store: Where the results are.
        driver: Content of the lock file, and `sources`, the digest of the driver's code.
        labels: What a node must wear to run trials.

    Raises:
        StudyError: If a node sees no results, other ones, or has none or another version of this project.
    """
    own = nodes.own()
    alive = nodes.alive()
    others = [node for node in alive if node.id != own and node.wears(labels)]
    runs_trials = any(node.resources.get("CPU") for node in alive)
    if store.local and not runs_trials and on_own_disk(store.root, Path("/proc/mounts").read_text()):
        # not refused: this machine may export it, or be all machines there are
        where = f"{store.root} is on a disk of this machine, and no worker is up yet to see it"
        print_error(f"--results: {where}; {ADVICE}")
    answers = nodes.ask(others, refusal, store.uri, store.study, dict(driver))
    for node in others:
        answer = answers[node.id]
        if isinstance(answer, ImportError | AttributeError):
            raise StudyError(f"--address: {node.host} lacks this version of the project ({answer}); {DOCTOR}")
        if isinstance(answer, tuple):
            raise StudyError(f"{answer[0]}: {node.host} {answer[1]}")
        if isinstance(answer, TimeoutError):  # busy, or a mount that hangs: each trial there asks once more
            print_error(f"--results: whether {node.host} sees {store.root} is not known, {answer}; {DOCTOR}")


def refusal(
    uri: str, study: str, driver: Mapping[str, Any], pauses: Sequence[float] = PAUSES
) -> tuple[str, str] | None:
    """Why this node must not run trials: the option that is at fault, and what is; None if it may.

    Args:
        uri: Where the results are.
        study: Name of the study.
        driver: As `check_nodes` has it.
        pauses: Seconds before a store that does not answer is asked again.
    """
    told = dict(driver)
    theirs = told.pop("sources", None)
    if theirs not in (None, source_digest()):
        advice = f"sync the checkout, or submit with --working-dir; {DOCTOR}"
        return "--address", f"runs sources {source_digest()} of this project, the driver {theirs}; {advice}"
    why = _patiently(uri, study, told, pauses)
    return None if why is None else ("--results", without_secret(f"does not see {uri} ({why}); {ADVICE}"))


def _patiently(uri: str, study: str, driver: Mapping[str, Any], pauses: Sequence[float]) -> str | None:
    """`unseen`, asked again where the store itself fails, as it may for a moment."""
    why = None
    for pause in (0.0, *pauses):
        time.sleep(pause)
        try:
            return unseen(uri, study, driver)
        except (InputError, OSError) as error:
            why = first_line(error)
    return why


def unseen(uri: str, study: str, driver: Mapping[str, Any]) -> str | None:
    """Why this node does not see what the driver wrote; None if it does.

    Raises:
        InputError: If the URI says nothing here.
        OSError: If the store does not answer.
    """
    found = Store(uri, study).read_json(FILE)
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
    """On a worker, before its first trial: see the driver's file and run its code, or refuse.

    Raises:
        StudyError: If results or code are others here.
    """
    driver = common.get("driver")
    why = driver and refusal(common["results"], common["study"], driver, LATE_PAUSES)
    if why:
        raise StudyError(f"{why[0]}: {platform.node()} {why[1]}")
