"""A YAML file as plain data in which every value has its line number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from ablations.cluster_file.nested import Got, Path, dotted, show

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
    """The file cannot be read; its argument is the fault that says why."""


@dataclass
class Document:
    """One YAML document: the lines of its file, and its content as plain data."""

    source: list[str]
    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    """Line (from 1) of every value. A scalar behind an alias has the line of its anchor, where it is changed."""
    keys: dict[Path, int] = field(default_factory=dict)
    """Line of every key of a mapping."""
    placeholders: list[tuple[Path, int, str]] = field(default_factory=list)
    """Path, line and text of every value that is not filled in yet."""
    duplicates: list[Fault] = field(default_factory=list)
    """Keys that their mapping has twice."""

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
    try:
        return list(_documents(FilePath(name).read_text(encoding="utf-8")))
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
        names: set[Path] = set()
        for key, value in [(key, value) for key, value in node.value if key.tag != MERGE]:
            name, line = (*path, str(key.value)), key.start_mark.line + 1
            if name in names and not merged:
                rule = "must be given once (YAML takes the last)"
                document.duplicates.append(Fault(line, dotted(name), rule, "a second one", "take one out"))
            names.add(name)
            document.keys[name] = line
            own = value.start_mark.line + 1 if isinstance(value, yaml.ScalarNode) else line
            yield from _walk(value, name, own, document, merged)
