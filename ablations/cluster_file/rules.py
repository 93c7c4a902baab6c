"""Our own rules for cluster files: what security and cost need, and what the user's own values must be.

The comparison with the shipped template covers the rest. A value that is not filled in yet breaks no rule. Values may
be of any kind here: the step that checks kinds needs a package that may be missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from ablations.cluster_file.document import Document, Fault, Got, Path, at, each, scalars
from ablations.errors import StudyError
from ablations.templates import FILES

Found = Iterator[tuple[Path, Any, str]]
"""Path and value of what breaks a rule, and what to do."""
Check = Callable[[Any], Found]
POLICY = "deploy/aws/head.json"  # what the head may do: the file beside the cluster file, else the shipped one
SECRET = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bgh[pousr]_[A-Za-z0-9]{20,}|\bhf_[A-Za-z]{20,}"
    r"|(?i:secret_access_key|session_token|password|api_key)\s*[=:]\s*\S|\bsk-[A-Za-z0-9_-]{20,}"
)
SECRET_NAME = re.compile(r"(?i)(secret|password|access_key|session_token|(?<!ssh_)private_key|api_?key|_credentials)$")
OPEN = (
    r"0\.0\.0\.0|(?<![\w:])::(?:/0)?(?![\w:])|--ray-client-server-port\S*"
    r"|--dashboard-host[= ](?!127\.0\.0\.1\b|localhost\b|::1\b)\S*"
)
"""All addresses, the Ray Client port, and a dashboard that other machines reach."""


class Rule(NamedTuple):
    """What must hold and why, with checks, each for some kinds of file: aws, gcp, local, RayJob."""

    must: str
    why: str
    checks: tuple[tuple[str, Check], ...]


def rule_faults(document: Document, kind: str, file: FilePath) -> Iterator[Fault]:
    """What breaks a rule, in a file of kind aws, gcp, local or RayJob; the head's policy is looked for beside it."""
    unfilled = document.placeholders
    for rule in (*RULES, Rule(*POLICY_RULE, (("aws", lambda config: _policy(config, file)),))):
        for check in (check for kinds, check in rule.checks if kind in kinds.split()):
            for path, got, todo in check(document.value):
                if path not in unfilled and got not in unfilled.values():
                    yield document.fault(path, f"{rule.must} ({rule.why})", got, todo)


def _number(least: float, most: float) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and least <= value <= most


def _at(path: str, good: str | Callable[[Any], object], todo: str) -> Check:
    """Check each value at a path: `*` is every key or index, None is a value that is not there."""
    holds = (lambda value: re.search(good, str(value))) if isinstance(good, str) else good
    return lambda config: ((at_path, value, todo) for at_path, value in each(config, *path.split()) if not holds(value))


def _never(pattern: str, todo: str) -> Check:
    """Check that no value matches a pattern."""
    return lambda config: (
        (path, Got(found[0]), todo) for path, text in scalars(config) if (found := re.search(pattern, str(text)))
    )


def _secrets(config: Any) -> Found:
    for path, value in scalars(config):
        named = any(SECRET_NAME.search(str(key)) for key in path)
        if isinstance(value, str) and value and (named or SECRET.search(value)):
            todo = "take it out and revoke it; machines get their rights from their profile or account"
            yield path, Got(f"{value[:4]}…"), todo


def _bounds(config: Any) -> Found:
    most, types = at(config, "max_workers"), each(config, "available_node_types", "*", "max_workers")
    own = {path: bound for path, bound in types if path[1] != at(config, "head_node_type")}
    if not _number(1, 200)(most):
        yield ("max_workers",), most, "give the most machines at a time, 1 to 200"
    elif wrong := {path: bound for path, bound in own.items() if not _number(0, most)(bound)}:
        yield from ((path, bound, f"give the most machines of this type, 0 to {most}") for path, bound in wrong.items())
    elif most > (total := sum(own.values())):
        yield ("max_workers",), Got(f"{most}, the worker types together {total}"), f"give {total} or fewer"


def _spot_head(config: Any) -> Found:
    node: Path = ("available_node_types", at(config, "head_node_type"), "node_config")
    for key in ("InstanceMarketOptions", "scheduling"):
        if any(value in ("spot", "SPOT", True) for _, value in scalars(at(config, *node, key))):
            yield (*node, key), Got("spot"), f"take {key} out"


