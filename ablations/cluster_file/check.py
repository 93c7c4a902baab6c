"""What is left to fill in and what is wrong in a cluster file: `ablate cluster check`.

Offline and without credentials. Four looks, where the later ones wait until the earlier ones find nothing that would
mislead them: YAML (syntax, keys given twice) and values still to be filled in; Ray's schema and own check; EC2's
parameters, Google's discovery document or, for KubeRay, a schema of ours; our own rules.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from ablations.cluster_file.yaml_lines import Document, Fault, FileFault, at, dotted, read
from ablations.errors import StudyError

MODULES = {"ray": "Ray", "jsonschema": "jsonschema", "aiohttp_cors": "ray[default], for `ray up` and the dashboard"}
"""What every check needs; and what `ray up` will, which had better be said now."""
PROVIDER_MODULES = {"aws": {"boto3": "boto3"}, "gcp": {"googleapiclient": "google-api-python-client"}}
PROVIDERS = ("aws", "gcp", "local")


def check(files: list[str]) -> int:
    """Print every fault of every file, or that a file is clean.

    Returns:
        0 all are clean, 2 some are not.
    """
    clean = True
    for name in files:
        faults = sorted(unique(faults_of(name)), key=lambda fault: fault.line or 0)
        for fault in faults:
            print(fault.text(name))
        if not faults:
            print(f"{name}: nothing to fill in, nothing wrong")
        clean = clean and not faults
    return 0 if clean else 2


def faults_of(name: str) -> Iterator[Fault]:
    """What is wrong in one file."""
    try:
        documents = [one for one in read(name) if one.value is not None]
    except FileFault as error:
        yield error.fault
        return
    early = [fault for one in documents for fault in _duplicates(one)] or list(_shape(documents))
    yield from early
    if early:
        return
    for one in documents:
        yield from _unfilled(one)
    if any(at(one.value, "kind") == "RayJob" for one in documents):
        _need({})
        from ablations.cluster_file.kuberay import kuberay_faults

        yield from kuberay_faults(documents)
    else:
        yield from _ray_faults(documents[0])


def _shape(documents: list[Document]) -> Iterator[Fault]:
    """Whether this is a cluster file at all."""
    value = documents[0].value if documents else None
    if not isinstance(value, dict):
        yield Fault(1, "the file", "must be a mapping", type(value).__name__, "give a cluster file")
    elif at(value, "apiVersion") is not None:
        if not any(at(one.value, "kind") == "RayJob" for one in documents):
            yield documents[0].fault(("kind",), "must be RayJob", at(value, "kind"), "give a RayJob")
    elif len(documents) > 1:
        got = f"{len(documents)} documents"
        yield Fault(1, "the file", "must be one YAML document", got, "take out the lines of three dashes")
    elif not isinstance(at(value, "provider"), dict):
        yield documents[0].fault(("provider",), "must be a mapping", at(value, "provider"), "add provider: {type: aws}")
    elif at(value, "provider", "type") not in PROVIDERS:
        rule, todo = "must be aws, gcp or local", "take one of them"
        yield documents[0].fault(("provider", "type"), rule, at(value, "provider", "type"), todo)


def _duplicates(document: Document) -> Iterator[Fault]:
    for path, line in document.duplicates:
        yield Fault(line, dotted(path), "must be given once (YAML takes the last)", "a second one", "take one out")


def _unfilled(document: Document) -> Iterator[Fault]:
    for path, line, text in document.placeholders:
        note = document.comment(line)
        yield Fault(
            line, dotted(path), "must be filled in", text, f"put there: {note}" if note else "put your own there"
        )


def _ray_faults(document: Document) -> Iterator[Fault]:
    provider = document.value["provider"]["type"]
    _need(PROVIDER_MODULES.get(provider, {}))
    from ablations.cluster_file.rules import rule_faults
    from ablations.cluster_file.schemas import ec2_schema, gcp_schema, ray_faults, schema_faults

    faults = list(ray_faults(document))
    yield from faults
    if faults:
        return
    schema = {"aws": ec2_schema, "gcp": gcp_schema}.get(provider)
    if schema:
        for name, settings in document.value.get("available_node_types", {}).items():
            base = ("available_node_types", name, "node_config")
            faults += schema_faults(schema(), settings["node_config"], document, base)
    yield from faults
    if not faults:  # of a file that EC2 would refuse the rules could misread what is there
        yield from rule_faults(document, provider)


def unique(faults: Iterator[Fault]) -> list[Fault]:
    """Each fault once: a value that four machine types share is wrong in one place."""
    seen: dict[tuple[int | None, str, str], Fault] = {}
    for fault in faults:
        seen.setdefault((fault.line, fault.rule, fault.got), fault)
    return list(seen.values())


def _need(more: dict[str, str]) -> None:
    for module, package in {**MODULES, **more}.items():
        try:
            importlib.import_module(module)
        except ImportError:
            raise StudyError(
                f"cluster check: needs {package}, which is not installed; "
                "pip install -c constraints.txt -e '.[cluster]'"
            ) from None
