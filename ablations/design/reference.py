"""The page docs/study.md, generated from the models: `python -m ablations.design.reference > docs/study.md`."""

from __future__ import annotations

import inspect
import re
import types
import typing
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ablations.design.families import Family
from ablations.design.study import Study
from ablations.design.tuning import Tuning
from silhouette.config import TrialConfig

HEAD = """\
# Study files

This page is generated from the models: `python -m ablations.design.reference > docs/study.md`.

A study is a Python file that defines `STUDY`. The name of the file is the name of the study. A helper module beside the
file can be imported.

```python
from ablations import Study

STUDY = Study(
    question="Does the silhouette term help on digits, balanced and long-tailed?",
    factors={"lambda_sil": (0.0, 0.2), "imbalance": ("none", "long_tail")},
    fixed={"dataset": "digits", "imbalance_factor": 20, "epochs": 20},
    baseline={"lambda_sil": 0.0},
    blocks=("imbalance",),
    seeds=range(10),
)
```

The arms are the product of the factors: here 2 × 2. In each block the arms are compared with the baseline of the block.
Settings that train the same thing are one arm. `ablate plan FILE.py` lists the arms and runs nothing.
"""
PARTS: tuple[tuple[type[BaseModel], str, str], ...] = (
    (Study, "Study", "What is compared. Fields without a default are required."),
    (Family, "Family", "Comparisons with one baseline. By default each block is a family."),
    (Tuning, "Tuning", "How nuisance settings are searched in every arm, the baseline included: [search](search.md)."),
    (TrialConfig, "Settings", "The fields of `TrialConfig`. Each can be a factor, fixed, or part of a treatment."),
)
HIDDEN = ("name", "winners")
"""Fields of a study that its file does not set: the name is that of the file, the winners are chosen by the search."""
BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥"}


def reference() -> str:
    """The whole page as Markdown."""
    return "\n".join([HEAD, *(_part(model, title, text) for model, title, text in PARTS)])


def _part(model: type[BaseModel], title: str, text: str) -> str:
    meanings = attributes(model)
    rows = [
        f"| `{name}` | {_allowed(info)} | {_default(info)} | {meanings[name]} |"
        for name, info in model.model_fields.items()
        if name not in HIDDEN
    ]
    return "\n".join(
        [f"## {title}\n", f"{text}\n", "| field | values | default | meaning |", "|---|---|---|---|", *rows, ""]
    )


def attributes(model: type) -> dict[str, str]:
    """The meaning of each field, from the section `Attributes` of the model's docstring.

    >>> attributes(Family)["family"]
    'Its name in the report; no two have the same.'
    """
    text = inspect.getdoc(model) or ""
    section = re.search(r"Attributes:\n(.*?)(?:\n\S|\Z)", text, re.S)
    lines = section.group(1).splitlines() if section else []
    found: dict[str, str] = {}
    for line in lines:
        start = re.match(r" {4}(\w+): (.*)", line)
        if start:
            name = start.group(1)
            found[name] = start.group(2)
        elif line.strip():
            found[name] += f" {line.strip()}"
    return {field: meaning.replace("|", r"\|") for field, meaning in found.items()}


def _allowed(info: FieldInfo) -> str:
    """Type and bounds of a field, in words."""
    bounds = [f"{BOUNDS[name]} {value}" for name, value in _constraints(info)]
    return ", ".join([_type(info.annotation), *bounds])


def _constraints(info: FieldInfo) -> list[tuple[str, Any]]:
    found = ((name, getattr(part, name, None)) for part in info.metadata for name in BOUNDS)
    return [(name, value) for name, value in found if value is not None]


def _type(annotation: Any) -> str:
    """A type as a reader without Python's typing module says it.

    >>> _type(float | None), _type(tuple[int, ...]), _type(Literal["none", "step"])
    ('number or None', 'list of integers', "'none', 'step'")
    >>> _type(tuple[Literal["geometry"], ...])
    "list of 'geometry'"
    """
    if annotation in NAMES:
        return NAMES[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return ", ".join(map(repr, arguments))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(part) for part in arguments)
    if origin is tuple:
        literal = typing.get_origin(arguments[0]) is Literal
        return f"list of {_type(arguments[0]) if literal else PLURALS.get(arguments[0], 'values')}"
    if origin is dict and str in typing.get_args(arguments[1]):
        return "dict of values"
    if origin is dict:
        return "dict" if arguments[1] is Any else f"dict of {PLURALS.get(typing.get_origin(arguments[1]), 'domains')}"
    return str(getattr(annotation, "__name__", annotation))


NAMES: dict[Any, str] = {
    str: "text", int: "integer", float: "number", bool: "True or False", type(None): "None", Tuning: "Tuning",
}  # fmt: skip
PLURALS: dict[Any, str] = {str: "texts", int: "integers", Family: "Family", dict: "dicts", tuple: "lists"}


def _default(info: FieldInfo) -> str:
    if info.default_factory is not None:
        return "`{}`"
    if info.default is PydanticUndefined:
        return "required"
    if isinstance(info.default, tuple) and len(info.default) > 3:
        return f"`range({len(info.default)})`"
    return f"`{info.default!r}`"


if __name__ == "__main__":
    print(reference(), end="")
