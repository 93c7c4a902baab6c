"""Our own rules for cluster files: what security and cost need, and what the user's own values must be.

The comparison with the shipped template covers the rest. A value that is not filled in yet breaks no rule.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from ablations.cluster_file.schemas import aws_regions
from ablations.cluster_file.yaml_lines import Document, Fault
from ablations.errors import StudyError
from ablations.nested import Got, Path, at, each, scalars
from ablations.templates import FILES

Found = Iterator[tuple[Path, Any, str]]
POLICY = "deploy/aws/head.json"
"""What the head of a cluster on AWS may do: the file beside the cluster file, else the shipped one."""
SECRET = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bgh[pousr]_[A-Za-z0-9]{20,}|\bhf_[A-Za-z]{20,}"
    r"|(?i:secret_access_key|session_token|password|api_key)\s*[=:]\s*\S|\bsk-[A-Za-z0-9_-]{20,}"
)
SECRET_NAME = re.compile(r"(?i)(secret|password|secret_access_key|session_token|(?<!ssh_)private_key|api_?key)$")


class Rule(NamedTuple):
    """For which kinds of file, what must hold and why, and a function that yields path, value and what to do."""

    kinds: str
    must: str
    why: str
    broken: Callable[[Any], Found]


def rule_faults(document: Document, kind: str, file: FilePath) -> Iterator[Fault]:
    """What breaks a rule, in a file of kind aws, gcp, local or RayJob; the head's policy is looked for beside it."""
    unfilled = {path for path, _, _ in document.placeholders}
    marks = [text for _, _, text in document.placeholders]
    for rule in RULES:
        if kind in rule.kinds.split():
            for path, got, todo in rule.broken(document.value):
                if path not in unfilled and got not in marks:
                    yield document.fault(path, f"{rule.must} ({rule.why})", got, todo)
    for path, got, todo in _policy(document.value, file) if kind == "aws" else ():
        yield document.fault(path, f"{POLICY} must name it (the head has no other rights)", got, todo)


def _values(todo: str, good: Callable[[Any], object], *paths: str) -> Callable[[Any], Found]:
    """A rule on each value at some paths; `*` is every key or index, None is a value that is not there."""

    def broken(config: Any) -> Found:
        for text in paths:
            for path, value in each(config, *text.split()):
                with suppress(TypeError):  # of a value of another kind
                    if good(value):
                        continue
                yield path, value, todo

    return broken


def _like(pattern: str) -> Callable[[Any], object]:
    return lambda value: re.search(pattern, str(value))


def _never(todo: str, pattern: str) -> Callable[[Any], Found]:
    """A rule that no command matches a pattern."""

    def broken(config: Any) -> Found:
        for path, text in scalars({key: value for key, value in config.items() if key.endswith("_commands")}):
            if found := re.search(pattern, str(text)):
                yield path, Got(found[0]), todo

    return broken


def _secrets(config: Any) -> Found:
    todo = "take it out and revoke it; machines get their rights from their profile or account"
    for path, value in scalars(config):
        named = any(SECRET_NAME.search(str(key)) for key in path[-1:])
        if isinstance(value, str) and value and (named or SECRET.search(value)):
            yield path, Got(f"{value[:4]}…"), todo
    for name in ("aws_credentials", "gcp_credentials"):
        if at(config, "provider", name) is not None:
            yield ("provider", name), Got("credentials"), todo


def _open_address(config: Any) -> Found:
    for path, value in scalars(config):
        if re.search(r"0\.0\.0\.0|(?<![\w:])::(?:/0)?(?![\w:])", str(value)):
            yield path, value, "bind to 127.0.0.1, or give the narrowest range of addresses that works"


def _bounds(config: Any) -> Found:
    most = at(config, "max_workers")
    if most is None or not 1 <= most <= 200:
        yield ("max_workers",), most, "give the most machines at a time, 1 to 200"
        return
    types = each(config, "available_node_types", "*", "max_workers")
    own = {path: bound for path, bound in types if path[1] != config["head_node_type"]}
    for path, bound in own.items():
        if bound is None or not 0 <= bound <= most:
            yield path, bound, f"give the most machines of this type, 0 to {most}"
    total = sum(bound or 0 for bound in own.values())
    if None not in own.values() and most > total:
        yield ("max_workers",), Got(f"{most}, the worker types together {total}"), f"give {total} or fewer"


def _spot_head(config: Any) -> Found:
    node: Path = ("available_node_types", config["head_node_type"], "node_config")
    for key in ("InstanceMarketOptions", "scheduling"):
        if any(value in ("spot", "SPOT", True) for _, value in scalars(at(config, *node, key))):
            yield (*node, key), Got("spot"), f"take {key} out"


