"""Where a trial runs and what it takes of its machine: what a record needs so that its cost can be counted."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import NamedTuple

from ablations.cluster.nodes import Node, alive, own

TYPE_LABELS = ("machine", "node.kubernetes.io/instance-type", "ray.io/node-group")
"""Labels of a node that say its type, the first one counts: a person's own, Kubernetes', the cluster file's."""


class Place(NamedTuple):
    """The columns of a record that say where its trial ran; None where that is not known.

    Attributes:
        machine: Type of the machine, as the labels of its Ray node say it.
        machine_share: Share of the machine that the trial took, in (0, 1]: that of its CPUs or GPUs, the larger one.
        gpus: GPUs of the trial; a fraction where several trials shared one.
    """

    machine: str | None = None
    machine_share: float | None = None
    gpus: float | None = None


def place_of(taken: Mapping[str, float], node: Node) -> Place:
    """The place of a trial.

    Args:
        taken: What the trial takes, by Ray's names of the resources.
        node: Its node.

    >>> node = Node("1", "a", {"CPU": 8.0, "GPU": 2.0}, {"ray.io/node-group": "gpu-spot"})
    >>> place_of({"CPU": 1.0, "GPU": 0.5}, node)
    Place(machine='gpu-spot', machine_share=0.25, gpus=0.5)
    """
    shares = [
        taken[kind] / node.resources[kind] for kind in ("CPU", "GPU") if taken.get(kind) and kind in node.resources
    ]
    share = min(1.0, max(shares, default=1.0))
    return Place(machine_of(node.labels), share, float(taken.get("GPU", 0.0)))


def machine_of(labels: Mapping[str, str]) -> str | None:
    """Type of a machine, by the labels of its node; None where they do not say it."""
    return next((labels[name] for name in TYPE_LABELS if labels.get(name)), None)


@cache
def own_place() -> Place:
    """The place of the trials of this worker; nothing is known outside of Ray, or while its head does not answer."""
    with suppress(Exception):  # no trial is lost because its cost is not known
        import ray

        if not ray.is_initialized():  # most calls of Ray would start one
            return Place()
        here = own()
        node = next(node for node in alive() if node.id == here)
        return place_of(ray.get_runtime_context().get_assigned_resources(), node)
    return Place()
