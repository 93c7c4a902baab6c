"""The published models of cluster files: the schema that Ray ships, and EC2's parameter model from botocore.

Both become JSON Schema, and one function turns what it finds into faults. Neither needs network or credentials.
"""

from __future__ import annotations

import difflib
import importlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from ablations.cluster_file.document import Document, Fault, Path, at, each

Schema = dict[str, Any]
WORDS = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "true or false"}
WORDS |= {"object": "a mapping", "array": "a list", "null": "nothing"}
EC2_TYPES = {"integer": "integer", "long": "integer", "float": "number", "double": "number", "boolean": "boolean"}
EC2_TYPES |= {"map": "object"}


def schema_faults(schema: Schema, value: Any, document: Document, base: Path = ()) -> Iterator[Fault]:
    """The faults of a value against a JSON Schema (draft 7); `base` is where the value is in the document."""
    from jsonschema import Draft7Validator

    for error in Draft7Validator(schema).iter_errors(value):
        yield from _explain(error, document, (*base, *error.absolute_path))


def _explain(error: Any, document: Document, path: Path) -> Iterator[Fault]:
    rule, wanted, got = error.validator, error.validator_value, error.instance
    known = sorted(error.schema.get("properties", {}))
    if rule == "additionalProperties":
        for key in sorted(set(got) - set(known)):
            todo = _did_you_mean(key, known) or "take it out"
            yield document.fault((*path, key), "must be a known field", key, todo, of_key=True)
    elif rule == "required":
        closed = error.schema.get("additionalProperties") is False
        unknown = sorted(set(got) - set(known)) if closed else []  # these are reported as faults of their own
        for key in wanted:
            if key not in got and not _did_you_mean(key, unknown):
                yield document.fault((*path, key), "must be given", None, f"add {key}")
    elif rule == "type":
        words = " or ".join(WORDS[kind] for kind in ([wanted] if isinstance(wanted, str) else wanted))
        yield document.fault(path, f"must be {words}", got, "give a value of that kind")
    elif rule == "enum":
        values = [str(one) for one in wanted]
        listed = ", ".join(values) if len(values) <= 8 else f"one of {len(values)} known values"
        yield document.fault(path, f"must be {listed}", got, _did_you_mean(str(got), values) or "take one of them")
    else:
        yield document.fault(path, f"must have {rule} {wanted}", got, "change it")


def _did_you_mean(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"did you mean {close[0]}?" if close else ""


def ray_faults(document: Document) -> Iterator[Fault]:
    """What `ray up` would refuse."""
    if installed("jsonschema"):
        import ray.autoscaler  # imports jsonschema

        file = FilePath(next(iter(ray.autoscaler.__path__))) / "ray-schema.json"
        yield from schema_faults(json.loads(file.read_text(encoding="utf-8")), document.value, document)
    head = at(document.value, "head_node_type")
    types = [path[1] for path, _ in each(document.value, "available_node_types", "*")]
    if head not in types and (head or at(document.value, "provider", "type") != "local"):
        yield document.fault(("head_node_type",), "must be one of available_node_types", head, "give the head's")


def ec2_faults(document: Document) -> Iterator[Fault]:
    """What EC2's RunInstances would refuse in the node types."""
    if not installed("jsonschema", "botocore"):
        return
    for path, node in each(document.value, "available_node_types", "*", "node_config"):
        yield from schema_faults(_ec2_schema(), node, document, path)


@cache
def _ec2_schema() -> Schema:
    import botocore.session

    model = botocore.session.Session().get_service_model("ec2").operation_model("RunInstances")
    schema = _ec2_shape(model.input_shape)
    subnets = {"type": "array", "items": {"type": "string"}}  # a field of Ray: it tries them in turn
    schema["properties"]["SubnetIds"] = subnets
    return {**schema, "required": ["ImageId", "InstanceType"]}  # Ray decides how many


def _ec2_shape(shape: Any) -> Schema:
    if shape.type_name == "structure":
        fields = {name: _ec2_shape(part) for name, part in shape.members.items()}
        required = list(shape.required_members)
        return {"type": "object", "additionalProperties": False, "required": required, "properties": fields}
    if shape.type_name == "list":
        return {"type": "array", "items": _ec2_shape(shape.member)}
    values = {"enum": list(shape.enum)} if getattr(shape, "enum", None) else {}
    return {"type": EC2_TYPES.get(shape.type_name, "string"), **values}


def installed(*modules: str) -> bool:
    """Return True if all of these can be imported."""
    try:
        return all(importlib.import_module(module) for module in modules)
    except ImportError:
        return False
