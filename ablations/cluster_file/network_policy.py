"""Rules on the NetworkPolicy that guards the pods of a RayJob: their dashboard answers all of the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ablations.cluster_file.yaml_lines import Document, Fault, Path, at

MUST = "a NetworkPolicy must guard the pods (the dashboard answers all of the network)"
OF_KUBERAY = {"ray.io/is-ray-node": "yes"}
"""What KubeRay labels every Ray pod with."""


def network_faults(job: Document, documents: list[Document], pods: list[dict[str, Any]]) -> Iterator[Fault]:
    """What lets others reach the pods.

    Args:
        job: The document of the RayJob.
        documents: All documents of its file.
        pods: The pod template of the head and of every worker group.
    """
    policies = [one for one in documents if at(one.value, "kind") == "NetworkPolicy"]
    if not policies:
        yield job.fault((), MUST, None, "add one to the file")
    for policy in policies:
        for path, got, todo in (*_selection(policy.value, pods), *_ways_in(policy.value)):
            yield policy.fault(path, MUST, got, todo)


def _selection(policy: Any, pods: list[dict[str, Any]]) -> Iterator[tuple[Path, Any, str]]:
    path: Path = ("spec", "podSelector")
    selector = at(policy, *path)
    wanted = at(selector, "matchLabels") or {}
    labels = [{**OF_KUBERAY, **(at(pod, "metadata", "labels") or {})} for pod in pods]
    if selector is None or not all(wanted.items() <= worn.items() for worn in labels):
        yield path, wanted or None, "give matchLabels that all pod templates of the RayJob have"
    types = at(policy, "spec", "policyTypes")
    if types is not None and "Ingress" not in types:
        yield ("spec", "policyTypes"), types, "write policyTypes: [Ingress]"


def _ways_in(policy: Any) -> Iterator[tuple[Path, Any, str]]:
    for number, rule in enumerate(at(policy, "spec", "ingress") or []):
        peers = at(rule, "from") or []
        if not peers:
            yield ("spec", "ingress", number), rule, "give `from`: without it all may enter"
        for index, peer in enumerate(peers):
            if _is_everybody(peer):
                yield ("spec", "ingress", number, "from", index), peer, "add a podSelector with matchLabels"


def _is_everybody(peer: Any) -> bool:
    """Whether a peer names no pods, such as all namespaces or all addresses."""
    if at(peer, "ipBlock"):
        return str(at(peer, "ipBlock", "cidr")).endswith("/0")
    narrowed = any(at(peer, "podSelector", key) for key in ("matchLabels", "matchExpressions"))
    return not narrowed and not at(peer, "namespaceSelector", "matchLabels")
