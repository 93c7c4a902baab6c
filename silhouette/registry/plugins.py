"""Version and source of a person's own code: a record says by which code it was made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from silhouette.registry.imports import with_imports
from silhouette.registry.loading import GROUPS, is_own, registered


class Plugin(TypedDict):
    """What identifies the code of a plugin.

    Attributes:
        version: Version of the distribution that it was installed with; None for a plain module or folder.
        source_sha256: First 12 hex digits of the SHA-256 over the .py files of its top-level package, or of its module
            with the modules beside it that it imports; None if it is not on this machine.
    """

    version: str | None
    source_sha256: str | None


def plugins_of(names: Iterable[str]) -> dict[str, Plugin]:
    """Return version and source digest of each name of a person's own; nothing is imported.

    Args:
        names: `module:attribute`, or plain names that installed packages register.

    >>> plugins_of(["no_such_package.nets:tiny"])
    {'no_such_package.nets:tiny': {'version': None, 'source_sha256': None}}
    """
    return {name: _plugin(place_of(name).partition(":")[0].partition(".")[0]) for name in sorted(set(names))}


def sources_in(column: str | None) -> dict[str, str | None]:
    """Source digest of each plugin in the column `plugins` of a record.

    >>> sources_in('{"m:f": {"version": null, "source_sha256": "0123456789ab"}}'), sources_in(None)
    ({'m:f': '0123456789ab'}, {})
    """
    try:
        found = json.loads(column or "{}")
        return {name: plugin["source_sha256"] for name, plugin in found.items()}
    except (ValueError, AttributeError, KeyError, TypeError):  # a damaged record
        return {}


def place_of(name: str) -> str:
    """Return the `module:attribute` that a name stands for; a name that nothing registers as it is. Imports nothing.

    >>> place_of("mypkg.nets:tiny"), place_of("not_registered")
    ('mypkg.nets:tiny', 'not_registered')
    """
    if is_own(name):
        return name
    return next((found[name][0] for kind in GROUPS if name in (found := registered(kind))), name)


@cache
def _plugin(top: str) -> Plugin:
    return {"version": _version(top), "source_sha256": _source_digest(top)}


def _version(top: str) -> str | None:
    try:
        return version(packages_distributions()[top][0])
    except (KeyError, PackageNotFoundError):
        return None


def _source_digest(top: str) -> str | None:
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    files = [(path.relative_to(folder), path) for folder in folders for path in folder.rglob("*.py")]
    if spec and not folders and spec.origin and spec.origin.endswith(".py"):
        origin = Path(spec.origin)
        files = [(path.relative_to(origin.parent), path) for path in with_imports([origin], origin.parent)]
    sums = hashlib.sha256()
    for shown, path in sorted(files):
        sums.update(f"{shown.as_posix()}\0".encode() + path.read_bytes())
    return sums.hexdigest()[:12] if files else None
