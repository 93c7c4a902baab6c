"""What the autoscaler's logs on the head tell, and Ray's status does not: the cloud's words, and who could not join."""

from __future__ import annotations

import re
import socket
from datetime import datetime
from pathlib import Path
from typing import Any

from ablations.cluster_file.yaml_lines import at

LOGS = Path("/tmp/ray/session_latest/logs")
CLUSTER_FILE = Path("~/ray_bootstrap_config.yaml")
"""The cluster file as `ray up` leaves it on the head."""
LOG_BYTES = 1 << 20
RECENT_SECONDS = 1800.0

_REFUSED = re.compile(r"Failed to launch \d+ nodes of type (\S+): (.+)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_OTHER_VERSIONS = re.compile(
    r"The cluster was started with:\s+Ray: (?P<ray>\S+)\s+Python: (?P<python>\S+)\s+"
    r"This process on node (?P<address>\S+) was started with:\s+Ray: (?P<own_ray>\S+)\s+Python: (?P<own_python>\S+)"
)
_STEP = re.compile(r"(?m)^(\S+ [\d:]+),\d+\s.*NodeUpdater: (\S+): (?!Applied config)(.+) (failed|succeeded)\b")


def reasons(logs: Path = LOGS) -> dict[str, str]:
    """What the cloud said last against a launch, by machine type; nothing where the logs are not on this machine."""
    return {name: said.strip()[:200] for name, said in _REFUSED.findall(_end_of(logs / "monitor.log"))}


def other_versions(logs: Path = LOGS) -> dict[str, str]:
    """Machines that Ray refused for their versions of Ray or Python: by address, what differs."""
    return {found["address"]: _difference(found) for found in _OTHER_VERSIONS.finditer(_end_of(logs / "monitor.out"))}


def failed_steps(now: datetime, logs: Path = LOGS) -> dict[str, str]:
    """Machines whose last step of set-up failed of late: by the provider's name of them, the step."""
    last: dict[str, tuple[str, bool]] = {}
    for time, name, step, outcome in _STEP.findall(_end_of(logs / "monitor.out")):
        if (now - datetime.fromisoformat(time)).total_seconds() < RECENT_SECONDS:
            last[name] = step, outcome == "failed"
    return {name: step for name, (step, failed) in last.items() if failed}


def listed(file: Path = CLUSTER_FILE) -> list[str]:
    """Addresses of the workers that the cluster file names; none but for machines that are there already."""
    names = at(_cluster(file), "provider", "worker_ips")
    return [_address(str(name)) for name in names] if isinstance(names, list) else []


def worker_types(file: Path = CLUSTER_FILE) -> dict[str, dict[str, Any]]:
    """The types of workers that the cluster file has, by name: `labels`, `resources`, `max_workers` and so on."""
    cluster = _cluster(file)
    types = at(cluster, "available_node_types")
    head = at(cluster, "head_node_type")
    return {k: v for k, v in types.items() if k != head and isinstance(v, dict)} if isinstance(types, dict) else {}


def _cluster(file: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(file.expanduser().read_text())
    except (OSError, yaml.YAMLError):  # not on this machine, or no cluster file
        return None


def _address(name: str) -> str:
    """Of a host; Ray knows machines by address, a cluster file may name them."""
    try:
        return socket.gethostbyname(name)
    except OSError:
        return name


def _difference(found: re.Match[str]) -> str:
    pairs = (("Ray", "own_ray", "ray"), ("Python", "own_python", "python"))
    differing = [(name, found[own], found[head]) for name, own, head in pairs if found[own] != found[head]]
    there, here = (" and ".join(f"{row[0]} {row[at]}" for row in differing) for at in (1, 2))
    return f"has {there}, the head {here}"


def _end_of(log: Path) -> str:
    try:
        with log.open("rb") as file:
            start = max(0, log.stat().st_size - LOG_BYTES)
            file.seek(start)
            if start:
                file.readline()  # the rest of a line
            return _COLOURS.sub("", file.read().decode(errors="replace"))
    except OSError:
        return ""
