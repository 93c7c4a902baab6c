"""Rules on the shell commands of a cluster file: what starts Ray, and what comes before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ablations.cluster_file.yaml_lines import Got, Path, at

Found = Iterator[tuple[Path, Any, str]]
SETUP = ("initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands")
STARTS = ("head_start_ray_commands", "worker_start_ray_commands")
HEALTH = ("period_ms", "timeout_ms", "failure_threshold")


def commands(config: Any, *names: str) -> Iterator[tuple[Path, str]]:
    """Path and text of every command of these lists."""
    for name in names:
        for index, text in enumerate(at(config, name) or []):
            if isinstance(text, str):
                yield (name, index), text


def starts(config: Any, *names: str) -> Iterator[tuple[Path, str]]:
    """The commands that start Ray."""
    return ((path, text) for path, text in commands(config, *names) if re.search(r"\bray start\b", text))


def head_start(config: Any) -> tuple[Path, str]:
    """The command that starts Ray on the head; empty where there is none."""
    found = [(path, text) for path, text in starts(config, STARTS[0]) if "--head" in text]
    return found[0] if found else ((STARTS[0],), "")


def option(text: str, name: str) -> str | None:
    """The value of an option of a command; None where it is not given."""
    found = re.search(rf"{re.escape(name)}[= ]\s*(\S+)", text)
    return found.group(1) if found else None


def _without(config: Any, pattern: str, names: tuple[str, ...], todo: str) -> Found:
    """Broken unless some command of these lists matches."""
    if not any(re.search(pattern, text) for _, text in commands(config, *names)):
        yield (names[-1] if len(names) == 1 else "setup_commands",), None, todo


def dashboard(config: Any) -> Found:
    """The dashboard's address."""
    path, text = head_start(config)
    host = option(text, "--dashboard-host")
    if host not in ("127.0.0.1", "localhost", "::1"):
        got = None if host is None else Got(f"--dashboard-host={host}")
        yield path, got, "write --dashboard-host=127.0.0.1 and use `ray dashboard`"


def client_port(config: Any) -> Found:
    """The port of Ray Client."""
    for path, text in starts(config, *STARTS):
        port = option(text, "--ray-client-server-port")
        if port:
            yield path, Got(f"--ray-client-server-port={port}"), "take it out and use `ray job submit`"


def token_mode(config: Any) -> Found:
    """RAY_AUTH_MODE on every machine."""
    todo = "add: grep -q RAY_AUTH_MODE=token ~/.bashrc || echo 'export RAY_AUTH_MODE=token' >> ~/.bashrc"
    for path, text in commands(config, *SETUP, *STARTS):
        mode = re.search(r"RAY_AUTH_MODE=(?!token\b)(\w*)", text)
        if mode:
            yield path, Got(mode.group(0)), "write RAY_AUTH_MODE=token"
            return
    yield from _without(config, r"export [^'\"]*RAY_AUTH_MODE=token\b[^;&]*\.bashrc", ("setup_commands",), todo)


def token_private(config: Any) -> Found:
    """The mode of the token's file: rsync keeps what it has at home, and Ray writes it readable for everybody."""
    pattern = r"chmod (?:0?600|go-\S*|u=rw,go=) ~/\.ray/auth_token"
    yield from _without(config, pattern, ("setup_commands",), "add: chmod 600 ~/.ray/auth_token")


def usage_stats(config: Any) -> Found:
    """Ray's usage statistics."""
    path, text = head_start(config)
    on = re.search(r"RAY_USAGE_STATS_ENABLED=(?!0\b)\S*", text)
    if on or not re.search(r"--disable-usage-stats\b|RAY_USAGE_STATS_ENABLED=0\b", text):
        yield path, Got(on.group(0)) if on else None, "add --disable-usage-stats to `ray start --head`"


def constraints(config: Any) -> Found:
    """The versions that are installed."""
    pattern = r"deploy/install\.sh|-c \S*constraints\.txt"
    todo = "run ~/soft-silhouette/deploy/install.sh, or pip install with -c constraints.txt"
    yield from _without(config, pattern, ("setup_commands",), todo)


def ray_stop(config: Any) -> Found:
    """`ray stop` first, in both lists."""
    for name in STARTS:
        texts = [text for _, text in commands(config, name)]
        first = next((index for index, text in enumerate(texts) if "ray start" in text), len(texts))
        if not any("ray stop" in text for text in texts[: first + 1]):
            yield (name,), Got(texts[0][:40]) if texts else None, "begin the list with: ray stop"


def threads(config: Any) -> Found:
    """OMP_NUM_THREADS where workers start."""
    for path, text in starts(config, *STARTS):
        if not re.search(r"\bunset\b[^;&]*\bOMP_NUM_THREADS\b|\bOMP_NUM_THREADS=|env -u OMP_NUM_THREADS", text):
            yield path, None, "add: unset OMP_NUM_THREADS;"


def health_checks(config: Any) -> Found:
    """Seconds until the head gives a silent machine up."""
    path, text = head_start(config)
    found = {name: re.search(rf"RAY_health_check_{name}=(\d+)", text) for name in HEALTH}
    values = {name: int(match.group(1)) for name, match in found.items() if match}
    todo = "export RAY_health_check_period_ms=1000 _timeout_ms=2000 _failure_threshold=5 before `ray start --head`"
    if len(values) < len(HEALTH):
        missing = ", ".join(f"RAY_health_check_{name}" for name in HEALTH if name not in values)
        yield path, Got(f"no {missing}"), todo
        return
    seconds = (values["period_ms"] + values["timeout_ms"]) * values["failure_threshold"] / 1000
    if not 5 <= seconds <= 30:
        yield path, Got(f"{seconds:g} s"), todo
