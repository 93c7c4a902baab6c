"""A YAML file as plain data in which every value still knows its line: for messages that a person can follow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path as FilePath
from typing import Any

import yaml

Path = tuple[str | int, ...]
"""Keys and indices from the root of a document to a value."""
PLACEHOLDER = re.compile(r"<[A-Za-z](?:[^<>\n]*[^<>\s])?>")
"""What stands where a person's own value belongs; no real value has angle brackets."""
MAX_BYTES = 1 << 20
MAX_VALUES = 50_000
"""Aliases can make a small file denote an endless one."""
MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True)
class Fault:
    """One thing to put right; printed as `FILE:LINE: field: rule, got value; what to do`."""

    line: int | None
    where: str
    rule: str
    got: str
    todo: str

    def text(self, file: str) -> str:
        """The line that a person reads."""
        place = file if self.line is None else f"{file}:{self.line}"
        return f"{place}: {self.where}: {self.rule}, got {self.got}; {self.todo}"


class FileFault(Exception):
    """The file cannot be read at all, for one reason."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.rule)
        self.fault = fault


@dataclass
class Document:
    """One YAML document.

    Attributes:
        value: What it says, as plain data.
        lines: Line (from 1) of every value. A scalar that an alias stands for has the line of its anchor: it is
            changed there.
        placeholders: Path, line and text of every value that is still to be filled in, each once.
        duplicates: Path and line of every key that its mapping has already.
        source: The file's lines.
        keys: Line of every key of a mapping, wherever its value stands.
    """

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)
    placeholders: list[tuple[Path, int, str]] = field(default_factory=list)
    duplicates: list[tuple[Path, int]] = field(default_factory=list)
    source: list[str] = field(default_factory=list)
    keys: dict[Path, int] = field(default_factory=dict)

    def comment(self, line: int) -> str:
        """The comment at the end of a line."""
        return self.source[line - 1].partition("  # ")[2].strip()

    def line(self, path: Path) -> int:
        """Line of a value, or of the nearest one around where it would be."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def fault(self, path: Path, rule: str, got: Any, todo: str) -> Fault:
        """A fault at a path of this document."""
        return Fault(self._inside(self.line(path), got), dotted(path), rule, show(got), todo)

    def key_fault(self, path: Path, rule: str, got: Any, todo: str) -> Fault:
        """A fault of a key, not of its value."""
        return Fault(self.keys.get(path, self.line(path)), dotted(path), rule, show(got), todo)

    def _inside(self, line: int, got: Any) -> int:
        """The line of a text of several lines that shows what was found; else the one that starts Ray."""
        if not re.search(r"[>|][-+]?\s*$", self.source[line - 1]):
            return line
        indent = len(self.source[line - 1]) - len(self.source[line - 1].lstrip())
        block = list(takewhile(lambda text: text.startswith(" " * (indent + 1)), self.source[line:]))
        for wanted in (str(got) if isinstance(got, Got) else "ray start", "ray start"):
            found = next((index for index, text in enumerate(block) if wanted in text), None)
            if found is not None:
                return line + found + 1
        return line


def read(name: str) -> list[Document]:
    """All documents of a file.

    Raises:
        FileFault: It is not there, too large, not text, or not YAML.
    """
    text = _text(name)
    documents = []
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        while loader.check_node() and (node := loader.get_node()) is not None:
            documents.append(_document(loader, node, text.splitlines()))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context).split())
        raise FileFault(
            Fault(mark.line + 1 if mark else None, "YAML", "must be valid YAML", problem, "mend that line")
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())[:120]
        raise FileFault(Fault(None, "YAML", "must be valid YAML", problem, "mend the file")) from None
    finally:
        if loader:
            loader.dispose()
    return documents


def _text(name: str) -> str:
    path = FilePath(name)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise FileFault(Fault(None, "FILE", "must be a YAML file", what, "give the path of a cluster file"))
    if path.stat().st_size > MAX_BYTES:
        size = f"{path.stat().st_size} bytes"
        raise FileFault(Fault(None, "FILE", "must be smaller than 1 MiB", size, "give the path of a cluster file"))
    try:
        return path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        got = type(error).__name__
        raise FileFault(Fault(None, "FILE", "must be readable UTF-8 text", got, "give a cluster file")) from None


def _document(loader: yaml.SafeLoader, node: yaml.Node, source: list[str]) -> Document:
    found = Document(None, source=source)
    seen: dict[int, int] = {}
    for path, line, value in _walk(node, (), node.start_mark.line + 1, found):
        if len(found.lines) >= MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES} values, aliases counted")
        found.lines[path] = line
        if isinstance(value, yaml.ScalarNode) and PLACEHOLDER.search(value.value) and id(value) not in seen:
            seen[id(value)] = line
            found.placeholders.append((path, line, value.value))
    found.value = loader.construct_document(node)
    return found


def _walk(
    node: yaml.Node, path: Path, line: int, document: Document, merged: bool = False
) -> Iterator[tuple[Path, int, yaml.Node]]:
    """Every value below a node, merged mappings before what overrides them."""
    if len(path) > 40:
        raise ValueError("nested too deeply")
    yield path, line, node
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*path, index), item.start_mark.line + 1, document, merged)
    elif isinstance(node, yaml.MappingNode):
        yield from _merged(node, path, line, document)
        keys: set[str] = set()
        for key, value in node.value:
            if key.tag == MERGE:
                continue
            name = str(key.value)
            if name in keys and not merged:
                document.duplicates.append(((*path, name), key.start_mark.line + 1))
            keys.add(name)
            document.keys[(*path, name)] = key.start_mark.line + 1
            own = value.start_mark if isinstance(value, yaml.ScalarNode) else key.start_mark
            yield from _walk(value, (*path, name), own.line + 1, document, merged)


def _merged(node: yaml.MappingNode, path: Path, line: int, document: Document) -> Iterator[tuple[Path, int, yaml.Node]]:
    for key, value in node.value:
        if key.tag == MERGE:
            for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                yield from _walk(part, path, line, document, merged=True)


def dotted(path: Path) -> str:
    """A path as people write it: `available_node_types.head.node_config.SecurityGroupIds[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the file"


def show(value: Any, length: int = 80) -> str:
    """A value inside a message: one line, not too long."""
    if value is None:
        return "nothing"
    text = " ".join(repr(value).split()) if not isinstance(value, Got) else str(value)
    return text if len(text) <= length else text[: length - 1] + "…"


class Got(str):
    """Words that stand for a value in a message, printed without quotes."""

    __slots__ = ()


def at(value: Any, *path: str | int) -> Any:
    """The value at a path, or None where something on the way is missing or of another kind."""
    for part in path:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and part < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def scalars(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is neither mapping nor list, with its path."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from scalars(part, (*path, str(key)))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from scalars(part, (*path, index))
    else:
        yield path, value
