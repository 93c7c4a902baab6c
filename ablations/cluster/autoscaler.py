"""Machines that did not start, did not join or were lost.

Sources: the status that Ray's autoscaler reports, and its logs and the cluster file on the head. The status has neither
the cloud's error messages nor the machines that could not join; the logs have both.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.errors import first_line
from ablations.finding import Finding

if TYPE_CHECKING:
    from ray.autoscaler.v2.schema import ClusterStatus, LaunchRequest

ANSWER_SECONDS = 4
MAX_LINES = 5
"""Machines that get a line each. A long study on spot machines may lose hundreds."""
EXPECTED_DEATHS = (1, 4)
"""Ray's codes of a planned node death: EXPECTED_TERMINATION and AUTOSCALER_DRAIN_IDLE."""
PREEMPTED = 3
"""Ray's code of a node death after a notice of preemption."""
LOGS = Path("/tmp/ray/session_latest/logs")
CLUSTER_FILE = Path("~/ray_bootstrap_config.yaml")
"""The copy of the cluster file that `ray up` leaves on the head."""
LOG_BYTES = 1 << 20
"""How much of the end of a log is read."""
RECENT_SECONDS = 1800.0

_NO_CAPACITY = re.compile(r"InsufficientInstanceCapacity|RESOURCE_POOL_EXHAUSTED|stockout|SpotMaxPriceTooLow")
_ADVICE = (
    (
        _NO_CAPACITY,
        "the cloud has no capacity: after a minute `ablate run` also requests on-demand machines, if the cluster file "
        "has any",
    ),
    (
        re.compile(r"SpotInstanceCountExceeded|VcpuLimitExceeded|LimitExceeded|(?i:quota)"),
        "ask the cloud for a higher quota",
    ),
    (re.compile(r"Unauthorized|AccessDenied|(?i:permission)"), "the head lacks rights; docs/cluster.md lists them"),
)
_ADVICE_WITHOUT_REASON = "if spot has no capacity, run with --label market=on-demand; else ask the cloud for the quota"
_LAUNCH_ERROR = re.compile(r"Failed to launch \d+ nodes of type (\S+): (.+)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_VERSION_MISMATCH = re.compile(
    r"The cluster was started with:\s+Ray: (?P<ray>\S+)\s+Python: (?P<python>\S+)\s+"
    r"This process on node (?P<address>\S+) was started with:\s+Ray: (?P<own_ray>\S+)\s+Python: (?P<own_python>\S+)"
)
_STEP = re.compile(r"(?m)^(\S+ [\d:]+),\d+\s.*NodeUpdater: (\S+): (?!Applied config)(.+) (failed|succeeded)\b")


def fetch_status() -> ClusterStatus:
    """Return the status of the Ray cluster that this process is connected to.

    Raises:
        Exception: Of any kind, if the head does not answer within `ANSWER_SECONDS`.
    """
    import ray
    from ray.autoscaler.v2.sdk import get_cluster_status

    return get_cluster_status(ray.get_runtime_context().gcs_address, timeout=ANSWER_SECONDS)


def is_version_2(status: ClusterStatus) -> bool:
    """Return True if autoscaler 2 reports. Autoscaler 1 reports nothing about launches and lost machines."""
    return status.stats.autoscaler_version not in (None, "0")


def find_problems() -> Iterator[Finding]:
    """Yield what is known about machines that are not part of the cluster."""
    import ray

    try:
        status = fetch_status()
    except Exception as error:  # a failing check must not stop the others
        detail = f"the autoscaler does not answer ({first_line(error)})"
        yield Finding("note", "machines", detail, "`ray status` tells more")
        return
    yield from find_missing(status)
    if is_version_2(status):
        yield from lost_nodes(status, {node["NodeID"]: node for node in ray.nodes() if not node["Alive"]})


def find_missing(status: ClusterStatus) -> Iterator[Finding]:
    """Yield machines that the cloud did not start, and machines that did not join the cluster."""
    if is_version_2(status):
        yield from failed_launches(status, launch_errors(), time.time())
    nodes = (*status.active_nodes, *status.idle_nodes)
    alive = {name for node in nodes for name in (node.ip_address, node.instance_id)}
    yield from not_joined(alive, datetime.now())


