"""Rules on cluster files of provider aws."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path as FilePath
from typing import Any

from ablations.cluster_file.node_types import head, node_types, workers
from ablations.cluster_file.yaml_lines import Path, at

Found = Iterator[tuple[Path, Any, str]]
HEAD_POLICY = FilePath(__file__).parents[2] / "deploy/aws/head.json"
"""What deploy/aws/prepare.py gives the head of clusters started from this checkout."""


def _nodes(config: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path, settings, _ in node_types(config):
        yield (*path, "node_config"), settings.get("node_config") or {}


def _region(config: Any) -> Found:
    from ablations.cluster_file.schemas import aws_regions

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


def _statements() -> list[dict[str, Any]]:
    """Of the head's policy; none where this is no checkout."""
    if not HEAD_POLICY.is_file():
        return []
    found: list[dict[str, Any]] = json.loads(HEAD_POLICY.read_text(encoding="utf-8"))["Statement"]
    return [{**one, "Action": [one["Action"]] if isinstance(one["Action"], str) else one["Action"]} for one in found]


def _policy_cluster(config: Any) -> Found:
    own = at(config, "cluster_name")
    for statement in _statements():
        named = at(statement, "Condition", "StringEquals", "aws:ResourceTag/ray-cluster-name")
        names = named if isinstance(named, list) else [named]
        if "ec2:TerminateInstances" in statement["Action"] and named and own not in names:
            todo = f"write {names[0]}, or write {own} into deploy/aws/head.json and prepare again"
            yield ("cluster_name",), own, todo


def _policy_role(config: Any) -> Found:
    passed = [str(one["Resource"]) for one in _statements() if "iam:PassRole" in one["Action"]]
    roles = [role.rpartition("role/")[2] for role in passed]
    own = at(head(config)[1], "node_config", "IamInstanceProfile", "Name")
    for path, settings in workers(config):
        name = at(settings, "node_config", "IamInstanceProfile", "Name")
        if name and name != own and roles and not any(fnmatch(name, role) for role in roles):
            todo = f"write {roles[0]}, or write {name} into deploy/aws/head.json and prepare again"
            yield (*path, "node_config", "IamInstanceProfile", "Name"), name, todo


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
    ("deploy/aws/head.json must name this cluster", "the head could not end its workers", _policy_cluster),
    ("deploy/aws/head.json must name the workers' profile", "the head could not start them", _policy_role),
    ("IMDSv2 must be required", "version 1 gives the machine's rights to any forged request", _metadata),
    ("disks must be encrypted", "they hold code, data and the token", _disks("Encrypted", True)),
    ("disks must go with their machine", "they cost for ever", _disks("DeleteOnTermination", True)),
    ("disks must be gp3", "as fast as gp2 for less, whatever their size", _disks("VolumeType", "gp3")),
)
