"""Values inside nested mappings and lists, by path; and how paths and values read in a message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]
"""Keys and indices from the root to a value."""


class Got(str):
    """Words that describe a value in a message; they are printed without quotes."""

    __slots__ = ()


def dotted(path: Path) -> str:
    """A path as text: `available_node_types.head.node_config.SecurityGroupIds[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the file"


def show(value: Any, length: int = 80) -> str:
    """A value inside a message: one line of at most `length` characters."""
    if value is None:
        return "nothing"
    text = str(value) if isinstance(value, Got) else " ".join(repr(value).split())
    return text if len(text) <= length else text[: length - 1] + "…"


def at(value: Any, *path: str | int) -> Any:
    """The value at a path; None where a part of the path is missing or of another kind."""
    for part in path:
        try:
            value = value[part] if type(value) in (dict, list) else None
        except (LookupError, TypeError):
            return None
    return value


def each(value: Any, *path: str, before: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The values at a path in which `*` stands for every key or index, with their paths; None where there is none."""
    if not path:
        yield before, value
    elif path[0] != "*":
        yield from each(at(value, path[0]), *path[1:], before=(*before, path[0]))
    else:
        items = value if isinstance(value, list) and value else [None]
        parts = value.items() if isinstance(value, dict) else enumerate(items)
        for key, part in parts:
            yield from each(part, *path[1:], before=(*before, key))


def scalars(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is neither a mapping nor a list, with its path."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from scalars(part, (*path, str(key)))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from scalars(part, (*path, index))
    else:
        yield path, value
