"""Rules on cluster files of provider gcp."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ablations.cluster_file.node_types import node_types, workers
from ablations.cluster_file.yaml_lines import Got, Path, at, scalars

Found = Iterator[tuple[Path, Any, str]]


def _zone(config: Any) -> Found:
    region, zone = at(config, "provider", "region"), at(config, "provider", "availability_zone")
    if not zone or not str(zone).startswith(f"{region}-"):
        yield ("provider", "availability_zone"), zone, f"give a zone of {region}, such as {region}-a"


def _project(config: Any) -> Found:
    if not at(config, "provider", "project_id"):
        yield ("provider", "project_id"), at(config, "provider", "project_id"), "add project_id"


def _network(config: Any) -> Found:
    for path, settings, _ in node_types(config):
        place = (*path, "node_config", "networkInterfaces")
        interfaces = at(settings, "node_config", "networkInterfaces") or []
        if not interfaces:
            yield place, None, "add networkInterfaces with your own subnetwork"
        for index, interface in enumerate(interfaces):
            given = at(interface, "subnetwork")
            if not given or str(given).endswith("/default"):
                yield (*place, index, "subnetwork"), given, "give a subnetwork of your own"


def _account(config: Any) -> Found:
    for path, settings in workers(config):
        accounts = at(settings, "node_config", "serviceAccounts")
        place = (*path, "node_config", "serviceAccounts")
        if not accounts:
            yield place, None, "add serviceAccounts with access to the bucket"
        for below, scope in scalars(accounts or [], place):
            if str(scope).endswith("/cloud-platform"):
                yield below, scope, "give devstorage.read_write"


def _disks(config: Any) -> Found:
    for path, settings, _ in node_types(config):
        for index, disk in enumerate(at(settings, "node_config", "disks") or []):
            if at(disk, "autoDelete") is not True:
                place = (*path, "node_config", "disks", index, "autoDelete")
                yield place, at(disk, "autoDelete"), "write autoDelete: true"


def _gpus(config: Any) -> Found:
    for path, settings, _ in node_types(config):
        cards = at(settings, "node_config", "guestAccelerators") or []
        count = sum(card.get("acceleratorCount", 0) for card in cards)
        told = at(settings, "resources", "GPU") or 0
        if count != told:
            yield (*path, "resources"), Got(f"GPU {told}, guestAccelerators {count}"), f"write GPU: {count}"


def _maintenance(config: Any) -> Found:
    for path, settings, _ in node_types(config):
        scheduling = at(settings, "node_config", "scheduling")
        wanted = at(scheduling, "onHostMaintenance")
        if at(settings, "node_config", "guestAccelerators") and wanted != "TERMINATE":
            yield (*path, "node_config", "scheduling"), wanted, "write onHostMaintenance: TERMINATE"


RULES = (
    ("the zone must be in the region", "`ray up` fails late", _zone),
    ("the project must be given", "Ray would fail on it", _project),
    ("every machine must be in a network of yours", "the default one lets the world try ssh", _network),
    ("workers must have a service account for the bucket alone", "else none, or all of the project", _account),
    ("disks must go with their machine", "they cost for ever", _disks),
    ("GPUs must be told to Ray as they are", "Ray does not look them up on Google Cloud", _gpus),
    ("machines with GPUs must end for maintenance", "they cannot move; Google refuses others", _maintenance),
)
