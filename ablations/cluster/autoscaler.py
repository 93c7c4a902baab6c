"""Machines that did not start, did not join or were lost, as Ray's autoscaler and its logs on the head tell it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ablations.cluster import head_logs
from ablations.cluster.head_logs import LOGS, RECENT_SECONDS
from ablations.errors import first_line
from ablations.finding import Finding

if TYPE_CHECKING:
    from ray.autoscaler.v2.schema import ClusterStatus, LaunchRequest

ANSWER_SECONDS = 4
SHOWN = 5
"""Lost machines that get a line of their own: a long study on spot may lose hundreds."""
ENDED = (1, 4)
"""Ray's numbers of a death that was asked for: EXPECTED_TERMINATION and AUTOSCALER_DRAIN_IDLE."""
PREEMPTED = 3

_NONE = re.compile(r"InsufficientInstanceCapacity|RESOURCE_POOL_EXHAUSTED|stockout|SpotMaxPriceTooLow")
_ADVICE = (
    (
        _NONE,
        "the cloud has none now: `ablate run` turns from spot to on-demand after a minute, if the file has both",
    ),
    (
        re.compile(r"SpotInstanceCountExceeded|VcpuLimitExceeded|LimitExceeded|(?i:quota)"),
        "ask the cloud for the quota",
    ),
    (re.compile(r"Unauthorized|AccessDenied|(?i:permission)"), "the head lacks rights; docs/cluster.md says which"),
)
_UNKNOWN = "where it is for want of spot, run with --label market=on-demand; else ask the cloud for the quota"


def ask() -> ClusterStatus:
    """The status of the Ray that this process is connected to.

    Raises:
        Exception: Of whatever kind, where Ray's head does not answer within `ANSWER_SECONDS`.
    """
    import ray
    from ray.autoscaler.v2.sdk import get_cluster_status

    return get_cluster_status(ray.get_runtime_context().gcs_address, timeout=ANSWER_SECONDS)


def elastic(status: ClusterStatus) -> bool:
    """Whether an autoscaler of version 2 reports: version 1 tells nothing of what it does."""
    return status.stats.autoscaler_version not in (None, "0")


def findings() -> Iterator[Finding]:
    """What a person should know of machines that are not there."""
    import ray

    try:
        status = ask()
    except Exception as error:  # other findings must not wait for this one
        detail = f"the autoscaler does not answer ({first_line(error)})"
        yield Finding("note", "machines", detail, "`ray status` tells more")
        return
    yield from missing(status)
    if elastic(status):
        yield from lost_nodes(status, {node["NodeID"]: node for node in ray.nodes() if not node["Alive"]})


def missing(status: ClusterStatus) -> Iterator[Finding]:
    """Machines that the cloud does not give, and those that do not become part of the cluster."""
    if elastic(status):
        yield from failed_launches(status, head_logs.reasons(), time.time())
    nodes = (*status.active_nodes, *status.idle_nodes)
    alive = {name for node in nodes for name in (node.ip_address, node.instance_id)}
    yield from absent(alive, datetime.now())


def failed_launches(status: ClusterStatus, why: Mapping[str, str], now: float) -> Iterator[Finding]:
    """One finding a machine type that could not be started of late; a fault where trials wait for machines.

    Args:
        status: What the autoscaler reports.
        why: What the cloud said, by machine type, as far as it is known.
        now: Seconds since the epoch.
    """
    for name, launches in sorted(refused(status, now - RECENT_SECONDS).items()):
        ago = now - max(when(launch) for launch in launches)
        said = why.get(name) or _last_words(launches[-1].details)
        times = f"{len(launches)} launches" if len(launches) > 1 else "launch"
        detail = (
            f"{name}: {times} failed, {max(0.0, ago):.0f} s ago: {said or f'{LOGS}/monitor.log on the head says why'}"
        )
        yield Finding("fault" if waiting(status) else "note", "machines", detail, _advice(said))


def lost_nodes(status: ClusterStatus, deaths: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """One note a machine that went without being idle, at most `SHOWN` of them.

    Args:
        status: What the autoscaler reports.
        deaths: What Ray knows of nodes that are gone, by node id: DeathReason and DeathReasonMessage.
    """
    lost = [node for node in status.failed_nodes if deaths.get(node.node_id, {}).get("DeathReason") not in ENDED]
    for node in lost[:SHOWN]:
        death = deaths.get(node.node_id, {})
        words = "taken back" if death.get("DeathReason") == PREEMPTED else death.get("DeathReasonMessage") or "lost"
        kind = "machine" if node.ray_node_type_name == f"node_{node.node_id}" else node.ray_node_type_name
        detail = f"{kind} ({node.ip_address}): {' '.join(str(words).split())[:160]}"
        yield Finding("note", "machines", detail, "its trials go on elsewhere")
    if len(lost) > SHOWN:
        yield Finding("note", "machines", f"{len(lost) - SHOWN} more machines were lost", "`ray list nodes` has them")


def refused(status: ClusterStatus, since: float) -> dict[str, list[LaunchRequest]]:
    """Launches that failed since then, by machine type: the autoscaler keeps all that ever did."""
    found: dict[str, list[LaunchRequest]] = {}
    for launch in status.failed_launches:
        if when(launch) > since:
            found.setdefault(launch.ray_node_type_name, []).append(launch)
    return found


def when(launch: LaunchRequest) -> float:
    """When it failed, in seconds since the epoch."""
    return float(launch.failed_ts_s or launch.request_ts_s)


def waiting(status: ClusterStatus, job: str = "") -> list[str]:
    """Ids of the placement groups that wait for a place: every trial has one.

    Args:
        status: What the autoscaler reports.
        job: Id of the job whose groups are wanted, in hex; of all by default. A group's id ends with it.
    """
    ids = (demand.pg_id or "" for demand in status.resource_demands.placement_group_demand)
    return [name for name in ids if name.endswith(job)]


def for_want_of_machines(said: str) -> bool:
    """Whether a launch failed since the cloud has no such machine now, as far as is known what it said."""
    return not said or bool(_NONE.search(said))


def absent(alive: set[str], now: datetime) -> Iterator[Finding]:
    """Machines that should be part of the cluster and are not, as far as this machine, the head, knows of them.

    Args:
        alive: Addresses of the nodes that are alive, and the cloud's names of them.
        now: Local time.
    """
    strangers, failed = head_logs.other_versions(), head_logs.failed_steps(now)
    gone = sorted({*strangers, *failed, *head_logs.listed()} - alive)
    if len(gone) > SHOWN:
        yield Finding("note", "machines", f"{len(gone) - SHOWN} more machines have not joined", f"{LOGS}/monitor.out")
    for name in gone[:SHOWN]:
        if name in strangers:
            yield Finding(
                "fault", "machines", f"{name} cannot join: {strangers[name]}", "install constraints.txt on both"
            )
        elif name in failed:
            where = f"{LOGS}/monitor.out on the head says why; then `ray up` again, which ends what runs"
            yield Finding("fault", "machines", f"{name} has not joined: {failed[name]} failed", where)
        else:
            advice = "it may still be on its way; else is it on, and does ssh reach it from the head?"
            yield Finding("note", "machines", f"{name} of the cluster file has not joined", advice)


def _last_words(details: str | None) -> str:
    """What Ray adds to its own words about a failed launch; in 2.60 that is nothing."""
    return (details or "").rpartition("request id ")[2].partition(":")[2].strip() if details else ""


def _advice(said: str) -> str:
    return next((advice for pattern, advice in _ADVICE if pattern.search(said)), _UNKNOWN)
