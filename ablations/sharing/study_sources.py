"""The source files behind a study: its file, helpers beside it, plugins. They are found by reading, not importing."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

import pyarrow as pa

from silhouette.registry import place_of, sources_in
from silhouette.registry.imports import OURS, module_files, package_files, with_imports
from silhouette.results import FINISHED

DISTRIBUTION = "soft-silhouette-ablations"
OWN_NAME = re.compile(r"(?<![\w:.])([^\W\d]\w*)(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?![\w:/])")
"""`package.module:attribute`, also as a term of an objective; the group is the top-level name."""
NAMED_IN = ("encoder", "dataset", "objective", "metrics")
"""Settings of a config that may name a plugin."""
MAX_PLUGIN_BYTES = 5 << 20
"""A larger package is no plugin of one study, but a library; its version is recorded, not its source."""


def study_files(path: Path) -> dict[str, Path]:
    """The study file and all modules and packages beside it that it imports, by path relative to its folder.

    Args:
        path: The study file.
    """
    folder = path.resolve().parent
    return {file.relative_to(folder).as_posix(): file for file in with_imports([path.resolve()], folder)}


def recorded_sources(records: pa.Table) -> dict[str, set[str | None]]:
    """The source digests of each plugin in finished records; more than one where its source has changed in between."""
    found: dict[str, set[str | None]] = {}
    for text, status in zip(records["plugins"].to_pylist(), records["status"].to_pylist(), strict=True):
        for name, digest in sources_in(text).items() if status in FINISHED else ():
            found.setdefault(name, set()).add(digest)
    return found


def plugin_names(plan: Mapping[str, Any], records: pa.Table, functions: Iterable[str] = ()) -> list[str]:
    """Top-level names of the packages that a study uses beside this project.

    Args:
        plan: Its plan.
        records: Its records.
        functions: `module:function` of the metrics that were measured after the study.
    """
    named = map(place_of, (*functions, *(plan.get("plugins") or ())))
    texts = [*named, plan.get("experiment") or "", *_config_texts(plan)]
    names = {match[1] for text in texts for match in OWN_NAME.finditer(text)}
    names |= {match[1] for name in recorded_sources(records) if (match := OWN_NAME.fullmatch(place_of(name)))}
    return sorted(names - {*OURS})


def _config_texts(plan: Mapping[str, Any]) -> Iterator[str]:
    for arm in plan["arms"]:
        for config in (arm.get("config") or {}, arm.get("start") or {}, arm.get("settings") or {}):
            for field in NAMED_IN:
                value = config.get(field)
                yield from (str(part) for part in (value if isinstance(value, list) else [value]) if part)


def plugin_files(names: Iterable[str], beside: Path | None) -> tuple[dict[str, Path], dict[str, str]]:
    """The `.py` files of plugins, with what these import from beside them, and why others are left out.

    Args:
        names: Top-level names.
        beside: Folder of the study file, which is searched first, as Python does when it reads the study.

    Returns:
        Path of every file by its name in the bundle, and for each plugin whose source is left out the reason.
    """
    found, left_out = dict[str, Path](), dict[str, str]()
    for name in names:
        files, root = _plugin(name, beside)
        if not files or root is None:
            left_out[name] = "not found on this machine"
        elif _is_dependency(name, files[0]):
            left_out[name] = "a library that this project depends on"
        elif sum(path.stat().st_size for path in files) > MAX_PLUGIN_BYTES:
            left_out[name] = f"more than {MAX_PLUGIN_BYTES >> 20} MiB of source"
        else:
            found |= {path.relative_to(root).as_posix(): path for path in with_imports(files, root)}
    return found, left_out


def _plugin(name: str, beside: Path | None) -> tuple[list[Path], Path | None]:
    if beside is not None and (files := module_files(beside, name)):
        return files, beside
    try:
        spec = importlib.util.find_spec(name)  # of a top-level name: this imports nothing
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return [], None
    if spec.submodule_search_locations is not None:
        folder = Path(next(iter(spec.submodule_search_locations)))
        return package_files(folder), folder.parent
    origin = Path(spec.origin or "")
    return ([origin], origin.parent) if origin.suffix == ".py" else ([], None)


def _is_dependency(name: str, file: Path) -> bool:
    """Return True for an installed package that this project needs itself: it is somebody else's library."""
    if "site-packages" not in file.parts and "dist-packages" not in file.parts:
        return False
    return bool({_plain(owner) for owner in packages_distributions().get(name, ())} & _needed())


@cache
def _needed() -> frozenset[str]:
    """Names of all distributions that this project needs, and those that these need."""
    found, to_visit = set[str](), [DISTRIBUTION]
    while to_visit:
        try:
            lines = requires(to_visit.pop()) or []
        except PackageNotFoundError:
            continue
        for line in lines:
            name = _plain(re.split(r"[^\w.-]", line.strip(), maxsplit=1)[0])
            if name not in found:
                found.add(name)
                to_visit.append(name)
    return frozenset(found)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
