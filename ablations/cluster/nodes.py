"""The nodes of the Ray cluster that this process is connected to, and how to call a function on each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

ANSWER_SECONDS = 12.0
"""A healthy node answers within a few seconds. Importing the project takes most of that time."""


@dataclass(frozen=True)
class Node:
    """A node that is alive.

    Attributes:
        id: Ray's node id, in hex.
        host: Host name and address, for messages.
        resources: Its total CPUs, GPUs and other resources.
        labels: Its labels, those of Ray and those of the cluster file.
    """

    id: str
    host: str
    resources: Mapping[str, float]
    labels: Mapping[str, str]

    def fits(self, amounts: Mapping[str, float]) -> int:
        """Return how many times it holds these amounts if nothing else runs on it."""
        return min((int(self.resources.get(kind, 0) / amount + 1e-9) for kind, amount in amounts.items() if amount))

    def has_labels(self, labels: Mapping[str, str]) -> bool:
        """Return True if it has all these labels."""
        return all(self.labels.get(key) == value for key, value in labels.items())


def alive() -> list[Node]:
    """Return the nodes that are alive, including the driver's own."""
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
    """Return the id of the node that this process runs on."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def ask(nodes: list[Node], function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """Call a function on each node.

    Args:
        nodes: Nodes to call it on.
        function: A function of this project. Ray sends it by name, so each node runs its own version of the code.
        arguments: Arguments of the function.

    Returns:
        By node id, the return value, or the exception raised instead: a `TimeoutError` after `ANSWER_SECONDS`.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote = ray.remote(num_cpus=0, max_retries=0)(function)
    calls = {
        remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(*arguments): node
        for node in nodes
    }
    done, late = ray.wait(list(calls), num_returns=len(calls), timeout=ANSWER_SECONDS) if calls else ([], [])
    answers = {calls[reference].id: _answer(reference) for reference in done}
    return answers | {calls[reference].id: TimeoutError(f"no answer in {ANSWER_SECONDS:g} s") for reference in late}


def _answer(reference: Any) -> Any:
    import ray

    try:
        return ray.get(reference)
    except Exception as error:  # an error of the node's own code, or the loss of the node, is an answer too
        return getattr(error, "cause", None) or error