def _scopes(config: Any) -> Found:
    scopes = each(config, "available_node_types", "*", "node_config", "serviceAccounts", "*", "scopes", "*")
    for path, scope in scopes:
        if path[1] != at(config, "head_node_type") and str(scope).endswith("/cloud-platform"):
            yield path, scope, "give those that workers need, as .../auth/devstorage.read_write"


def _policy(config: Any, file: FilePath) -> Found:
    clusters, roles = _policy_names(file.parent / POLICY if (file.parent / POLICY).is_file() else FILES / POLICY)
    head, todo = at(config, "head_node_type"), "or change the policy and prepare again"
    of_head = at(config, "available_node_types", head, "node_config", "IamInstanceProfile", "Name")
    if clusters and at(config, "cluster_name") not in clusters:
        yield ("cluster_name",), at(config, "cluster_name"), f"write {' or '.join(clusters)}, {todo}"
    for path, name in each(config, "available_node_types", "*", "node_config", "IamInstanceProfile", "Name"):
        wrong = roles and not any(fnmatch(str(name), role) for role in roles)
        if name and path[1] != head and (wrong or name == of_head):
            yield path, name, f"write {' or '.join(roles) or 'a profile for workers alone'}, {todo}"


def _policy_names(path: FilePath) -> tuple[list[str], list[str]]:
    """The names of clusters, and of roles for workers, that a policy allows."""
    try:
        values = [*scalars(json.loads(path.read_text(encoding="utf-8")))]
    except ValueError as error:
        raise StudyError(f"{path}: must be JSON, got {error}; correct it") from None
    clusters = {str(value) for place, value in values if place[-1:] == ("aws:ResourceTag/ray-cluster-name",)}
    roles = {str(value).partition(":role/")[2] for _, value in values if ":role/" in str(value)}
    return sorted(clusters), sorted(roles)


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


