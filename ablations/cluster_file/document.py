"""A YAML file as plain data: values by path, the line of each, and a fault in one of them as the line to print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

import yaml

PLACEHOLDER = re.compile(r"<[A-Za-z](?:[^<>\n]*[^<>\s])?>")
"""Text that the user must replace by a value; no real value has angle brackets."""
MAX_VALUES, MAX_DEPTH = 50_000, 40  # a small file with aliases can describe an endless document
MERGE, NULL = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:null"
Path = tuple[str | int, ...]
"""Keys and indices from the root to a value."""


class Got(str):
    """Words that describe a value in a message; they are printed without quotes."""

    __slots__ = ()


@dataclass(frozen=True)
class Fault:
    """One fault of a file, printed as `FILE:LINE: field: rule, got value; what to do`.

    A value that several fields share by an alias is wrong in one place: faults of the same line, rule and value are
    equal.
    """

    line: int | None
    where: str = field(compare=False)
    rule: str
    got: str
    todo: str = field(compare=False)

    def text(self, file: str) -> str:
        """The line that is printed."""
        place = file if self.line is None else f"{file}:{self.line}"
        return f"{place}: {self.where}: {self.rule}, got {self.got}; {self.todo}"


class FileFault(Exception):
    """The file is no cluster file; its argument is the fault that says why."""


class Document:
    """One YAML document: the lines of its file, and its content as plain data.

    Attributes:
        source: The lines of the file.
        value: The content.
        lines: Line (from 1) of every value. A scalar behind an alias has the line of its anchor, where it is changed.
        keys: Line of every key of a mapping.
    """

    def __init__(self, source: list[str], root: yaml.Node) -> None:
        self.source = source
        self.lines: dict[Path, int] = {}
        self.keys: dict[Path, int] = {}
        self._note_lines(root, (), root.start_mark.line + 1)
        self.value: Any = yaml.constructor.SafeConstructor().construct_document(root)

    def _note_lines(self, node: yaml.Node, path: Path, line: int) -> None:
        """Note the line of every value below a node; merged mappings come before the values that override them."""
        if len(path) > MAX_DEPTH or len(self.lines) >= MAX_VALUES:
            raise ValueError(f"nested deeper than {MAX_DEPTH}, or more than {MAX_VALUES} values, aliases counted")
        self.lines[path] = line
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self._note_lines(item, (*path, index), item.start_mark.line + 1)
        elif isinstance(node, yaml.MappingNode):
            for part in [value for key, value in node.value if key.tag == MERGE]:
                for one in part.value if isinstance(part, yaml.SequenceNode) else [part]:
                    self._note_lines(one, path, line)
            self._note_keys([(key, value) for key, value in node.value if key.tag != MERGE], path)

    def _note_keys(self, items: list[tuple[yaml.Node, yaml.Node]], path: Path) -> None:
        own: set[Path] = set()
        for key, value in items:
            name, line = (*path, str(key.value)), key.start_mark.line + 1
            if name in own:
                rule = "must be given once (YAML takes the last)"
                raise FileFault(Fault(line, dotted(name), rule, "a second one", "take one out"))
            own.add(name)
            self.keys[name] = line
            self._note_lines(value, name, value.start_mark.line + 1 if isinstance(value, yaml.ScalarNode) else line)

    @cached_property
    def placeholders(self) -> dict[Path, str]:
        """Every value that is not filled in yet."""
        return {path: str(text) for path, text in scalars(self.value) if PLACEHOLDER.search(str(text))}

    def path(self, line: int) -> Path:
        """The value that stands on a line, or the last one before it."""
        before = [(number, -len(path), path) for path, number in {**self.lines, **self.keys}.items() if number <= line]
        return max(before, key=lambda one: one[:2])[2] if before else ()

    def line(self, path: Path) -> int:
        """The line of a value, or of the nearest one around it where there is none."""
        return next(self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines)

    def fault(self, path: Path, rule: str, got: Any, todo: str, *, of_key: bool = False) -> Fault:
        """A fault at the line of a value, or of its key."""
        line = self.keys[path] if of_key else self.line(path)
        if isinstance(got, Got):  # part of a text of several lines
            line = next((number for number, text in enumerate(self.source, 1) if number >= line and got in text), line)
        return Fault(line, dotted(path), rule, show(got), todo)


def read(name: str) -> list[Document]:
    """The documents of a file that are not empty; raises FileFault if it is not there, no text or no YAML."""
    try:
        text = FilePath(name).read_text(encoding="utf-8")
        roots = yaml.compose_all(text, yaml.SafeLoader)
        return [Document(text.splitlines(), root) for root in roots if root.tag != NULL]
    except OSError as error:
        what = "a folder" if isinstance(error, IsADirectoryError) else str(error.strerror).lower()
        fault = Fault(None, "FILE", "must be a YAML file", what, "give the path of a cluster file")
    except UnicodeDecodeError:
        fault = Fault(None, "FILE", "must be readable UTF-8 text", "other bytes", "give the path of a cluster file")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = " ".join(str(getattr(error, "problem", None) or error).split())[:120]
        fault = Fault(mark and mark.line + 1, "YAML", "must be valid YAML", problem, "correct it")
    raise FileFault(fault)


def dotted(path: Path) -> str:
    """A path as text: `available_node_types.head.node_config.SecurityGroupIds[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the file"


def show(value: Any, length: int = 80) -> str:
    """A value inside a message: one line of at most `length` characters."""
    if value is None:
        return "nothing"
    text = str(value) if isinstance(value, Got) else " ".join(repr(value).split())
    return text if len(text) <= length else text[: length - 1] + "…"


def at(value: Any, *path: Any) -> Any:
    """The value at the keys of a path; None where a part of the path is missing or of another kind."""
    for part in path:
        value = value.get(part) if isinstance(value, dict) and isinstance(part, str) else None
    return value


def each(value: Any, *path: str, before: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The values at a path in which `*` stands for every key or index, with their paths; None where there is none."""
    if not path:
        yield before, value
    elif path[0] != "*":
        yield from each(at(value, path[0]), *path[1:], before=(*before, path[0]))
    else:
        items = value if isinstance(value, list) and value else [None]
        for key, part in value.items() if isinstance(value, dict) else enumerate(items):
            yield from each(part, *path[1:], before=(*before, key))


def scalars(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is neither a mapping nor a list, with its path."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from scalars(part, (*path, key if isinstance(key, int) else str(key)))
    else:
        yield path, value
