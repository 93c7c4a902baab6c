"""What is left to fill in and what is wrong in a cluster file: `ablate cluster check`.

Offline and without credentials, in this order: YAML and values that are not filled in yet; Ray's schema; EC2's
parameters; our rules; the comparison with the shipped template. A step that finds a fault ends the check, since later
ones could misread the file. What needs a package of the extra `cluster` is left out where it is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath

from ablations.cluster_file.document import Document, Fault, FileFault, Got, at, read
from ablations.cluster_file.rules import rule_faults
from ablations.cluster_file.schemas import ec2_faults, installed, ray_faults
from ablations.cluster_file.template import template_faults

PROVIDERS = {"aws": ("boto3", "botocore"), "gcp": ("googleapiclient",), "local": ()}
"""What `ray up` imports for each provider."""
CHECKERS = {"jsonschema", "botocore"}  # what the check itself imports


def check(files: list[str], *, own: bool = False) -> int:
    """Print every fault of every file, or that a file has none; return 2 if there are faults, else 0.

    Files may differ from the shipped ones if they are the user's `own`.
    """
    clean, missing = True, dict[str, None]()
    for name in files:
        faults = sorted(dict.fromkeys(faults_of(name, own, missing)), key=lambda fault: fault.line or 0)
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
        documents = read(name)
        document, kind = _cluster(documents)
    except FileFault as error:
        yield error.args[0]
        return
    needed = ("jsonschema", "aiohttp_cors", *PROVIDERS[kind]) if kind in PROVIDERS else ()
    missing.update(dict.fromkeys(module for module in needed if not installed(module)))
    for one in documents:
        yield from _unfilled(one)
    steps = (
        ray_faults(document) if kind != "RayJob" else (),
        ec2_faults(document) if kind == "aws" else (),
        rule_faults(document, kind, FilePath(name)),
        template_faults(documents, kind) if not own else (),
    )
    for step in steps:
        if faults := list(step):
            yield from faults
            return


def _cluster(documents: list[Document]) -> tuple[Document, str]:
    """The document that describes the cluster, and its kind; raises FileFault if this is no cluster file."""
    value = documents[0].value if documents else None
    provider, kind = at(value, "provider"), at(value, "provider", "type")
    if not isinstance(value, dict):
        fault = Fault(1, "the file", "must be a mapping", type(value).__name__, "give a cluster file")
    elif "apiVersion" in value:
        if jobs := [one for one in documents if at(one.value, "kind") == "RayJob"]:
            return jobs[0], "RayJob"
        fault = documents[0].fault(("kind",), "must be RayJob", at(value, "kind"), "give a RayJob")
    elif len(documents) > 1:
        got = Got(f"{len(documents)} documents")
        fault = documents[0].fault((), "must be one YAML document", got, "take out the lines of three dashes")
    elif not isinstance(provider, dict):
        fault = documents[0].fault(("provider",), "must be a mapping", provider, "add provider: {type: aws}")
    elif kind not in list(PROVIDERS):
        fault = documents[0].fault(("provider", "type"), "must be aws, gcp or local", kind, "take one of them")
    else:
        return documents[0], kind
    raise FileFault(fault)


def _unfilled(document: Document) -> Iterator[Fault]:
    for path, text in document.placeholders.items():
        note = document.source[document.line(path) - 1].partition("  # ")[2].strip()
        todo = f"put there: {note}" if note else "put your own there"
        yield document.fault(path, "must be filled in", Got(text), todo)