POLICY_RULE = (f"{POLICY} must name it", "the head has no other rights, and workers have fewer")
RAY, CLOUDS, TYPES, NODE = "aws gcp local", "aws gcp", "available_node_types *", "available_node_types * node_config"
EBS, JOB, HEAD = f"{NODE} BlockDeviceMappings * Ebs", "spec rayClusterSpec", "spec rayClusterSpec headGroupSpec"
WORKER, USER = f"{JOB} workerGroupSpecs *", "template spec containers * securityContext"
AMI, SG = r"^ami-([0-9a-f]{8}|[0-9a-f]{17})$", r"^sg-([0-9a-f]{8}|[0-9a-f]{17})$"
DIGEST, BY_DIGEST = r"@sha256:[0-9a-f]{64}$", "end it with @sha256: and the digest that was pushed"
STUDY = r"\bablate run\b.*--address[= ]auto\b.*--results[= ](s3|gs|abfss?|hdfs)://"
RULES = (
    # who can reach the cluster, and with what
    Rule("nothing may be open to other machines", "Ray runs any code that it is sent", (
        (RAY, _never(OPEN, "take it out, or give 127.0.0.1, and use `ray dashboard` and `ray job submit`")),
        ("RayJob", _at(f"{HEAD} serviceType", "^(None|ClusterIP)$", "write serviceType: ClusterIP")))),
    Rule("authentication must be on", "Ray accepts everybody without it", (
        (RAY, _at("file_mounts ~/.ray/auth_token", bool, "add ~/.ray/auth_token: ~/.ray/auth_token")),
        (RAY, _at("setup_commands", r"export [^;&]*RAY_AUTH_MODE=token\b[^;&]*\.bashrc",
                  "add: echo 'export RAY_AUTH_MODE=token' >> ~/.bashrc")),
        (RAY, _never(r"RAY_AUTH_MODE=(?!token\b)\w*", "write RAY_AUTH_MODE=token")),
        ("RayJob", _at(f"{JOB} authOptions mode", "^token$", "write authOptions: {mode: token}")))),
    Rule("the token must be readable by its owner alone", "it is the key to all machines", (
        (RAY, _at("setup_commands", r"chmod (0?600|go-\S*) ~/\.ray/auth_token", "add: chmod 600 ~/.ray/auth_token")),)),
    Rule("the file must not contain keys", "files are shared, committed and synced", ((f"{RAY} RayJob", _secrets),)),
    Rule("git's settings must not be synced", "the URL of a remote may hold a token", (
        (RAY, _at("rsync_exclude", r"\*\*/\.git(/config)?/?'", 'add "**/.git/config"')),)),
    Rule("every machine must be in a network of yours", "the default one opens ssh to all", (
        ("aws", _at(f"{NODE} SecurityGroupIds *", SG, "give a group of your own: sg- and 8 or 17 hexadecimal digits")),
        ("gcp", _at(f"{NODE} networkInterfaces * subnetwork", "(?<!/default)$", "give a subnetwork of your own")))),
    Rule("workers must not have all rights of their account", "every trial would have them", (("gcp", _scopes),)),
    Rule("IMDSv2 must be required", "version 1 gives the rights of the machine to any request", (
        ("aws", _at(f"{NODE} MetadataOptions HttpTokens", "^required$", "write HttpTokens: required")),)),
    Rule("disks must be encrypted and deleted with their machine", "they hold the token, and cost while they exist", (
        ("aws", _at(f"{EBS} Encrypted", "^True$", "write Encrypted: true")),
        ("aws", _at(f"{EBS} DeleteOnTermination", "^True$", "write DeleteOnTermination: true")),
        ("gcp", _at(f"{NODE} disks * autoDelete", "^True$", "write autoDelete: true")))),
    Rule("containers must run as an own user without more rights", "a way out of a container is a way into its node", (
        ("RayJob", _at(f"{HEAD} {USER} runAsNonRoot", "^True$", "write runAsNonRoot: true")),
        ("RayJob", _at(f"{WORKER} {USER} runAsNonRoot", "^True$", "write runAsNonRoot: true")),
        ("RayJob", _at(f"{HEAD} {USER} allowPrivilegeEscalation", "^False$", "write false")),
        ("RayJob", _at(f"{WORKER} {USER} allowPrivilegeEscalation", "^False$", "write false")))),
    # what it costs, and what may be lost
    Rule("idle machines must be terminated", "they cost as much as busy ones", (
        (CLOUDS, _at(f"{TYPES} min_workers", "^(None|0)$", "write min_workers: 0")),
        (CLOUDS, _at("idle_timeout_minutes", _number(0.1, 60), "write idle_timeout_minutes: 10")),
        (CLOUDS, _at(f"{TYPES} idle_timeout_s", lambda value: value is None or _number(1, 3600)(value),
                     "write idle_timeout_s: 300")),
        (CLOUDS, _at("provider cache_stopped_nodes", "^False$", "write cache_stopped_nodes: false")),
        ("RayJob", _at(f"{WORKER} minReplicas", "^(None|0)$", "write minReplicas: 0")),
        ("RayJob", _at("spec shutdownAfterJobFinishes", "^True$", "write shutdownAfterJobFinishes: true")))),
    Rule("max_workers must limit the number of workers", "it bounds the cost", (
        (CLOUDS, _bounds),
        ("RayJob", _at(f"{WORKER} maxReplicas", _number(1, 200), "give 1 to 200")))),
    Rule("the head must not be a spot machine", "it holds the driver", (
        (CLOUDS, _spot_head),
        ("RayJob", _at(f"{HEAD} template spec nodeSelector *", "^(?!spot$)", "choose other nodes")))),
    Rule("the entry point must run a study and keep its results", "cost and data loss", (
        ("RayJob", _at("spec entrypoint", STUDY,
                       "write: ablate run STUDY --address auto --results s3://bucket/prefix")),)),
    # values that only the user knows
    Rule("the versions of constraints.txt must be installed", "others were not tested", (
        (RAY, _at("setup_commands", r"deploy/install\.sh|constraints\.txt", "run deploy/install.sh there")),)),
    Rule("the image must be given by id or digest", "a name may mean another image later", (
        ("aws", _at(f"{NODE} ImageId", AMI, "give ami- and 8 or 17 hexadecimal digits")),
        ("RayJob", _at(f"{HEAD} template spec containers * image", DIGEST, BY_DIGEST)),
        ("RayJob", _at(f"{WORKER} template spec containers * image", DIGEST, BY_DIGEST)))),
    Rule("the zone must be in the region", "else `ray up` fails late", ((CLOUDS, _zone),)),
    Rule("head and workers must be different machines", "`ray stop` of one ends the other", (("local", _machines),)),
)  # fmt: skip
