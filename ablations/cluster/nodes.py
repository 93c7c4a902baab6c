"""The nodes of the Ray that this process is connected to, and how to ask each of them something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

ANSWER_SECONDS = 12.0
"""A node that is alive answers within a few seconds, of which importing the project takes most."""


@dataclass(frozen=True)
class Node:
    """A node that is alive.

    Attributes:
        id: Ray's name of it, in hex.
        host: Host name and address, for a person.
        resources: Its CPUs, GPUs and the like, in all.
        labels: Ray's and the cluster file's.
    """

    id: str
    host: str
    resources: Mapping[str, float]
    labels: Mapping[str, str]

    def fits(self, amounts: Mapping[str, float]) -> int:
        """How often it has these resources, if nothing else runs on it."""
        return min((int(self.resources.get(kind, 0) / amount + 1e-9) for kind, amount in amounts.items() if amount))

    def wears(self, labels: Mapping[str, str]) -> bool:
        """Whether it has all these labels."""
        return all(self.labels.get(key) == value for key, value in labels.items())


def alive() -> list[Node]:
    """The nodes that are alive, the driver's own included."""
    import ray

    return [
        Node(
            found["NodeID"],
            f"{found['NodeManagerHostname']} ({found['NodeManagerAddress']})",
            found["Resources"],
            found["Labels"] or {},
        )
        for found in ray.nodes()
        if found["Alive"]
    ]


def own() -> str:
    """Id of the node that this process runs on."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def ask(nodes: list[Node], function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """What a function answers on each node.

    Args:
        nodes: Who is asked.
        function: Of a module of this project; it is sent by name, so it runs the node's own code.
        arguments: Its arguments.

    Returns:
        By node id: the answer, or the exception that came instead; a `TimeoutError` after `ANSWER_SECONDS`.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote = ray.remote(num_cpus=0, max_retries=0)(function)
    asked = {
        remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(*arguments): node
        for node in nodes
    }
    answered, late = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_SECONDS) if asked else ([], [])
    answers = {asked[reference].id: _answer(reference) for reference in answered}
    return answers | {asked[reference].id: TimeoutError(f"no answer in {ANSWER_SECONDS:g} s") for reference in late}


def _answer(reference: Any) -> Any:
    import ray

    try:
        return ray.get(reference)
    except Exception as error:  # whatever the node's own code or its loss raises is its answer
        return getattr(error, "cause", None) or error
