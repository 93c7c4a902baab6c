"""A YAML file as plain data in which every value has its line number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from ablations.nested import Got, Path, dotted, show

PLACEHOLDER = re.compile(r"<[A-Za-z](?:[^<>\n]*[^<>\s])?>")
"""Text that the user must replace by a value; no real value has angle brackets."""
MAX_VALUES = 50_000
"""A small file with aliases can describe an endless document."""
MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True)
class Fault:
    """One fault of a file, printed as `FILE:LINE: field: rule, got value; what to do`."""

    line: int | None
    where: str
    rule: str
    got: str
    todo: str

    def text(self, file: str) -> str:
        """The line that is printed."""
        place = file if self.line is None else f"{file}:{self.line}"
        return f"{place}: {self.where}: {self.rule}, got {self.got}; {self.todo}"


class FileFault(Exception):
    """The file cannot be read; `fault` says why."""

    def __init__(self, line: int | None, where: str, rule: str, got: str, todo: str) -> None:
        super().__init__(rule)
        self.fault = Fault(line, where, rule, got, todo)


@dataclass
class Document:
    """One YAML document.

    Attributes:
        source: The lines of the file.
        value: Its content, as plain data.
        lines: Line (from 1) of every value. A scalar behind an alias has the line of its anchor, where it is changed.
        keys: Line of every key of a mapping.
        placeholders: Path, line and text of every value that is not filled in yet.
        duplicates: Path and line of every key that its mapping has twice.
    """

    source: list[str]
    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    keys: dict[Path, int] = field(default_factory=dict)
    placeholders: list[tuple[Path, int, str]] = field(default_factory=list)
    duplicates: list[tuple[Path, int]] = field(default_factory=list)

    def path(self, line: int) -> Path:
        """The value that stands on a line, or the last one before it."""
        before = [(number, -len(path), path) for path, number in {**self.lines, **self.keys}.items() if number <= line]
        return max(before, key=lambda one: one[:2])[2] if before else ()

    def fault(self, path: Path, rule: str, got: Any, todo: str, *, of_key: bool = False) -> Fault:
        """A fault at the line of a value, or of its key; of the nearest value around it where there is none."""
        known = next(path[:length] for length in range(len(path), -1, -1) if path[:length] in self.lines)
        line = self.keys[path] if of_key else self.lines[known]
        if isinstance(got, Got):  # part of a text of several lines
            line = next((number for number, text in enumerate(self.source, 1) if number >= line and got in text), line)
        return Fault(line, dotted(path), rule, show(got), todo)


def read(name: str) -> list[Document]:
    """All documents of a file; raises FileFault if it does not exist, is not text or is not YAML."""
    todo = "give the path of a cluster file"
    try:
        return list(_documents(FilePath(name).read_text(encoding="utf-8")))
    except OSError as error:
        what = "a folder" if isinstance(error, IsADirectoryError) else str(error.strerror).lower()
        raise FileFault(None, "FILE", "must be a YAML file", what, todo) from None
    except UnicodeDecodeError:
        raise FileFault(None, "FILE", "must be readable UTF-8 text", "other bytes", todo) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = " ".join(str(getattr(error, "problem", None) or error).split())[:120]
        raise FileFault(mark and mark.line + 1, "YAML", "must be valid YAML", problem, "correct it") from None


def _documents(text: str) -> Iterator[Document]:
    loader = yaml.SafeLoader(text)
    while loader.check_node() and (node := loader.get_node()) is not None:
        document, seen = Document(text.splitlines()), set()
        for path, line, value in _walk(node, (), node.start_mark.line + 1, document):
            if len(document.lines) >= MAX_VALUES:
                raise ValueError(f"more than {MAX_VALUES} values, aliases counted")
            document.lines[path] = line
            if isinstance(value, yaml.ScalarNode) and PLACEHOLDER.search(value.value) and value not in seen:
                seen.add(value)
                document.placeholders.append((path, line, value.value))
        document.value = loader.construct_document(node)
        yield document


def _walk(
    node: yaml.Node, path: Path, line: int, document: Document, merged: bool = False
) -> Iterator[tuple[Path, int, yaml.Node]]:
    """Every value below a node; merged mappings come before the values that override them."""
    if len(path) > 40:
        raise ValueError("nested too deeply")
    yield path, line, node
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*path, index), item.start_mark.line + 1, document, merged)
    elif isinstance(node, yaml.MappingNode):
        for part in [value for key, value in node.value if key.tag == MERGE]:
            for one in part.value if isinstance(part, yaml.SequenceNode) else [part]:
                yield from _walk(one, path, line, document, merged=True)
        yield from _walk_keys(node, path, document, merged)


def _walk_keys(
    node: yaml.MappingNode, path: Path, document: Document, merged: bool
) -> Iterator[tuple[Path, int, yaml.Node]]:
    names: set[str] = set()
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if key.tag != MERGE:
            if name in names and not merged:
                document.duplicates.append(((*path, name), line))
            names.add(name)
            document.keys[(*path, name)] = line
            own = value.start_mark.line + 1 if isinstance(value, yaml.ScalarNode) else line
            yield from _walk(value, (*path, name), own, document, merged)
