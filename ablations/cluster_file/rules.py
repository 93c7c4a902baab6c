"""Our own rules for a file that `ray up` reads, in one table with their reasons.

A rule looks at the file as it stands and yields what is wrong: path, value found, what to do. What is still a
placeholder is not looked at: it is named as such.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from ablations.cluster_file import aws, gcp, local
from ablations.cluster_file.node_types import (
    autoscaler_2,
    head_cpu,
    head_market,
    idle,
    labels,
    max_workers,
    min_workers,
    no_stopped_nodes,
    priorities,
    type_max_workers,
    watcher,
)
from ablations.cluster_file.secrets import no_secrets
from ablations.cluster_file.start_commands import (
    client_port,
    constraints,
    dashboard,
    health_checks,
    ray_stop,
    threads,
    token_mode,
    token_private,
    usage_stats,
)
from ablations.cluster_file.yaml_lines import Document, Fault, Path, at, scalars

Found = Iterator[tuple[Path, Any, str]]
EVERYWHERE = ("aws", "gcp", "local")
CLOUDS = ("aws", "gcp")


@dataclass(frozen=True)
class Rule:
    """One rule: what must be, why, for which providers, and what breaks it."""

    must: str
    why: str
    providers: tuple[str, ...]
    broken: Callable[[Any], Found]


def _no_open_address(config: Any) -> Found:
    for path, value in scalars(config):
        if isinstance(value, str) and re.search(r"0\.0\.0\.0|(?<![\w:])::(?:/0)?(?![\w:])", value):
            yield path, value, "bind to 127.0.0.1, and give ranges of addresses no narrower right than they need"


def _token_file(config: Any) -> Found:
    if "~/.ray/auth_token" not in (at(config, "file_mounts") or {}):
        got = sorted(at(config, "file_mounts") or {}) or None
        yield ("file_mounts",), got, "add ~/.ray/auth_token: ~/.ray/auth_token"


def _project(config: Any) -> Found:
    if "~/soft-silhouette" not in (at(config, "file_mounts") or {}):
        yield ("file_mounts",), sorted(at(config, "file_mounts") or {}) or None, "add ~/soft-silhouette: ."


def _ignored(config: Any) -> Found:
    if ".gitignore" not in (at(config, "rsync_filter") or []):
        yield ("rsync_filter",), at(config, "rsync_filter"), "write rsync_filter: [.gitignore]"


def _git_config(config: Any) -> Found:
    patterns = [str(pattern) for pattern in at(config, "rsync_exclude") or []]
    bare = [pattern.removeprefix("**").strip("/") for pattern in patterns]
    if not any(fnmatch(name, pattern) for name in (".git", ".git/config") for pattern in bare):
        yield ("rsync_exclude",), at(config, "rsync_exclude"), 'add "**/.git/config", which git reads no commit from'


def _ray_key(config: Any) -> Found:
    for number, pattern in enumerate(at(config, "rsync_exclude") or []):
        if fnmatch("ray-autoscaler.pem", str(pattern).rsplit("/", 1)[-1]):
            yield ("rsync_exclude", number), pattern, "write it into .gitignore: that holds for the checkout alone"


RULES: tuple[Rule, ...] = (
    # who can reach the cluster, and with what
    Rule("the dashboard must listen on 127.0.0.1", "it runs anybody's code", EVERYWHERE, dashboard),
    Rule("nothing may be open to every address", "Ray runs anybody's code", EVERYWHERE, _no_open_address),
    Rule("the token must reach every machine", "without it Ray lets everybody in", EVERYWHERE, _token_file),
    Rule("every machine must ask for the token", "a worker without the mode never joins", EVERYWHERE, token_mode),
    Rule("the token must be readable by its owner alone", "it is the key to all machines", EVERYWHERE, token_private),
    Rule("no Ray Client port may be asked for", "one more way in, which nothing here uses", EVERYWHERE, client_port),
    Rule("no keys may stand in the file", "files are shared, committed and synced", EVERYWHERE, no_secrets),
    Rule("usage statistics must be off", "nothing leaves without being asked for", EVERYWHERE, usage_stats),
    # what runs there
    Rule("the checkout must be synced", "workers run the code that you see", EVERYWHERE, _project),
    Rule("what git ignores must stay at home", "results and environments are large", EVERYWHERE, _ignored),
    Rule("git's settings must stay at home", "a remote's URL may hold a token", EVERYWHERE, _git_config),
    Rule("Ray's own key must reach the head", "without it the head starts no worker", EVERYWHERE, _ray_key),
    Rule("the versions of constraints.txt must be installed", "others were not tested", EVERYWHERE, constraints),
    Rule("Ray must be stopped before it is started", "`ray up` again must work", EVERYWHERE, ray_stop),
    Rule("OMP_NUM_THREADS must be unset or set on purpose", "Ray's ssh makes it 1", EVERYWHERE, threads),
    Rule("a silent machine must be noticed in 5 to 30 s", "Ray takes 65 s", EVERYWHERE, health_checks),
    # what it costs, and what may be lost
    Rule("the head must run no trial (CPU 0)", "a full head slows all others down", EVERYWHERE, head_cpu),
    Rule("the head must be on demand", "it holds the driver", CLOUDS, head_market),
    Rule("workers must start from none (min_workers 0)", "an idle cluster must cost little", CLOUDS, min_workers),
    Rule("max_workers must be a bound that holds", "it is the bound on costs", CLOUDS, max_workers),
    Rule("every worker type must have its own bound", "else it has the cluster's", CLOUDS, type_max_workers),
    Rule("idle machines must go within the hour", "they cost as much as busy ones", CLOUDS, idle),
    Rule("machines must be ended, not stopped", "stopped disks still cost", CLOUDS, no_stopped_nodes),
    Rule("labels must name pool and market, and truly", "trials choose machines by them", CLOUDS, labels),
    Rule("spot must come before its on-demand twin", "it is cheaper", CLOUDS, priorities),
    Rule("spot workers must run the watcher", "a machine taken back would count as a failure", CLOUDS, watcher),
    Rule("autoscaler 2 must not be switched off", "priorities and idle_timeout_s need it", CLOUDS, autoscaler_2),
    # one provider each
    *(Rule(must, why, ("aws",), broken) for must, why, broken in aws.RULES),
    *(Rule(must, why, ("gcp",), broken) for must, why, broken in gcp.RULES),
    *(Rule(must, why, ("local",), broken) for must, why, broken in local.RULES),
)


def rule_faults(document: Document, provider: str) -> Iterator[Fault]:
    """What a file has against our rules, in the order of the table."""
    unfilled = {path: text for path, _, text in document.placeholders}
    for rule in RULES:
        if provider not in rule.providers:
            continue
        for path, got, todo in rule.broken(document.value):
            if path not in unfilled and not _is_placeholder(got, unfilled):
                yield document.fault(path, f"{rule.must} ({rule.why})", got, todo)


def _is_placeholder(got: Any, unfilled: dict[Path, str]) -> bool:
    return isinstance(got, str) and got in unfilled.values()
