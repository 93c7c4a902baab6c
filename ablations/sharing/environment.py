"""With which code, packages and data the records and the bundle were made."""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

import pyarrow as pa

from ablations.sharing.study_sources import DISTRIBUTION
from ablations.state.provenance import git_state
from silhouette.registry.imports import OURS
from silhouette.results import FINISHED

DRAWN_WITH = ("jinja2", "markupsafe", "matplotlib", "numpy", "optuna", "pyarrow", "scipy")
"""Packages that decide the bytes of a report, beside Python and this project."""


def report_makers() -> dict[str, str]:
    """What decides the bytes of a report: this project, Python, the packages that compute and draw it, the machine."""
    found = {"source_sha256": all_sources(), "python": platform.python_version(), "machine": platform.machine()}
    for name in (DISTRIBUTION, *DRAWN_WITH):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def all_sources() -> str:
    """The first 12 hex digits of the SHA-256 over all sources of this project, those of the report too."""
    root, sums = Path(__file__).parents[2], hashlib.sha256()
    for package in OURS:
        for path in sorted((root / package).rglob("*.py")):
            sums.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return sums.hexdigest()[:12]


def environment(records: pa.Table, plugins_left_out: Mapping[str, str]) -> dict[str, Any]:
    """The environments of the records and of this machine, as plain data; no variables, no paths, no user names.

    Args:
        records: The records of the study.
        plugins_left_out: Plugins whose source is not in the bundle, with the reason.

    Returns:
        `records`: how many finished records have each version, device, commit and source digest. `bundled_with`: the
        same of this machine, with all installed packages in the form of `pip freeze`. `plugins_left_out`.
    """
    columns = ("versions", "plugins", "device", "threads", "git_commit", "git_dirty", "source_sha256")
    return {
        "records": {name: _counts(records, name) for name in columns},
        "bundled_with": {
            **report_makers(),
            "platform": platform.platform(),
            **git_state(),
            "packages": installed(),
        },
        "plugins_left_out": dict(plugins_left_out),
    }


@cache
def installed() -> list[str]:
    """All installed distributions as `name==version`, sorted; where they came from may be private and is left out."""
    found = {f"{each.metadata['Name']}=={each.version}" for each in distributions() if each.metadata["Name"]}
    return sorted(found, key=str.lower)


def _counts(records: pa.Table, name: str) -> dict[str, int]:
    rows = zip(records["status"].to_pylist(), records[name].to_pylist(), strict=True)
    counted = Counter("not recorded" if value is None else str(value) for status, value in rows if status in FINISHED)
    return dict(sorted(counted.items()))


def data_hashes(records: pa.Table) -> dict[str, dict[str, Any]]:
    """Digests of the data by data set: that of the images, and those of the test samples, which may move with the seed.

    Args:
        records: The records of the study.

    Returns:
        By data set `data_sha256` and `test_pool_sha256`, both sorted; empty lists where the records have none.
    """
    found: dict[str, dict[str, set[str]]] = {}
    columns = ("config", "status", "data_sha256", "test_pool_sha256")
    for text, status, data, pool in zip(*(records[name].to_pylist() for name in columns), strict=True):
        if status in FINISHED:
            entry = found.setdefault(_dataset(text), {"data_sha256": set(), "test_pool_sha256": set()})
            entry["data_sha256"] |= {data} - {None}
            entry["test_pool_sha256"] |= {pool} - {None}
    return {name: {key: sorted(values) for key, values in found[name].items()} for name in sorted(found)}


def _dataset(config: str | None) -> str:
    try:
        return str(json.loads(config or "{}").get("dataset") or "not named")
    except (ValueError, AttributeError):
        return "not named"
