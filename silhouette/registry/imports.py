"""What source files import from beside them, found by reading; nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

OURS = ("silhouette", "ablations", "analysis", "search_spaces")
"""Packages of this project, which are nobody's own code."""
INSTALLED = {"site-packages", "dist-packages"}


def imported(path: Path) -> Iterator[str]:
    """Yield top-level names that a file imports, anywhere in it; those of a file that cannot be parsed are unknown."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def module_files(folder: Path, name: str) -> list[Path]:
    """Return the `.py` files of a module or package in a folder; none if it is not there, or is this project's."""
    if name in OURS:
        return []
    if (single := folder / f"{name}.py").is_file():
        return [single]
    return package_files(folder / name)  # with or without __init__.py; none where there is no such folder


def package_files(folder: Path) -> list[Path]:
    """Return the `.py` files of a package; links that leave it are not followed."""
    inside = (path for path in sorted(folder.rglob("*.py")) if path.resolve().is_relative_to(folder.resolve()))
    return [path for path in inside if not {"__pycache__", *INSTALLED} & {*path.relative_to(folder).parts}]


def with_imports(files: list[Path], folder: Path) -> list[Path]:
    """Return files with all modules and packages of a folder that they import, and that those import.

    In a folder of installed packages others belong to somebody else, so none is added.
    """
    found = list(files)
    if INSTALLED & {*folder.parts}:
        return found
    for path in found:  # it grows
        for name in imported(path):
            found += [file for file in module_files(folder, name) if file not in found]
    return found
