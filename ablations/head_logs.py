"""What the autoscaler's logs on the head tell, and Ray's status does not: the cloud's words, and who could not join."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

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


def listed(file: Path = CLUSTER_FILE) -> tuple[str, ...]:
    """Addresses of the workers that the cluster file names; none but for machines that are there already."""
    import yaml

    try:
        provider = (yaml.safe_load(file.expanduser().read_text()) or {}).get("provider") or {}
        return tuple(provider.get("worker_ips") or ())
    except (OSError, yaml.YAMLError, AttributeError, TypeError):  # not on this machine, or no cluster file
        return ()


def _difference(found: re.Match[str]) -> str:
    pairs = (("Ray", "own_ray", "ray"), ("Python", "own_python", "python"))
    differing = [(name, found[own], found[head]) for name, own, head in pairs if found[own] != found[head]]
    there, here = (" and ".join(f"{row[0]} {row[at]}" for row in differing) for at in (1, 2))
    return f"has {there}, the head {here}"


def _end_of(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_BYTES))
            return _COLOURS.sub("", file.read().decode(errors="replace"))
    except OSError:
        return ""
