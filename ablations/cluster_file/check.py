"""What is left to fill in and what is wrong in a cluster file: `ablate cluster check`.

Offline and without credentials, in this order: YAML and values that are not filled in yet; Ray's schema; EC2's
parameters; our rules; the comparison with the shipped template. A step that finds a fault ends the check, since later
ones could misread the file. What needs a package of the extra `cluster` is left out where it is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path as FilePath

from ablations.cluster_file.nested import Got, at, dotted
from ablations.cluster_file.rules import rule_faults
from ablations.cluster_file.schemas import ec2_faults, installed, ray_faults
from ablations.cluster_file.template import template_faults
from ablations.cluster_file.yaml_lines import Document, Fault, FileFault, read

PROVIDERS = {"aws": ("boto3", "botocore"), "gcp": ("googleapiclient",), "local": ()}
"""What `ray up` imports for each provider."""
CHECKERS = {"jsonschema", "botocore"}
"""What the check itself imports."""


def check(files: list[str], *, own: bool = False) -> int:
    """Print every fault of every file, or that a file has none; return 2 if there are faults, else 0.

    Files may differ from the shipped ones if they are the user's `own`.
    """
    clean, missing = True, dict[str, None]()
    for name in files:
        faults = sorted(_unique(faults_of(name, own, missing)), key=lambda fault: fault.line or 0)
        for fault in faults:
            print(fault.text(name))
        if not faults:
            print(f"{name}: nothing to fill in, nothing wrong{' (not compared with the shipped file)' if own else ''}")
        clean = clean and not faults
    if missing:
        skipped = "Ray's schema or EC2's parameters are not checked, and " if set(missing) & CHECKERS else ""
        todo = "pip install 'soft-silhouette-ablations[cluster]'"
        print(f"note: {', '.join(missing)} cannot be imported: {skipped}`ray up` cannot run; {todo}")
    return 0 if clean else 2


def faults_of(name: str, own: bool, missing: dict[str, None]) -> Iterator[Fault]:
    """The faults of one file; adds the modules that are `missing`."""
    try:
        documents = [one for one in read(name) if one.value is not None]
    except FileFault as error:
        yield error.args[0]
        return
    early = [fault for one in documents for fault in one.duplicates] or list(_shape(documents))
    yield from early
    if early:
        return
    document = next((one for one in documents if at(one.value, "kind") == "RayJob"), documents[0])
    kind = at(document.value, "provider", "type") or "RayJob"
    needed = ("jsonschema", "aiohttp_cors", *PROVIDERS[kind]) if kind in PROVIDERS else ()
    missing.update(dict.fromkeys(module for module in needed if not installed(module)))
    for one in documents:
        yield from _unfilled(one)
    for step in _steps(documents, document, kind, FilePath(name), own):
        faults = list(step)
        yield from faults
        if faults:
            return


def _steps(
    documents: list[Document], document: Document, kind: str, file: FilePath, own: bool
) -> Iterator[Iterable[Fault]]:
    if kind != "RayJob":
        yield ray_faults(document)
    if kind == "aws":
        yield ec2_faults(document)
    yield rule_faults(document, kind, file)
    if not own:
        yield template_faults(documents, kind)


def _shape(documents: list[Document]) -> Iterator[Fault]:
    """Whether this is a cluster file at all."""
    value = documents[0].value if documents else None
    kind = at(value, "provider", "type")
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
    elif kind not in list(PROVIDERS):
        yield documents[0].fault(("provider", "type"), "must be aws, gcp or local", kind, "take one of them")


def _unfilled(document: Document) -> Iterator[Fault]:
    for path, line, text in document.placeholders:
        note = document.source[line - 1].partition("  # ")[2].strip()
        yield Fault(
            line, dotted(path), "must be filled in", text, f"put {f'there: {note}' if note else 'your own there'}"
        )


def _unique(faults: Iterator[Fault]) -> list[Fault]:
    """Each fault once: a value that four node types share is wrong in one place."""
    return list({(fault.line, fault.rule, fault.got): fault for fault in reversed(list(faults))}.values())[::-1]
