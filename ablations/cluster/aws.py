"""Rules on cluster files of provider aws."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ablations.cluster.file import Path, at
from ablations.cluster.nodes import head, node_types, workers

Found = Iterator[tuple[Path, Any, str]]


def _nodes(config: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path, settings, _ in node_types(config):
        yield (*path, "node_config"), settings.get("node_config") or {}


def _region(config: Any) -> Found:
    from ablations.cluster.schema import aws_regions

    region, zones = at(config, "provider", "region"), at(config, "provider", "availability_zone")
    if region not in aws_regions():
        yield ("provider", "region"), region, "give one of AWS, such as eu-central-1"
    elif zones and not all(zone.strip().startswith(region) for zone in str(zones).split(",")):
        yield ("provider", "availability_zone"), zones, f"give zones of {region}, or take it out for all of them"


def _image(config: Any) -> Found:
    for path, node in _nodes(config):
        if "ImageId" in node and not re.fullmatch(r"ami-(?:[0-9a-f]{8}|[0-9a-f]{17})", str(node["ImageId"])):
            yield (*path, "ImageId"), node["ImageId"], "give ami- and 8 or 17 hexadecimal digits"


def _security_group(config: Any) -> Found:
    for path, node in _nodes(config):
        groups = node.get("SecurityGroupIds")
        if not groups:
            yield (*path, "SecurityGroupIds"), groups, "add SecurityGroupIds: [your own]"
        for index, group in enumerate(groups or []):
            if not re.fullmatch(r"sg-(?:[0-9a-f]{8}|[0-9a-f]{17})", str(group)):
                yield (*path, "SecurityGroupIds", index), group, "give sg- and 8 or 17 hexadecimal digits"
    if at(config, "provider", "security_group") is not None:
        got = at(config, "provider", "security_group")
        yield ("provider", "security_group"), got, "take it out: it only adds to what Ray opens"


def _profile(config: Any) -> Found:
    for path, node in _nodes(config):
        if not (at(node, "IamInstanceProfile", "Name") or at(node, "IamInstanceProfile", "Arn")):
            yield (*path, "IamInstanceProfile"), node.get("IamInstanceProfile"), "add IamInstanceProfile: {Name: …}"


def _worker_profile(config: Any) -> Found:
    own = at(head(config)[1], "node_config", "IamInstanceProfile")
    for path, settings in workers(config):
        given = at(settings, "node_config", "IamInstanceProfile")
        if given and given == own:
            key, name = next(iter(given.items()))
            yield (*path, "node_config", "IamInstanceProfile", key), name, "give workers a profile of their own"


def _metadata(config: Any) -> Found:
    for path, node in _nodes(config):
        tokens = at(node, "MetadataOptions", "HttpTokens")
        if tokens != "required":
            yield (*path, "MetadataOptions", "HttpTokens"), tokens, "write HttpTokens: required"


def _disks(key: str, wanted: Any) -> Any:
    def broken(config: Any) -> Found:
        for path, node in _nodes(config):
            disks = node.get("BlockDeviceMappings") or [{}]
            for index, disk in enumerate(disks):
                found = at(disk, "Ebs", key)
                if found != wanted and not (disk.get("VirtualName") or "NoDevice" in disk):
                    shown = str(wanted).lower() if isinstance(wanted, bool) else wanted
                    yield (*path, "BlockDeviceMappings", index, "Ebs", key), found, f"write {key}: {shown}"

    return broken


RULES = (
    ("the region must be one of AWS, its zones inside it", "`ray up` fails late", _region),
    ("the image must be given", "Ray's own is from 2022", _image),
    ("every machine must be in a security group of yours", "Ray's opens ssh to the world", _security_group),
    ("every machine must have an instance profile", "workers without one cannot write results", _profile),
    ("workers must not have the head's profile", "it starts and ends machines", _worker_profile),
    ("IMDSv2 must be required", "version 1 gives the machine's rights to any forged request", _metadata),
    ("disks must be encrypted", "they hold code, data and the token", _disks("Encrypted", True)),
    ("disks must go with their machine", "they cost for ever", _disks("DeleteOnTermination", True)),
    ("disks must be gp3", "as fast as gp2 for less, whatever their size", _disks("VolumeType", "gp3")),
)
