"""Which code, versions and machine made a record."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGES = ("soft-silhouette-ablations", "torch", "torchvision", "ray", "numpy", "scikit-learn", "pyarrow")

SOURCES = ("ablations", "search_spaces", "silhouette")
"""The packages that a worker runs."""


@cache
def versions() -> dict[str, str]:
    """Installed versions of what decides a result, Python included."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def git_state() -> dict[str, Any]:
    """Commit of the running checkout, and True if files differ from it; None outside a git checkout."""
    root = Path(__file__).parents[2]
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return {"git_commit": None, "git_dirty": None}
    return {
        "git_commit": commit,
        "git_dirty": bool(_git(root, "status", "--porcelain", "--untracked-files=no")),
    }


@cache
def source_digest() -> str:
    """The first 12 hex digits of the SHA-256 over this project's sources: the same code has the same, git or not."""
    root, sums = Path(__file__).parents[2], hashlib.sha256()
    for package in SOURCES:
        for path in sorted((root / package).rglob("*.py")):
            sums.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return sums.hexdigest()[:12]


def plugin_digest(name: str) -> str:
    """The first 12 hex digits of the SHA-256 over the sources of the package or module that a person's own name is in.

    Args:
        name: `module:attribute`, importable; the top-level package or module counts as a whole.

    Raises:
        ValueError: If it has no Python sources.
    """
    top = name.partition(":")[0].partition(".")[0]
    spec = find_spec(top)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    files = [(path.relative_to(folder), path) for folder in folders for path in folder.rglob("*.py")]
    if spec and not folders and spec.origin and spec.origin.endswith(".py"):
        files = [(Path(Path(spec.origin).name), Path(spec.origin))]
    if not files:
        raise ValueError(f"{name}: {top} has no Python sources")
    sums = hashlib.sha256()
    for shown, path in sorted(files):
        sums.update(f"{shown.as_posix()}\0".encode() + path.read_bytes())
    return sums.hexdigest()[:12]


def host_columns() -> dict[str, Any]:
    """Host, versions and sources of this process, as columns of a record: those of the node that trained it."""
    return {
        "host": platform.node(),
        "versions": json.dumps(versions(), sort_keys=True),
        "source_sha256": source_digest(),
    }


def _git(root: Path, *arguments: str) -> str | None:
    if not (root / ".git").exists():  # an installed copy below somebody else's checkout is not ours
        return None
    try:
        command = ["git", "-C", str(root), *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
