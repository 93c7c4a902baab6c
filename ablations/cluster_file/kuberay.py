"""KubeRay: the fields of a RayJob, and our own rules for it.

The schema is ours: the field names and types of KubeRay's v1 API (RayJob, RayCluster), and of pods only what a Ray
pod needs to name. The published custom resource definition says the same in a megabyte, nearly all of it about pods.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ablations.cluster_file.network_policy import network_faults
from ablations.cluster_file.schemas import Schema, schema_faults
from ablations.cluster_file.secrets import no_secrets
from ablations.cluster_file.yaml_lines import Document, Fault, Path, at

Found = Iterator[tuple[Path, Any, str]]
CLUSTER: Path = ("spec", "rayClusterSpec")


def _object(required: tuple[str, ...] = (), **fields: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": fields, "required": list(required)}


TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
ANY: Schema = {"type": "object"}
WORDS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
LIST: Schema = {"type": "array"}
QUANTITIES: Schema = {"type": "object", "additionalProperties": {"type": ["string", "integer", "number"]}}


def _one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


CONTAINER = _object(
    ("name", "image"),
    name=TEXT, image=TEXT, imagePullPolicy=_one_of("Always", "IfNotPresent", "Never"), command=LIST, args=LIST,
    env=LIST, envFrom=LIST, ports=LIST, volumeMounts=LIST, workingDir=TEXT, securityContext=ANY, lifecycle=ANY,
    livenessProbe=ANY, readinessProbe=ANY, startupProbe=ANY,
    resources=_object(requests=QUANTITIES, limits=QUANTITIES, claims=LIST),
)  # fmt: skip
POD = _object(
    ("containers",),
    containers={"type": "array", "items": CONTAINER, "minItems": 1}, initContainers=LIST, volumes=LIST,
    tolerations=LIST, nodeSelector=WORDS, affinity=ANY, serviceAccountName=TEXT, securityContext=ANY,
    imagePullSecrets=LIST, priorityClassName=TEXT, runtimeClassName=TEXT, schedulerName=TEXT,
    terminationGracePeriodSeconds=COUNT, restartPolicy=TEXT, hostNetwork=FLAG, dnsPolicy=TEXT,
    automountServiceAccountToken=FLAG, topologySpreadConstraints=LIST,
)  # fmt: skip
TEMPLATE = _object(("spec",), metadata=ANY, spec=POD)
HEAD = _object(
    ("template",),
    rayStartParams=WORDS, template=TEMPLATE, labels=WORDS, resources=QUANTITIES, headService=ANY, enableIngress=FLAG,
    serviceType=_one_of("ClusterIP", "NodePort", "LoadBalancer"),
)  # fmt: skip
WORKERS = _object(
    ("groupName", "template", "minReplicas", "maxReplicas"),
    groupName=TEXT, rayStartParams=WORDS, template=TEMPLATE, labels=WORDS, resources=QUANTITIES, scaleStrategy=ANY,
    replicas=COUNT, minReplicas=COUNT, maxReplicas=COUNT, numOfHosts=COUNT, idleTimeoutSeconds=COUNT, suspend=FLAG,
)  # fmt: skip
RAY_CLUSTER = _object(
    ("headGroupSpec", "rayVersion"),
    rayVersion=TEXT, headGroupSpec=HEAD, workerGroupSpecs={"type": "array", "items": WORKERS, "minItems": 1},
    authOptions=_object(mode=_one_of("token", "disabled"), secretName=TEXT, enableK8sTokenAuth=FLAG),
    enableInTreeAutoscaling=FLAG, suspend=FLAG, managedBy=TEXT, headServiceAnnotations=WORDS, upgradeStrategy=ANY,
    gcsFaultToleranceOptions=ANY,
    autoscalerOptions=_object(
        version=_one_of("v1", "v2"), idleTimeoutSeconds=COUNT, resources=ANY, image=TEXT, imagePullPolicy=TEXT,
        env=LIST, envFrom=LIST, volumeMounts=LIST, securityContext=ANY,
        upscalingMode=_one_of("Default", "Aggressive", "Conservative"),
    ),
)  # fmt: skip
SCHEMA = _object(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion=_one_of("ray.io/v1"), kind=_one_of("RayJob"),
    metadata=_object(("name",), name=TEXT, namespace=TEXT, labels=WORDS, annotations=WORDS),
    spec=_object(
        ("entrypoint", "rayClusterSpec"),
        entrypoint=TEXT, rayClusterSpec=RAY_CLUSTER, shutdownAfterJobFinishes=FLAG, ttlSecondsAfterFinished=COUNT,
        backoffLimit=COUNT, activeDeadlineSeconds=COUNT, runtimeEnvYAML=TEXT, jobId=TEXT, metadata=WORDS, suspend=FLAG,
        submissionMode=_one_of("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"), managedBy=TEXT,
        submitterPodTemplate=TEMPLATE, submitterConfig=ANY, deletionStrategy=ANY, entrypointNumCpus={"type": "number"},
        entrypointNumGpus={"type": "number"}, entrypointResources=TEXT, preRunningDeadlineSeconds=COUNT,
    ),
)  # fmt: skip


def _fixed(*path: str, wanted: Any, todo: str) -> Any:
    def broken(job: Any) -> Found:
        if at(job, *CLUSTER, *path) != wanted:
            yield (*CLUSTER, *path), at(job, *CLUSTER, *path), todo

    return broken


def groups(job: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Path and settings of every worker group."""
    for index, group in enumerate(at(job, *CLUSTER, "workerGroupSpecs") or []):
        yield (*CLUSTER, "workerGroupSpecs", index), group


