"""Checks of a cluster: the head, machines that are missing, and what each node has and sees."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ablations.cluster import nodes
from ablations.cluster.autoscaler import find_problems
from ablations.cluster.session import HEAD_RETURN_SECONDS, check_head, in_batch_job, ray_session
from ablations.doctor import slurm
from ablations.errors import first_line
from ablations.finding import PROBE, Finding
from ablations.formatting import counted
from ablations.state.admission import mismatch
from ablations.state.lock import DriverIdentity, DriverLock
from ablations.state.provenance import plugin_sources, plugin_versions, source_digest, versions
from silhouette.results import Store

SKEW_SECONDS = 20.0
"""Largest difference between clocks. On an object store a heartbeat one minute old means that its driver is gone."""


def cluster(address: str, results: str, own: Sequence[str] = ()) -> Iterator[Finding]:
    """Check the head, missing machines, and every node that is alive.

    Args:
        address: Ray cluster to connect to.
        results: Location of the results, which every node must see.
        own: Names of a person's own, which every node must have with the source that they have here.

    Raises:
        StudyError: If the head does not answer or rejects the connection.
    """
    in_job = in_batch_job(address)
    check_head(address, HEAD_RETURN_SECONDS if in_job else 0.0)
    with ray_session(address):
        if in_job:
            yield from slurm.joined()
        found = nodes.alive()
        total = {kind: sum(node.resources.get(kind, 0) for node in found) for kind in ("CPU", "GPU")}
        devices = [counted(round(number), kind) for kind, number in total.items()]
        yield Finding("ok", "cluster", ", ".join([counted(len(found), "node"), *devices]))
        if not total["CPU"]:
            advice = "if workers start from 0, the first trial starts one"
            yield Finding("note", "cluster", "no node can run trials yet", advice)
        yield from find_problems()
        store = Store(results, PROBE)
        with DriverLock(store, "ablate doctor") as lock:
            plugins, known = plugin_sources(own), plugin_versions(own)
            driver: DriverIdentity = {**lock.holder, "plugins": plugins, "plugin_versions": known}
            answers = nodes.ask(found, report, store.uri, store.study, driver)
        for node in found:
            yield from _judge(node, answers[node.id])
        store.delete()


def report(uri: str, study: str, driver: DriverIdentity) -> dict[str, Any]:
    """Return the versions, sources, GPUs and clock of the node that this runs on, and whether it sees the results.

    Args:
        uri: Location of the results.
        study: Study name of the doctor's lock file.
        driver: The doctor, as the driver of that study.
    """
    smi = shutil.which("nvidia-smi")
    listed = subprocess.run([smi, "-L"], check=False, capture_output=True, text=True).stdout if smi else ""
    return {
        "versions": versions(),
        "digest": source_digest(),
        "system": platform.platform(),
        "gpus": len(listed.splitlines()),
        "time": time.time(),
        "mismatch": mismatch(uri, study, driver),
        "slurm": slurm.node_facts() if "SLURM_JOB_ID" in os.environ else None,
    }


def _judge(node: nodes.Node, answer: Any) -> Iterator[Finding]:
    if isinstance(answer, ImportError | AttributeError):
        yield Finding("fault", "node", f"{node.host}: {answer}", "install this version of the project there")
        return
    if isinstance(answer, Exception):
        yield Finding("fault", "node", f"{node.host}: {first_line(answer)}", "`ray status` tells more")
        return
    found = [*_version_faults(node, answer), *_other_findings(node, answer)]
    yield from found
    if all(finding.state == "note" for finding in found):
        yield Finding("ok", "node", f"{node.host}: {_description(node)}; same versions, sees the results")


def _description(node: nodes.Node) -> str:
    """Its CPUs, GPUs and the labels of the cluster file."""
    size = [f"{node.resources.get(kind, 0):g} {kind}s" for kind in ("CPU", "GPU")]
    own = {key: value for key, value in node.labels.items() if not key.startswith("ray.io/")}
    return ", ".join([*size, *(f"{key}={value}" for key, value in sorted(own.items()))])


def _version_faults(node: nodes.Node, answer: Mapping[str, Any]) -> Iterator[Finding]:
    here, there = versions(), answer["versions"]
    differing = [name for name in here if there.get(name) != here[name]]
    if differing:
        theirs = ", ".join(f"{name} {there.get(name, 'absent')}" for name in differing)
        ours = ", ".join(f"{name} {here[name]}" for name in differing)
        advice = "install constraints.txt on both"
        yield Finding("fault", "node", f"{node.host}: {theirs}, here {ours}", advice)
    if answer["digest"] != source_digest():
        detail = f"{node.host}: sources {answer['digest']} of this project, here {source_digest()}"
        advice = "run `ray up` again, which syncs the checkout and ends what runs, or submit with --working-dir"
        yield Finding("fault", "node", detail, advice)


def _other_findings(node: nodes.Node, answer: Mapping[str, Any]) -> Iterator[Finding]:
    if answer.get("slurm"):
        yield from slurm.node_faults(node.host, answer["slurm"])
    if answer["mismatch"]:
        yield Finding("fault", "node", f"{node.host} {answer['mismatch'][1]}")
    if node.resources.get("GPU", 0) > answer["gpus"]:
        detail = f"{node.host}: Ray counts {node.resources['GPU']:g} GPUs, nvidia-smi {answer['gpus']}"
        yield Finding("note", "node", detail, "trials that ask for a GPU there would run on its CPUs")
    skew = abs(answer["time"] - time.time())
    if skew > SKEW_SECONDS + nodes.ANSWER_SECONDS:
        yield Finding("fault", "node", f"{node.host}: its clock is {skew:.0f} s off", "set the clocks by NTP")
