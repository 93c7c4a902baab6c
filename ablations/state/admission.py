"""Admission of a node: it may run trials if it sees the results that the driver writes and runs the driver's code.

Without this check a node would write its records to a folder that nobody reads, or mix two versions of the code.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence

from ablations.errors import StudyError, first_line
from ablations.state.lock import FILE, DriverIdentity
from ablations.state.provenance import source_digest
from silhouette.errors import InputError, without_secret
from silhouette.registry import load, place_of, plugins_of
from silhouette.results import Store

DOCTOR = "`ablate doctor --address auto` compares the nodes"
ADVICE = "give a folder that every node mounts at the same path, or s3://bucket/prefix"
PAUSES = (1.0, 2.0, 5.0)
"""Seconds before each retry of a store that does not answer. The driver needs the verdict of a node within 15 s."""
_CODE = ("sources", "plugins", "plugin_versions")
"""Parts of a driver's identity that are no part of its lock file."""
LATE_PAUSES = (1.0, 5.0, 15.0, 30.0)
"""The same for a node that joins a running study. A verdict against it ends the study, so it waits longer."""


def mismatch(uri: str, study: str, driver: DriverIdentity, pauses: Sequence[float] = PAUSES) -> tuple[str, str] | None:
    """Compare this node with the driver.

    Args:
        uri: Location of the results.
        study: Name of the study.
        driver: The driver.
        pauses: Seconds before each retry of a store that does not answer.

    Returns:
        None if this node may run trials. Otherwise the option at fault and what is wrong with it on this node.
    """
    sources = driver.get("sources")
    if sources not in (None, source_digest()):
        advice = f"sync the checkout, or submit with --working-dir; {DOCTOR}"
        return "--address", f"runs sources {source_digest()} of this project, the driver {sources}; {advice}"
    versions = driver.get("plugin_versions") or {}
    for name, wanted in (driver.get("plugins") or {}).items():
        if line := _plugin_mismatch(name, wanted, versions.get(name)):
            return "--address", line
    reason = _lock_file_mismatch_with_retries(uri, study, driver, pauses)
    return None if reason is None else ("--results", without_secret(f"does not see {uri} ({reason}); {ADVICE}"))


def _plugin_mismatch(name: str, wanted: str | None, version: str | None) -> str | None:
    """What is wrong on this node with a plugin of the driver's study, which is imported; None if nothing is.

    A plugin without a version, or without Python sources, is compared by the rest.
    """
    advice = "install the same version on every node, or submit with --working-dir"
    found = plugins_of([name])[name]
    source = found["source_sha256"]
    if source is None and wanted is not None:
        return f"cannot import {name}; {advice}"
    if source != wanted:
        return f"has source {source} of {name}, the driver {wanted}; {advice}"
    if None not in (version, found["version"]) and version != found["version"]:
        return f"has version {found['version']} of {name}, the driver {version}; {advice}"
    try:
        load(place_of(name))
    except ValueError as error:
        return f"cannot use {error}; {advice}"
    return None


def require_admission(uri: str, study: str, driver: DriverIdentity | None) -> None:
    """Check, on a worker and before its first trial, that this node may run trials.

    Args:
        uri: Location of the results.
        study: Name of the study.
        driver: As for `mismatch`. None on a machine that runs the driver too, where nothing can differ.

    Raises:
        StudyError: If this node sees other results than the driver, or runs other code.
    """
    found = mismatch(uri, study, driver, LATE_PAUSES) if driver else None
    if found:
        raise StudyError(f"{found[0]}: {platform.node()} {found[1]}")


def lock_file_mismatch(uri: str, study: str, driver: DriverIdentity) -> str | None:
    """Compare the lock file that this node sees with the one that the driver wrote.

    Returns:
        None if they agree, otherwise the difference.

    Raises:
        InputError: If the URI cannot be used on this node.
        OSError: If the store does not answer.
    """
    found = Store(uri, study).read_json(FILE)
    if found is None:
        return f"no {FILE} there"
    same = all(found.get(key) == value for key, value in driver.items() if key not in _CODE)
    return None if same else f"another driver's {FILE}"


def _lock_file_mismatch_with_retries(
    uri: str, study: str, driver: DriverIdentity, pauses: Sequence[float]
) -> str | None:
    """`lock_file_mismatch`, called again after an error of the store, which may be temporary."""
    reason = None
    for pause in (0.0, *pauses):
        time.sleep(pause)
        try:
            return lock_file_mismatch(uri, study, driver)
        except (InputError, OSError) as error:
            reason = first_line(error)
    return reason