def _head_profile(config: Any) -> Found:
    head = at(config, "available_node_types", config["head_node_type"], "node_config", "IamInstanceProfile")
    for path, profile in each(config, "available_node_types", "*", "node_config", "IamInstanceProfile"):
        if profile and profile == head and path[1] != config["head_node_type"]:
            yield (*path, *profile), *profile.values(), "give workers a profile of their own"


def _policy(config: Any, file: FilePath) -> Found:
    own = at(config, "available_node_types", config["head_node_type"], "node_config", "IamInstanceProfile", "Name")
    profiles = [*each(config, "available_node_types", "*", "node_config", "IamInstanceProfile", "Name")]
    for statement in _statements(file):
        cluster = at(statement, "Condition", "StringEquals", "aws:ResourceTag/ray-cluster-name")
        if cluster and cluster != config["cluster_name"]:
            yield ("cluster_name",), config["cluster_name"], f"write {cluster}, or change the policy and prepare again"
        role = str(at(statement, "Resource")).rpartition("role/")[2]
        for path, name in profiles if "iam:PassRole" in str(at(statement, "Action")) else ():
            if name and name != own and not fnmatch(name, role):
                yield path, name, f"write {role}, or change the policy and prepare again"


def _statements(file: FilePath) -> list[Any]:
    path = file.parent / POLICY if (file.parent / POLICY).is_file() else FILES / POLICY
    try:
        return at(json.loads(path.read_text(encoding="utf-8")), "Statement") or []
    except ValueError as error:
        raise StudyError(f"{path}: must be JSON, got {error}; correct it") from None


def _zone(config: Any) -> Found:
    region, zones = at(config, "provider", "region"), at(config, "provider", "availability_zone")
    if zones and not all(zone.strip().startswith(str(region)) for zone in str(zones).split(",")):
        yield ("provider", "availability_zone"), zones, f"give zones of {region}"


def _machines(config: Any) -> Found:
    seen: list[Any] = []
    for path, address in [*each(config, "provider", "head_ip"), *each(config, "provider", "worker_ips", "*")]:
        if address in seen:
            yield path, address, "give every machine once, and not the head as a worker"
        elif address is None or str(address).startswith(("127.", "localhost", "::1")):
            yield path, address, "give the address that the other machines use"
        seen.append(address)


