"""The part of `ablate doctor` that asks Ray's autoscaler: machines that did not start, or were lost."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.doctor import Finding

if TYPE_CHECKING:
    from ray.autoscaler.v2.schema import ClusterStatus, LaunchRequest

ANSWER_SECONDS = 4
RECENT_SECONDS = 1800.0
"""Ray's autoscaler keeps every failed launch as long as it lives; older ones say nothing about now."""
SHOWN = 5
"""Lost machines that get a line of their own: a long study on spot may lose hundreds."""
LOG = Path("/tmp/ray/session_latest/logs/monitor.log")
"""Ray 2.60 drops the cloud's words from the status; they stand in the autoscaler's log, which is on the head alone."""
LOG_BYTES = 1 << 18
FAILED = re.compile(r"Failed to launch \d+ nodes of type (\S+): (.+)")
ENDED = (1, 4)
"""Ray's numbers of a death that was asked for: EXPECTED_TERMINATION and AUTOSCALER_DRAIN_IDLE."""
PREEMPTED = 3

_ADVICE = (
    (
        r"InsufficientInstanceCapacity|RESOURCE_POOL_EXHAUSTED|stockout|SpotMaxPriceTooLow",
        "the cloud has none now: run with --label market=on-demand, or wait",
    ),
    (r"SpotInstanceCountExceeded|VcpuLimitExceeded|LimitExceeded|(?i:quota)", "ask the cloud for the quota"),
    (r"Unauthorized|AccessDenied|(?i:permission)", "the head lacks rights; docs/cluster.md says which"),
)
_UNKNOWN = "where it is for want of spot, run with --label market=on-demand; else ask the cloud for the quota"


def autoscaler() -> Iterator[Finding]:
    """Findings on launches and losses; none where no autoscaler (version 2) reports to the Ray we are connected to."""
    import ray
    from ray.autoscaler.v2.sdk import get_cluster_status

    try:
        status = get_cluster_status(ray.get_runtime_context().gcs_address, timeout=ANSWER_SECONDS)
    except Exception as error:  # other findings must not wait for this one
        why = (str(error).splitlines() or [type(error).__name__])[0]
        yield Finding("note", "autoscaler", f"does not answer ({why})", "`ray status` tells more")
        return
    if status.stats.autoscaler_version in (None, "0"):
        return
    yield from failed_launches(status, reasons(), time.time())
    yield from lost_nodes(status, {node["NodeID"]: node for node in ray.nodes() if not node["Alive"]})


def failed_launches(status: ClusterStatus, why: Mapping[str, str], now: float) -> Iterator[Finding]:
    """One finding a machine type that could not be started of late; a fault where trials wait for machines.

    Args:
        status: What the autoscaler reports.
        why: What the cloud said, by machine type, as far as it is known.
        now: Seconds since the epoch.
    """
    last: dict[str, list[LaunchRequest]] = {}
    for launch in status.failed_launches:
        if now - (launch.failed_ts_s or launch.request_ts_s) < RECENT_SECONDS:
            last.setdefault(launch.ray_node_type_name, []).append(launch)
    for name, launches in sorted(last.items()):
        ago = now - max(launch.failed_ts_s or launch.request_ts_s for launch in launches)
        said = why.get(name) or _last_words(launches[-1].details)
        times = f"{len(launches)} launches" if len(launches) > 1 else "launch"
        detail = f"{name}: {times} failed, {max(0.0, ago):.0f} s ago: {said or f'{LOG} on the head says why'}"
        yield Finding("fault" if _waiting(status) else "note", "autoscaler", detail, _advice(said))


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
        yield Finding("note", "autoscaler", detail, "its trials go on elsewhere")
    if len(lost) > SHOWN:
        yield Finding("note", "autoscaler", f"{len(lost) - SHOWN} more machines were lost", "`ray list nodes` has them")


def reasons(log: Path = LOG) -> dict[str, str]:
    """What the cloud said last, by machine type; nothing where the log is not on this machine."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return {}
    return {name: said.strip()[:200] for name, said in FAILED.findall(text)}


def _waiting(status: ClusterStatus) -> bool:
    demands = status.resource_demands
    return bool(demands.placement_group_demand or demands.ray_task_actor_demand)


def _last_words(details: str | None) -> str:
    """What Ray adds to its own words about a failed launch; in 2.60 that is nothing."""
    return (details or "").rpartition("request id ")[2].partition(":")[2].strip() if details else ""


def _advice(said: str) -> str:
    return next((advice for pattern, advice in _ADVICE if re.search(pattern, said)), _UNKNOWN)