def _head_and_groups(job: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    yield (*CLUSTER, "headGroupSpec"), at(job, *CLUSTER, "headGroupSpec")
    yield from groups(job)


def _pods(job: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path, group in _head_and_groups(job):
        for index, container in enumerate(at(group, "template", "spec", "containers") or []):
            yield (*path, "template", "spec", "containers", index), container


def _from_none(job: Any) -> Found:
    for path, group in groups(job):
        for name in ("replicas", "minReplicas"):
            if group.get(name, 0) != 0:
                yield (*path, name), group[name], f"write {name}: 0"


def _bounded(job: Any) -> Found:
    for path, group in groups(job):
        if not 1 <= group["maxReplicas"] <= 200:
            yield (*path, "maxReplicas"), group["maxReplicas"], "give 1 to 200"


def _idle(job: Any) -> Found:
    options: Path = (*CLUSTER, "autoscalerOptions")
    places = [(options, at(job, *options) or {}, True), *((path, group, False) for path, group in groups(job))]
    for path, holder, needed in places:
        seconds = holder.get("idleTimeoutSeconds")
        if (seconds is None and needed) or (seconds is not None and not 0 < seconds <= 3600):
            yield (*path, "idleTimeoutSeconds"), seconds, "write idleTimeoutSeconds: 300"


def _labels(job: Any) -> Found:
    for path, group in groups(job):
        limits = at(group, "template", "spec", "containers", 0, "resources", "limits") or {}
        pool = "gpu" if any(name.endswith("/gpu") for name in limits) else "cpu"
        if at(group, "labels", "pool") != pool:
            yield (*path, "labels", "pool"), at(group, "labels", "pool"), f"write pool: {pool}"
        if at(group, "labels", "market") not in ("spot", "on-demand"):
            yield (*path, "labels", "market"), at(group, "labels", "market"), "write market: spot or on-demand"


def _head_on_demand(job: Any) -> Found:
    path: Path = (*CLUSTER, "headGroupSpec", "template", "spec", "nodeSelector")
    for name, value in (at(job, *path) or {}).items():
        if value == "spot" or (name.endswith("-spot") and value == "true"):
            yield (*path, name), value, "put the head on nodes that nobody takes back"


def _pinned(job: Any) -> Found:
    for path, container in _pods(job):
        if not re.search(r"@sha256:[0-9a-f]{64}$", container["image"]):
            yield (*path, "image"), container["image"], "end it with @sha256: and the digest that was pushed"


def _own_user(job: Any) -> Found:
    for path, container in _pods(job):
        for name, wanted in (("runAsNonRoot", True), ("allowPrivilegeEscalation", False)):
            found = at(container, "securityContext", name)
            if found is not wanted:
                yield (*path, "securityContext", name), found, f"write {name}: {str(wanted).lower()}"


def _usage(job: Any) -> Found:
    for path, container in _pods(job):
        if {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} not in container.get("env", []):
            yield (*path, "env"), None, 'add {name: RAY_USAGE_STATS_ENABLED, value: "0"}'


def _inside(job: Any) -> Found:
    head: Path = (*CLUSTER, "headGroupSpec")
    if at(job, *head, "enableIngress"):
        yield (*head, "enableIngress"), True, "take it out and use `kubectl port-forward`"
    if at(job, *head, "serviceType") not in (None, "ClusterIP"):
        yield (*head, "serviceType"), at(job, *head, "serviceType"), "write serviceType: ClusterIP"


def _entrypoint(job: Any) -> Found:
    text = job["spec"]["entrypoint"]
    if not re.search(r"\bablate run\b.*--address[= ]auto\b", text):
        yield ("spec", "entrypoint"), text, "write: ablate run STUDY --address auto --results URI"
    elif not re.search(r"--results[= ](?:s3|gs|abfss?|hdfs)://", text):
        yield ("spec", "entrypoint"), text, "add --results s3://bucket/prefix: pods lose their disks"


def _ended(job: Any) -> Found:
    if at(job, "spec", "shutdownAfterJobFinishes") is not True:
        got = at(job, "spec", "shutdownAfterJobFinishes")
        yield ("spec", "shutdownAfterJobFinishes"), got, "write shutdownAfterJobFinishes: true"


def _version(job: Any) -> Found:
    import ray

    told = at(job, *CLUSTER, "rayVersion")
    if told != ray.__version__:
        yield (*CLUSTER, "rayVersion"), told, f"write {ray.__version__}, the version of constraints.txt"


RULES = (
    ("the token must be asked for", "without it Ray lets everybody in",
     _fixed("authOptions", "mode", wanted="token", todo="write authOptions: {mode: token}")),
    ("the cluster must be reached from inside alone", "Ray runs anybody's code", _inside),
    ("no keys may stand in the file", "files are shared and committed", no_secrets),
    ("pods must run as a user of their own", "a way out of the pod must not be root", _own_user),
    ("usage statistics must be off", "nothing leaves without being asked for", _usage),
    ("images must be given by digest", "a retry must run the same code", _pinned),
    ("Ray's version must be the installed one", "KubeRay chooses commands by it", _version),
    ("the entry point must run a study and keep its results", "a pod's disk goes with it", _entrypoint),
    ("the cluster must end with its study", "an idle cluster costs as much as a busy one", _ended),
    ("the autoscaler must be on", "else workers never start",
     _fixed("enableInTreeAutoscaling", wanted=True, todo="write enableInTreeAutoscaling: true")),
    ("the autoscaler must be version 2", "idle time-outs of groups need it",
     _fixed("autoscalerOptions", "version", wanted="v2", todo="write version: v2")),
    ("workers must start from none", "an idle cluster must cost little", _from_none),
    ("every group must have a bound", "it is the bound on costs", _bounded),
    ("idle pods must go within the hour", "they cost as much as busy ones", _idle),
    ("the head must run no trial", "a full head slows all others down",
     _fixed("headGroupSpec", "rayStartParams", "num-cpus", wanted="0", todo='write num-cpus: "0"')),
    ("the head must be on demand", "it holds the driver", _head_on_demand),
    ("labels must name pool and market, and truly", "trials choose machines by them", _labels),
)  # fmt: skip


def kuberay_faults(documents: list[Document]) -> Iterator[Fault]:
    """What a file with a RayJob has against the schema and the rules."""
    job = next(one for one in documents if at(one.value, "kind") == "RayJob")
    faults = list(schema_faults(SCHEMA, job.value, job))
    yield from faults
    if faults:
        return
    yield from network_faults(job, documents, [group["template"] for _, group in _head_and_groups(job.value)])
    unfilled = {path for path, _, _ in job.placeholders}
    marks = [text for _, _, text in job.placeholders]
    for must, why, broken in RULES:
        for path, got, todo in broken(job.value):
            if path not in unfilled and got not in marks:
                yield job.fault(path, f"{must} ({why})", got, todo)