def failed_launches(status: ClusterStatus, errors: Mapping[str, str], now: float) -> Iterator[Finding]:
    """Yield one finding for each machine type with a failed launch of late; a fault if trials wait for machines.

    Args:
        status: What the autoscaler reports.
        errors: The cloud's error message, by machine type, as far as it is known.
        now: Seconds since the epoch.
    """
    for name, launches in sorted(launches_failed_since(status, now - RECENT_SECONDS).items()):
        ago = now - max(failure_time(launch) for launch in launches)
        error = errors.get(name) or _error_in_details(launches[-1].details)
        times = f"{len(launches)} launches" if len(launches) > 1 else "launch"
        reason = error or f"{LOGS}/monitor.log on the head has the reason"
        detail = f"{name}: {times} failed, {max(0.0, ago):.0f} s ago: {reason}"
        yield Finding("fault" if waiting_groups(status) else "note", "machines", detail, _advice(error))


def lost_nodes(status: ClusterStatus, deaths: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield one note for each machine that was lost and not removed as idle, at most `MAX_LINES` of them.

    Args:
        status: What the autoscaler reports.
        deaths: Ray's rows of dead nodes, by node id, with DeathReason and DeathReasonMessage.
    """
    lost = [
        node for node in status.failed_nodes if deaths.get(node.node_id, {}).get("DeathReason") not in EXPECTED_DEATHS
    ]
    for node in lost[:MAX_LINES]:
        death = deaths.get(node.node_id, {})
        preempted = death.get("DeathReason") == PREEMPTED
        reason = "preempted" if preempted else death.get("DeathReasonMessage") or "lost"
        kind = "machine" if node.ray_node_type_name == f"node_{node.node_id}" else node.ray_node_type_name
        detail = f"{kind} ({node.ip_address}): {' '.join(str(reason).split())[:160]}"
        yield Finding("note", "machines", detail, "its trials resume on other machines")
    if len(lost) > MAX_LINES:
        detail = f"{len(lost) - MAX_LINES} more machines were lost"
        yield Finding("note", "machines", detail, "`ray list nodes` lists them")


def launches_failed_since(status: ClusterStatus, since: float) -> dict[str, list[LaunchRequest]]:
    """Return the launches that failed after `since`, by machine type. The autoscaler reports all that ever failed."""
    found: dict[str, list[LaunchRequest]] = {}
    for launch in status.failed_launches:
        if failure_time(launch) > since:
            found.setdefault(launch.ray_node_type_name, []).append(launch)
    return found


def failure_time(launch: LaunchRequest) -> float:
    """Return when a launch failed, in seconds since the epoch."""
    return float(launch.failed_ts_s or launch.request_ts_s)


def waiting_groups(status: ClusterStatus, job: str = "") -> list[str]:
    """Return the ids of the placement groups that wait for resources. Every trial has one group.

    Args:
        status: What the autoscaler reports.
        job: Id, in hex, of the job whose groups are wanted; all jobs by default. A group's id ends with its job's.
    """
    ids = (demand.pg_id or "" for demand in status.resource_demands.placement_group_demand)
    return [name for name in ids if name.endswith(job)]


def is_capacity_error(error: str) -> bool:
    """Return True if a launch failed because the cloud has no such machine now, or the reason is not known."""
    return not error or bool(_NO_CAPACITY.search(error))


def not_joined(alive: set[str], now: datetime) -> Iterator[Finding]:
    """Yield machines that should be part of the cluster and are not, as far as the logs of this machine tell.

    Args:
        alive: Addresses and cloud ids of the nodes that are alive.
        now: Local time.
    """
    mismatches, failed = version_mismatches(), failed_setup_steps(now)
    missing = sorted({*mismatches, *failed, *listed_workers()} - alive)
    if len(missing) > MAX_LINES:
        detail = f"{len(missing) - MAX_LINES} more machines have not joined"
        yield Finding("note", "machines", detail, f"see {LOGS}/monitor.out")
    for name in missing[:MAX_LINES]:
        if name in mismatches:
            detail, advice = f"{name} cannot join: {mismatches[name]}", "install constraints.txt on both"
            yield Finding("fault", "machines", detail, advice)
        elif name in failed:
            advice = f"{LOGS}/monitor.out on the head has the reason; then `ray up` again, which ends what runs"
            yield Finding("fault", "machines", f"{name} has not joined: {failed[name]} failed", advice)
        else:
            advice = "it may still be starting; if not: is it on, and can the head reach it by ssh?"
            yield Finding("note", "machines", f"{name} of the cluster file has not joined", advice)


def _error_in_details(details: str | None) -> str:
    """The cloud's error in Ray's text about a failed launch; empty in Ray 2.60."""
    return (details or "").rpartition("request id ")[2].partition(":")[2].strip() if details else ""


def _advice(error: str) -> str:
    return next((advice for pattern, advice in _ADVICE if pattern.search(error)), _ADVICE_WITHOUT_REASON)


def launch_errors(logs: Path = LOGS) -> dict[str, str]:
    """Return the cloud's last error message, by machine type; empty if the logs are not on this machine."""
    return {name: error.strip()[:200] for name, error in _LAUNCH_ERROR.findall(_end_of(logs / "monitor.log"))}


def version_mismatches(logs: Path = LOGS) -> dict[str, str]:
    """Return the machines that could not join because of their version of Ray or Python: address, difference."""
    found = _VERSION_MISMATCH.finditer(_end_of(logs / "monitor.out"))
    return {match["address"]: _difference(match) for match in found}


def failed_setup_steps(now: datetime, logs: Path = LOGS) -> dict[str, str]:
    """Return the machines whose last set-up step failed of late: the provider's name of the machine, the step."""
    last: dict[str, tuple[str, bool]] = {}
    for time_, name, step, outcome in _STEP.findall(_end_of(logs / "monitor.out")):
        if (now - datetime.fromisoformat(time_)).total_seconds() < RECENT_SECONDS:
            last[name] = step, outcome == "failed"
    return {name: step for name, (step, failed) in last.items() if failed}


def listed_workers(file: Path = CLUSTER_FILE) -> list[str]:
    """Return the addresses of the workers that the cluster file lists; empty for a cloud."""
    provider = _mapping(_cluster_file(file).get("provider"))
    names = provider.get("worker_ips")
    return [_address(str(name)) for name in names] if isinstance(names, list) else []


def worker_types(file: Path = CLUSTER_FILE) -> dict[str, dict[str, Any]]:
    """Return the worker types of the cluster file, by name, each with its `labels`, `resources`, `max_workers` etc."""
    cluster = _cluster_file(file)
    types, head = _mapping(cluster.get("available_node_types")), cluster.get("head_node_type")
    return {name: kind for name, kind in types.items() if name != head and isinstance(kind, dict)}


def _cluster_file(file: Path) -> dict[str, Any]:
    """Its content; empty if it is not on this machine, or is no cluster file."""
    import yaml

    try:
        return _mapping(yaml.safe_load(file.expanduser().read_text()))
    except (OSError, yaml.YAMLError):
        return {}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _address(host: str) -> str:
    """Ray knows machines by address; a cluster file may have host names."""
    try:
        return socket.gethostbyname(host)
    except OSError:
        return host


def _difference(found: re.Match[str]) -> str:
    pairs = (("Ray", "own_ray", "ray"), ("Python", "own_python", "python"))
    differing = [(name, found[own], found[head]) for name, own, head in pairs if found[own] != found[head]]
    there, here = (" and ".join(f"{row[0]} {row[column]}" for row in differing) for column in (1, 2))
    return f"has {there}, the head {here}"


def _end_of(log: Path) -> str:
    try:
        with log.open("rb") as file:
            start = max(0, log.stat().st_size - LOG_BYTES)
            file.seek(start)
            if start:
                file.readline()  # the rest of a line that was cut
            return _COLOURS.sub("", file.read().decode(errors="replace"))
    except OSError:
        return ""
