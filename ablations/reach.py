"""Whether every node sees the results that the driver writes: a folder of the driver's own machine is a quiet loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablations import nodes
from ablations.errors import StudyError
from ablations.lock import FILE
from silhouette.errors import InputError
from silhouette.results import Store

DOCTOR = "`ablate doctor --address auto` compares the nodes"
ADVICE = "give a folder that every node mounts at the same path, or s3://bucket/prefix"


def check_nodes(store: Store, driver: Mapping[str, Any]) -> None:
    """Ask every other node of the cluster for the driver's lock file; those that join later check for themselves.

    Raises:
        StudyError: If a node sees no results, other ones, or has none or another version of this project.
    """
    own = nodes.own()
    others = [node for node in nodes.alive() if node.id != own]
    answers = nodes.ask(others, unseen, store.uri, store.study, dict(driver))
    for node in others:
        answer = answers[node.id]
        if isinstance(answer, ImportError | AttributeError):
            raise StudyError(f"--address: {node.host} lacks this version of the project ({answer}); {DOCTOR}")
        if isinstance(answer, str):
            raise StudyError(f"--results: {node.host} does not see {store.root} ({answer}); {ADVICE}")


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


def insist(common: Mapping[str, Any]) -> None:
    """On a worker, before its first trial: see the driver's file, or refuse.

    Raises:
        StudyError: If it is not to be seen here.
    """
    driver = common.get("driver")
    why = driver and unseen(common["results"], common["study"], driver)
    if why:
        raise StudyError(f"--results: this node does not see {common['results']} ({why}); {ADVICE}")
