"""Rules on the machine types of a cluster file: head and workers, how many, spot or on demand, how long idle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ablations.cluster_file.start_commands import commands, head_start, option
from ablations.cluster_file.yaml_lines import Got, Path, at

Found = Iterator[tuple[Path, Any, str]]
TYPES = "available_node_types"
MOST_WORKERS = 200
POOLS, MARKETS = ("cpu", "gpu"), ("spot", "on-demand")


def node_types(config: Any) -> Iterator[tuple[Path, dict[str, Any], bool]]:
    """Path, settings and whether it is the head's, of every machine type."""
    for name, settings in (at(config, TYPES) or {}).items():
        yield (TYPES, name), settings, name == at(config, "head_node_type")


def workers(config: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The machine types of workers."""
    return ((path, settings) for path, settings, head in node_types(config) if not head)


def head(config: Any) -> tuple[Path, dict[str, Any]]:
    """The head's machine type."""
    name = at(config, "head_node_type")
    return (TYPES, str(name)), at(config, TYPES, name) or {}


def is_spot(settings: dict[str, Any]) -> bool:
    """Whether machines of a type may be taken back."""
    node = settings.get("node_config") or {}
    scheduling = node.get("scheduling") or {}
    return (
        at(node, "InstanceMarketOptions", "MarketType") == "spot"
        or at(scheduling, "provisioningModel") == "SPOT"
        or at(scheduling, "preemptible") is True
    )


def has_gpu(settings: dict[str, Any]) -> bool | None:
    """Whether machines of a type have GPUs; None where their name does not say it."""
    node = settings.get("node_config") or {}
    if node.get("guestAccelerators") or (settings.get("resources") or {}).get("GPU"):
        return True
    kind = node.get("InstanceType")
    if isinstance(kind, str) and re.match(r"[a-z]+\d", kind):
        return bool(re.match(r"(g|p)\d|gr\d", kind))
    return False if "machineType" in node else None


def head_cpu(config: Any) -> Found:
    """CPUs that the head offers to trials."""
    if at(config, "provider", "type") == "local":
        path, text = head_start(config)
        cpus = option(text, "--num-cpus")
        if cpus != "0":
            yield path, None if cpus is None else Got(f"--num-cpus={cpus}"), "start the head with --num-cpus=0"
        return
    path, settings = head(config)
    cpus = at(settings, "resources", "CPU")
    if cpus != 0:
        yield (*path, "resources"), cpus, "write resources: {CPU: 0}"


def head_market(config: Any) -> Found:
    """Spot as head."""
    path, settings = head(config)
    if is_spot(settings):
        node = settings["node_config"]
        key = "InstanceMarketOptions" if "InstanceMarketOptions" in node else "scheduling"
        yield (*path, "node_config", key), Got("spot"), f"take {key} out"
    label = at(settings, "labels", "market")
    if label not in (None, "on-demand"):
        yield (*path, "labels", "market"), label, "write market: on-demand"


def min_workers(config: Any) -> Found:
    """Machines that are never given back."""
    for path, settings, _ in node_types(config):
        if settings.get("min_workers", 0) != 0:
            yield (*path, "min_workers"), settings["min_workers"], "write min_workers: 0"


def max_workers(config: Any) -> Found:
    """The bound on all workers."""
    most = at(config, "max_workers")
    bounds = [settings.get("max_workers") for _, settings in workers(config)]
    total = sum(one for one in bounds if one is not None)
    if most is None:
        yield ("max_workers",), None, "add max_workers: the most machines at a time"
    elif not 1 <= most <= MOST_WORKERS:
        yield ("max_workers",), most, f"give 1 to {MOST_WORKERS}"
    elif None not in bounds and most > total:
        yield ("max_workers",), Got(f"{most}, the worker types together {total}"), f"give {total} or fewer"


def type_max_workers(config: Any) -> Found:
    """The bound of each type."""
    most = at(config, "max_workers")
    for path, settings in workers(config):
        own = settings.get("max_workers")
        if own is None or own < 0:  # 0 switches a type off
            yield (*path, "max_workers"), own, "add max_workers: the most machines of this type"
        elif isinstance(most, int) and own > most:
            yield (*path, "max_workers"), Got(f"{own}, the whole cluster {most}"), f"give {most} or fewer"


def idle(config: Any) -> Found:
    """Time-outs of idle machines."""
    minutes = at(config, "idle_timeout_minutes")
    if minutes is None or not 0 < minutes <= 60:
        yield ("idle_timeout_minutes",), minutes, "write idle_timeout_minutes: 10"
    for path, settings in workers(config):
        seconds = settings.get("idle_timeout_s")
        if seconds is not None and not 0 < seconds <= 3600:
            yield (*path, "idle_timeout_s"), seconds, "write idle_timeout_s: 300"


def no_stopped_nodes(config: Any) -> Found:
    """Machines that are kept stopped; on AWS that is what Ray does when it is not told."""
    kept = at(config, "provider", "cache_stopped_nodes")
    if kept is not False:
        yield ("provider", "cache_stopped_nodes"), kept, "write cache_stopped_nodes: false"


def labels(config: Any) -> Found:
    """Labels pool and market of worker types."""
    for path, settings in workers(config):
        pool, market = at(settings, "labels", "pool"), at(settings, "labels", "market")
        gpu = has_gpu(settings)
        true_pool = pool if gpu is None else POOLS[gpu]
        true_market = MARKETS[not is_spot(settings)]
        if pool not in POOLS or pool != true_pool:
            yield (*path, "labels", "pool"), pool, f"write pool: {true_pool if true_pool in POOLS else 'cpu or gpu'}"
        if market != true_market:
            yield (*path, "labels", "market"), market, f"write market: {true_market}"


def priorities(config: Any) -> Found:
    """Spot and on-demand types of one pool."""
    by_market: dict[tuple[Any, bool], list[tuple[Path, int]]] = {}
    for path, settings in workers(config):
        key = (at(settings, "labels", "pool"), is_spot(settings))
        by_market.setdefault(key, []).append((path, settings.get("priority", 0)))
    for (pool, spot), types in by_market.items():
        lowest = min((one for _, one in by_market.get((pool, True), [])), default=None)
        for path, own in types:
            if not spot and lowest is not None and own >= lowest:
                yield (*path, "priority"), own, f"give less than {lowest}, the priority of spot"


def autoscaler_2(config: Any) -> Found:
    """The version of Ray's autoscaler."""
    path, text = head_start(config)
    off = re.search(r"RAY_enable_autoscaler_v2=(?!1\b|true\b)\S*", text)
    if off:
        yield path, Got(off.group(0).rstrip(";")), "take it out"


def watcher(config: Any) -> Found:
    """The spot watcher."""
    spot = any(is_spot(settings) for _, settings in workers(config))
    started = [text for _, text in commands(config, "worker_start_ray_commands") if "pkill" not in text]
    if spot and not any("ablate cluster watch" in text for text in started):
        todo = "add: setsid -f nohup ablate cluster watch </dev/null >/tmp/spot-watch.log 2>&1; sleep 1"
        yield ("worker_start_ray_commands",), None, todo