RAY, CLOUDS, TYPES, NODE = "aws gcp local", "aws gcp", "available_node_types *", "available_node_types * node_config"
JOB = "spec rayClusterSpec"
IMAGES = [f"{JOB} {group} template spec containers * image" for group in ("headGroupSpec", "workerGroupSpecs *")]
AMI, SG = r"^ami-([0-9a-f]{8}|[0-9a-f]{17})$", r"^sg-([0-9a-f]{8}|[0-9a-f]{17})$"
RULES = (
    # who can reach the cluster, and with what
    Rule(RAY, "the dashboard must listen on 127.0.0.1", "it runs any code that it is sent", _never(
        "write --dashboard-host=127.0.0.1 and use `ray dashboard`",
        r"--dashboard-host[= ](?!127\.0\.0\.1\b|localhost\b|::1\b)\S*")),
    Rule(RAY, "nothing may be open to every address", "Ray runs any code that it is sent", _open_address),
    Rule(RAY, "the token must reach every machine", "Ray lets everybody in without it", _values(
        "add ~/.ray/auth_token: ~/.ray/auth_token", bool, "file_mounts ~/.ray/auth_token")),
    Rule(RAY, "the token must be readable by its owner alone", "it is the key to all machines", _values(
        "add: chmod 600 ~/.ray/auth_token", _like(r"chmod (0?600|go-\S*) ~/\.ray/auth_token"), "setup_commands")),
    Rule(RAY, "every machine must ask for the token", "a worker without this mode cannot join", _values(
        "add: echo 'export RAY_AUTH_MODE=token' >> ~/.bashrc",
        _like(r"export [^;&]*RAY_AUTH_MODE=token\b[^;&]*\.bashrc"), "setup_commands")),
    Rule(RAY, "no command may switch the token off", "Ray lets everybody in without it", _never(
        "write RAY_AUTH_MODE=token", r"RAY_AUTH_MODE=(?!token\b)\w*")),
    Rule(RAY, "no Ray Client port may be opened", "nothing here uses it", _never(
        "take it out and use `ray job submit`", r"--ray-client-server-port\S*")),
    Rule(f"{RAY} RayJob", "no keys may stand in the file", "files are shared, committed and synced", _secrets),
    Rule(RAY, "git's settings must not be synced", "the URL of a remote may hold a token", _values(
        'add "**/.git/config"', _like(r"\*\*/\.git(/config)?/?'"), "rsync_exclude")),
    Rule("aws", "every machine must be in a security group of yours", "Ray's own opens ssh to all", _values(
        "give the id of your own: sg- and 8 or 17 hexadecimal digits", _like(SG), f"{NODE} SecurityGroupIds *")),
    Rule("aws", "workers must not have the head's profile", "it starts and ends machines", _head_profile),
    Rule("aws", "IMDSv2 must be required", "version 1 gives the rights of the machine to any request", _values(
        "write HttpTokens: required", _like("^required$"), f"{NODE} MetadataOptions HttpTokens")),
    Rule("aws", "disks must be encrypted", "they hold code, data and the token", _values(
        "write Encrypted: true", bool, f"{NODE} BlockDeviceMappings * Ebs Encrypted")),
    Rule("gcp", "every machine must be in a network of yours", "the default one opens ssh to all", _values(
        "give a subnetwork of your own", _like("(?<!/default)$"), f"{NODE} networkInterfaces * subnetwork")),
    Rule("RayJob", "the token must be asked for", "Ray lets everybody in without it", _values(
        "write authOptions: {mode: token}", _like("^token$"), f"{JOB} authOptions mode")),
    Rule("RayJob", "the cluster must be reached from inside alone", "Ray runs any code that it is sent", _values(
        "write serviceType: ClusterIP", _like("^(None|ClusterIP)$"), f"{JOB} headGroupSpec serviceType")),
    Rule("RayJob", "images must be given by digest", "a retry must run the same code", _values(
        "end it with @sha256: and the digest that was pushed", _like(r"@sha256:[0-9a-f]{64}$"), *IMAGES)),
    # what it costs, and what may be lost
    Rule("aws", "disks must be deleted with their machine", "they cost until somebody finds them", _values(
        "write DeleteOnTermination: true", bool, f"{NODE} BlockDeviceMappings * Ebs DeleteOnTermination")),
    Rule(CLOUDS, "workers must start from none (min_workers 0)", "an idle cluster must cost little", _values(
        "write min_workers: 0", lambda value: not value, f"{TYPES} min_workers")),
    Rule(CLOUDS, "max_workers must be a bound that holds", "it bounds the cost", _bounds),
    Rule(CLOUDS, "idle machines must end within the hour", "they cost as much as busy ones", _values(
        "write idle_timeout_minutes: 10", lambda value: 0 < (value or 0) <= 60, "idle_timeout_minutes")),
    Rule(CLOUDS, "idle machines must end within the hour", "they cost as much as busy ones", _values(
        "write idle_timeout_s: 300", lambda value: value is None or 0 < value <= 3600, f"{TYPES} idle_timeout_s")),
    Rule(CLOUDS, "machines must be ended, not stopped", "the disks of stopped ones still cost", _values(
        "write cache_stopped_nodes: false", lambda value: value is False, "provider cache_stopped_nodes")),
    Rule(CLOUDS, "the head must be on demand", "it holds the driver", _spot_head),
    Rule("RayJob", "the entry point must run a study and keep its results", "pods lose their disks", _values(
        "write: ablate run STUDY --address auto --results s3://bucket/prefix",
        _like(r"\bablate run\b.*--address[= ]auto\b.*--results[= ](s3|gs|abfss?|hdfs)://"), "spec entrypoint")),
    Rule("RayJob", "every group must have a bound", "it bounds the cost", _values(
        "give 1 to 200", lambda value: 1 <= (value or 0) <= 200, f"{JOB} workerGroupSpecs * maxReplicas")),
    Rule("RayJob", "the head must be on demand", "it holds the driver", _values(
        "choose other nodes", _like("^(?!spot$)"), f"{JOB} headGroupSpec template spec nodeSelector *")),
    Rule(RAY, "the versions of constraints.txt must be installed", "others were not tested", _values(
        "run ~/soft-silhouette/deploy/install.sh", _like(r"deploy/install\.sh|constraints\.txt"), "setup_commands")),
    # values that only the user knows
    Rule("aws", "the region must be one of AWS", "`ray up` fails late", _values(
        "give one, such as eu-central-1", lambda value: value in aws_regions(), "provider region")),
    Rule(CLOUDS, "the zone must be in the region", "`ray up` fails late", _zone),
    Rule("aws", "the image must be given by its id", "Ray's own image is from 2022", _values(
        "give ami- and 8 or 17 hexadecimal digits", _like(AMI), f"{NODE} ImageId")),
    Rule("local", "head and workers must be different machines", "`ray stop` of one ends the other", _machines),
)  # fmt: skip
