"""The part of `ablate doctor` that looks at a cluster: what differs from node to node, and what a node lacks."""

from __future__ import annotations

import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ablations.cluster import nodes
from ablations.cluster.autoscaler import findings
from ablations.cluster.head import check_head
from ablations.cluster.node_check import refusal
from ablations.cluster.session import ray_session
from ablations.doctor.machine import PROBE
from ablations.errors import first_line
from ablations.finding import Finding
from ablations.state.lock import DriverLock
from ablations.state.provenance import source_digest, versions
from silhouette.results import Store

SKEW_SECONDS = 20.0
"""On an object store a heartbeat that is a minute old means that its driver is gone."""


def cluster(address: str, results: str) -> Iterator[Finding]:
    """Findings on the head, on machines that did not come, on every node that is alive, and on what each sees."""
    check_head(address)
    with ray_session(address):
        found = nodes.alive()
        total = {kind: sum(node.resources.get(kind, 0) for node in found) for kind in ("CPU", "GPU")}
        yield Finding("ok", "cluster", f"{len(found)} nodes, {total['CPU']:g} CPUs, {total['GPU']:g} GPUs")
        if not total["CPU"]:
            yield Finding("note", "cluster", "no node runs trials yet", "workers from 0 start with the first trial")
        yield from findings()
        store = Store(results, PROBE)
        with DriverLock(store, "ablate doctor") as lock:
            answers = nodes.ask(found, report, store.uri, store.study, lock.holder)
        for node in found:
            yield from _judge(node, answers[node.id])
        store.delete()


def report(uri: str, study: str, driver: Mapping[str, Any]) -> dict[str, Any]:
    """What a node says of itself."""
    smi = shutil.which("nvidia-smi")
    listed = subprocess.run([smi, "-L"], check=False, capture_output=True, text=True).stdout if smi else ""
    return {
        "versions": versions(),
        "digest": source_digest(),
        "system": platform.platform(),
        "gpus": len(listed.splitlines()),
        "time": time.time(),
        "refusal": refusal(uri, study, driver),
    }


def _judge(node: nodes.Node, answer: Any) -> Iterator[Finding]:
    if isinstance(answer, ImportError | AttributeError):
        yield Finding("fault", "node", f"{node.host}: {answer}", "install this version of the project there")
        return
    if isinstance(answer, Exception):
        yield Finding("fault", "node", f"{node.host}: {first_line(answer)}", "`ray status` tells more")
        return
    faults = list(_faults(node, answer))
    yield from faults
    if not faults:
        size = ", ".join(f"{node.resources.get(kind, 0):g} {kind}s" for kind in ("CPU", "GPU"))
        own = {key: value for key, value in node.labels.items() if not key.startswith("ray.io/")}
        worn = ", ".join(f"{key}={value}" for key, value in sorted(own.items()))
        what = f"{size}, {worn}" if worn else size
        yield Finding("ok", "node", f"{node.host}: {what}; same versions, sees the results")


def _faults(node: nodes.Node, answer: Mapping[str, Any]) -> Iterator[Finding]:
    here, there = versions(), answer["versions"]
    other = [f"{name} {there.get(name, 'absent')}" for name in here if there.get(name) != here[name]]
    if other:
        ours = ", ".join(f"{name} {here[name]}" for name in here if there.get(name) != here[name])
        yield Finding(
            "fault", "node", f"{node.host}: {', '.join(other)}, here {ours}", "install constraints.txt on both"
        )
    if answer["digest"] != source_digest():
        detail = f"{node.host}: sources {answer['digest']} of this project, here {source_digest()}"
        yield Finding(
            "fault",
            "node",
            detail,
            "run `ray up` again, which syncs the checkout and ends what runs, or submit with --working-dir",
        )
    if answer["refusal"]:
        yield Finding("fault", "node", f"{node.host} {answer['refusal'][1]}")
    if node.resources.get("GPU", 0) > answer["gpus"]:
        detail = f"{node.host}: Ray counts {node.resources['GPU']:g} GPUs, nvidia-smi {answer['gpus']}"
        yield Finding("note", "node", detail, "trials that ask for a GPU there would run on its CPUs")
    skew = abs(answer["time"] - time.time())
    if skew > SKEW_SECONDS + nodes.ANSWER_SECONDS:
        yield Finding("fault", "node", f"{node.host}: its clock is {skew:.0f} s off", "set the clocks by NTP")
