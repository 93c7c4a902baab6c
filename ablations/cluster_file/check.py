"""What is left to fill in and what is wrong in a cluster file: `ablate cluster check`.

Offline and without credentials, in this order: YAML and values that are not filled in yet; Ray's schema; EC2's
parameters; our rules; the comparison with the shipped template. A step that finds a fault ends the check, since later
ones could misread the file.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path as FilePath

from ablations.cluster_file.yaml_lines import Document, Fault, FileFault, read
from ablations.errors import StudyError
from ablations.nested import Got, at, dotted

MODULES = {"ray": "Ray", "jsonschema": "jsonschema", "aiohttp_cors": "ray[default], for `ray up` and the dashboard"}
"""What every check needs, and what `ray up` will need."""
PROVIDERS: dict[str, dict[str, str]] = {
    "aws": {"boto3": "boto3"},
    "gcp": {"googleapiclient": "google-api-python-client"},
    "local": {},
}


def check(files: list[str], *, own: bool = False) -> int:
    """Print every fault of every file, or that a file has none; return 2 if there are faults, else 0.

    Files may differ from the shipped ones if they are the user's `own`.
    """
    clean = True
    for name in files:
        faults = sorted(_unique(faults_of(name, own)), key=lambda fault: fault.line or 0)
        for fault in faults:
            print(fault.text(name))
        if not faults:
            print(f"{name}: nothing to fill in, nothing wrong")
        clean = clean and not faults
    return 0 if clean else 2


def faults_of(name: str, own: bool) -> Iterator[Fault]:
    """The faults of one file."""
    try:
        documents = [one for one in read(name) if one.value is not None]
    except FileFault as error:
        yield error.fault
        return
    early = [fault for one in documents for fault in _duplicates(one)] or list(_shape(documents))
    yield from early
    if early:
        return
    document = next((one for one in documents if at(one.value, "kind") == "RayJob"), documents[0])
    kind = at(document.value, "provider", "type") or "RayJob"
    _need({**MODULES, **PROVIDERS.get(kind, {})})
    for one in documents:
        yield from _unfilled(one)
    for step in _steps(documents, document, kind, name, own):
        faults = list(step)
        yield from faults
        if faults:
            return


def _steps(documents: list[Document], document: Document, kind: str, name: str, own: bool) -> Iterator[Iterable[Fault]]:
    from ablations.cluster_file.rules import rule_faults
    from ablations.cluster_file.schemas import ec2_faults, ray_faults
    from ablations.cluster_file.template import template_faults

    if kind != "RayJob":
        yield ray_faults(document)
    if kind == "aws":
        yield ec2_faults(document)
    yield rule_faults(document, kind, FilePath(name))
    if not own:
        yield template_faults(documents, kind)


def _shape(documents: list[Document]) -> Iterator[Fault]:
    """Whether this is a cluster file at all."""
    value = documents[0].value if documents else None
    if not isinstance(value, dict):
        yield Fault(1, "the file", "must be a mapping", type(value).__name__, "give a cluster file")
    elif "apiVersion" in value:
        if not any(at(one.value, "kind") == "RayJob" for one in documents):
            yield documents[0].fault(("kind",), "must be RayJob", at(value, "kind"), "give a RayJob")
    elif len(documents) > 1:
        got = Got(f"{len(documents)} documents")
        yield documents[0].fault((), "must be one YAML document", got, "take out the lines of three dashes")
    elif not isinstance(at(value, "provider"), dict):
        yield documents[0].fault(("provider",), "must be a mapping", at(value, "provider"), "add provider: {type: aws}")
    elif at(value, "provider", "type") not in list(PROVIDERS):
        kind = at(value, "provider", "type")
        yield documents[0].fault(("provider", "type"), "must be aws, gcp or local", kind, "take one of them")


def _duplicates(document: Document) -> Iterator[Fault]:
    for path, line in document.duplicates:
        yield Fault(line, dotted(path), "must be given once (YAML takes the last)", "a second one", "take one out")


def _unfilled(document: Document) -> Iterator[Fault]:
    for path, line, text in document.placeholders:
        note = document.source[line - 1].partition("  # ")[2].strip()
        todo = f"put there: {note}" if note else "put your own there"
        yield Fault(line, dotted(path), "must be filled in", text, todo)


def _unique(faults: Iterator[Fault]) -> list[Fault]:
    """Each fault once: a value that four node types share is wrong in one place."""
    return list({(fault.line, fault.rule, fault.got): fault for fault in reversed(list(faults))}.values())[::-1]


def _need(modules: dict[str, str]) -> None:
    for module, package in modules.items():
        try:
            importlib.import_module(module)
        except ImportError:
            raise StudyError(
                f"cluster check: {package} is not installed; pip install -c constraints.txt -e '.[cluster]'"
                " in a checkout, else 'WHEEL[cluster]'"
            ) from None
