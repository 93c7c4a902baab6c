"""The published models of cluster files: Ray's schema, EC2's parameter model, Google's discovery document.

All three become JSON Schema, so one reader turns what they find into messages. None of them needs network or
credentials: Ray's schema comes with Ray, EC2's model with botocore, Google's with google-api-python-client.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import json
import logging
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

from ablations.cluster_file.yaml_lines import Document, Fault, Got, Path

Schema = dict[str, Any]
EC2_TYPES = {
    "integer": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "boolean": "boolean",
    "timestamp": "string",
    "blob": "string",
    "string": "string",
}
WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
}


def schema_faults(schema: Schema, value: Any, document: Document, base: Path = ()) -> Iterator[Fault]:
    """What a value has against a schema, each with its line.

    Args:
        schema: JSON Schema, draft 7.
        value: What is checked.
        document: Where the value stands.
        base: Its path there.
    """
    from jsonschema import Draft7Validator

    for error in Draft7Validator(schema).iter_errors(value):
        yield from _explain(error, document, base)


def _explain(error: Any, document: Document, base: Path) -> Iterator[Fault]:
    path = (*base, *error.absolute_path)
    rule, got = error.validator, error.instance
    if rule == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        for key in sorted(set(got) - set(known)):
            todo = _did_you_mean(key, known) or "take it out"
            yield document.key_fault((*path, key), "must be a known field", key, todo)
    elif rule == "required":
        for key in error.validator_value:
            if key not in got and not _misspelt(key, error):
                yield document.fault((*path, key), "must be given", None, f"add {key}")
    elif rule == "type":
        kinds = [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
        words = " or ".join(WORDS[kind] for kind in kinds)
        yield document.fault(path, f"must be {words}", got, "give a value of that kind")
    elif rule == "enum":
        known = [str(one) for one in error.validator_value]
        listed = ", ".join(known) if len(known) <= 8 else f"one of {len(known)} known values"
        todo = _did_you_mean(str(got), known) or "take one of them"
        yield document.fault(path, f"must be {listed}", got, todo)
    else:
        yield document.fault(path, _sentence(error), got, "change it")


def _sentence(error: Any) -> str:
    limits = {"minimum": "at least", "maximum": "at most", "pattern": "of the form", "minItems": "of length at least"}
    words = limits.get(error.validator)
    return f"must be {words} {error.validator_value}" if words else f"must fit {error.validator}"


def _misspelt(key: str, error: Any) -> bool:
    """Whether a field that is missing is there under a wrong name, which is a fault of its own."""
    closed = error.schema.get("additionalProperties") is False
    unknown = set(error.instance) - set(error.schema.get("properties", {}))
    return closed and any(difflib.get_close_matches(one, [key], cutoff=0.75) for one in unknown)


def _did_you_mean(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"did you mean {close[0]}?" if close else ""


@cache
def ray_schema() -> Schema:
    """The schema that `ray up` checks a cluster file against."""
    import ray.autoscaler

    folder = next(iter(ray.autoscaler.__path__))
    with open(f"{folder}/ray-schema.json", encoding="utf-8") as file:
        schema: Schema = json.load(file)
    return schema


def ray_faults(document: Document) -> Iterator[Fault]:
    """What `ray up` itself would find: the schema, its defaults filled in, and its checks of fields against others."""
    faults = list(schema_faults(ray_schema(), document.value, document))
    yield from faults
    if faults:
        return
    problem = _prepare(deepcopy(document.value))
    if problem:
        named = sorted((problem.index(key), -len(key), key) for key in document.value if key in problem)
        path: Path = (named[0][2],) if named else ()
        yield document.fault(path, "must pass Ray's own check", Got(problem), "change it")


def _prepare(config: dict[str, Any]) -> str | None:
    """The first line of what Ray says against a cluster file, which it may say by ending the process."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    said = io.StringIO()
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            validate_config(prepare_config(config))
    except (Exception, SystemExit) as error:
        text = " ".join((str(error) or said.getvalue() or type(error).__name__).split())
        return text[:160]
    finally:
        logging.disable(before)
    return None


@cache
def ec2_schema() -> Schema:
    """The parameters of EC2's RunInstances, and what Ray adds to them."""
    import botocore.session

    model = botocore.session.Session().get_service_model("ec2")
    definitions: Schema = {}
    top = _ec2_shape(model.operation_model("RunInstances").input_shape, definitions)
    schema: Schema = {**definitions[top["$ref"].rsplit("/", 1)[1]], "definitions": definitions}
    schema["properties"] = {
        **schema["properties"],
        "SubnetIds": {"type": "array", "items": {"type": "string"}},  # Ray's own: the subnets it tries in turn
    }
    schema["required"] = ["ImageId", "InstanceType"]  # how many, Ray decides
    return schema


def _ec2_shape(shape: Any, definitions: Schema) -> Schema:
    if shape.type_name == "structure":
        if shape.name not in definitions:
            definitions[shape.name] = {}  # a shape may hold itself
            definitions[shape.name] = {
                "type": "object",
                "additionalProperties": False,
                "properties": {name: _ec2_shape(part, definitions) for name, part in shape.members.items()},
                "required": list(shape.required_members),
            }
        return {"$ref": f"#/definitions/{shape.name}"}
    if shape.type_name == "list":
        return {"type": "array", "items": _ec2_shape(shape.member, definitions)}
    if shape.type_name == "map":
        return {"type": "object"}
    found: Schema = {"type": EC2_TYPES[shape.type_name]}
    if getattr(shape, "enum", None):
        found["enum"] = list(shape.enum)
    return found


@cache
def gcp_schema() -> Schema:
    """The body of Google's compute.instances.insert, and what Ray adds to it."""
    from googleapiclient.discovery_cache import get_static_doc

    definitions = {name: _gcp_shape(part) for name, part in _gcp_document(get_static_doc)["schemas"].items()}
    schema: Schema = {**definitions["Instance"], "definitions": definitions}
    schema["properties"] = {**schema["properties"], "sourceInstanceTemplate": {"type": "string"}}
    schema["required"] = ["machineType", "disks"]
    return schema


def _gcp_document(get_static_doc: Any) -> Schema:
    found: Schema = json.loads(get_static_doc("compute", "v1"))
    return found


def _gcp_shape(part: Schema) -> Schema:
    if "$ref" in part:
        return {"$ref": f"#/definitions/{part['$ref']}"}
    kind = part.get("type", "any")
    if kind == "any":
        return {}
    found: Schema = {"type": kind}
    if kind == "array":
        found["items"] = _gcp_shape(part["items"])
    elif "properties" in part:
        found["properties"] = {name: _gcp_shape(one) for name, one in part["properties"].items()}
        found["additionalProperties"] = False
    elif kind == "string" and part.get("format") in ("int64", "uint64"):
        found["type"] = ["string", "integer"]  # JSON has no 64-bit numbers; the service takes both
    elif "enum" in part:
        found["enum"] = part["enum"]
    return found


@cache
def aws_regions() -> frozenset[str]:
    """Regions in which EC2 exists, as botocore knows them."""
    import botocore.session

    session = botocore.session.Session()
    partitions = session.get_available_partitions()
    return frozenset(region for name in partitions for region in session.get_available_regions("ec2", name))
