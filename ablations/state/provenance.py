"""Which code, versions and machine made a record."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from silhouette.registry import place_of, plugins_of

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
        name: `module:attribute` or a registered name; the top-level package or module counts as a whole.

    Raises:
        ValueError: If it has no Python sources.
    """
    found = plugin_sources([name])[name]
    if found is None:
        raise ValueError(f"{name}: {place_of(name).partition(':')[0].partition('.')[0]} has no Python sources")
    return found


def host_columns(plugins: Iterable[str] = ()) -> dict[str, Any]:
    """Host, versions and sources of this process, as columns of a record: those of the node that trained it.

    Args:
        plugins: Names of a person's own that the trial used: parts of its config, its experiment, metric functions.
    """
    return {
        "host": platform.node(),
        "versions": json.dumps(versions(), sort_keys=True),
        "source_sha256": source_digest(),
        "plugins": plugins_text(plugins),
    }


def plugins_text(names: Iterable[str]) -> str | None:
    """The column `plugins` of a record: JSON of name -> version and source digest on this machine; None without names.

    >>> plugins_text([]) is None
    True
    """
    found = plugins_of(names)
    return json.dumps(found, sort_keys=True) if found else None


def plugin_sources(names: Iterable[str]) -> dict[str, str | None]:
    """Source digest of each plugin on this machine; None for one that is not on it."""
    return {name: plugin["source_sha256"] for name, plugin in plugins_of(names).items()}


def plugin_versions(names: Iterable[str]) -> dict[str, str | None]:
    """Installed version of each plugin on this machine; None for one that was not installed."""
    return {name: plugin["version"] for name, plugin in plugins_of(names).items()}


def _git(root: Path, *arguments: str) -> str | None:
    if not (root / ".git").exists():  # an installed copy below somebody else's checkout is not ours
        return None
    try:
        command = ["git", "-C", str(root), *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
