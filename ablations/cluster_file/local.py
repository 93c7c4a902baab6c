"""Rules on cluster files of provider local: machines that are there already, over ssh."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from ablations.cluster_file.start_commands import STARTS, head_start, option, starts
from ablations.cluster_file.yaml_lines import PLACEHOLDER, Got, Path, at

Found = Iterator[tuple[Path, Any, str]]


def _autoscaler_1(config: Any) -> Found:
    path, text = head_start(config)
    found = re.search(r"RAY_enable_autoscaler_v2=(\w*)", text)
    if not found or found.group(1) not in ("0", "false"):
        got = Got(found.group(0)) if found else None
        yield path, got, "export RAY_enable_autoscaler_v2=0 before `ray start --head`"


def _machines(config: Any) -> Found:
    head, workers = at(config, "provider", "head_ip"), at(config, "provider", "worker_ips")
    if not head:
        yield ("provider", "head_ip"), head, "give the address of the head"
    if not isinstance(workers, list) or not workers:
        yield ("provider", "worker_ips"), workers, "give a list of addresses"
        return
    for index, address in enumerate(workers):
        if address == head:
            yield ("provider", "worker_ips", index), address, "take the head out of the list"
        elif address in workers[:index]:
            yield ("provider", "worker_ips", index), address, "name every machine once"


def _loopback(config: Any) -> Found:
    workers = at(config, "provider", "worker_ips")
    addresses = [(("provider", "head_ip"), at(config, "provider", "head_ip"))]
    addresses += [(("provider", "worker_ips", i), one) for i, one in enumerate(workers or [])]  # type: ignore[misc]
    for path, address in addresses:
        if isinstance(address, str) and not PLACEHOLDER.search(address) and _is_loopback(address):
            yield path, address, "give the address that the other machines reach it under"


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _labels(config: Any) -> Found:
    for path, text in starts(config, STARTS[1]):
        given = option(text, "--labels") or ""
        if "pool=" not in given or "market=" not in given:
            yield path, Got(given) if given else None, 'add --labels="market=on-demand,pool=…" to `ray start`'


RULES = (
    ("autoscaler 1 must be chosen", "2 forgets the head and starts one worker at most", _autoscaler_1),
    ("head and workers must be different machines", "`ray stop` of one would end the other", _machines),
    ("addresses must not be loopback", "`ray stop` on one would end the others", _loopback),
    ("workers must say their pool and market", "Ray passes no labels to these machines", _labels),
)
