"""Check a bundle that somebody else made: every hash, then the report, rebuilt from the records. Runs no code of it."""

from __future__ import annotations

import json
import math
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablations.errors import StudyError
from ablations.sharing.archive import open_archive, read_member, unpack_member, unsafe_members
from ablations.sharing.bundle import BESIDE, MANIFEST, PLAN_FILES, RESULTS, VERSION, ReportFiles, StudySettings
from ablations.sharing.environment import report_makers
from silhouette.errors import InputError
from silhouette.results import Store, check_name

MANIFEST_BYTES = 64 << 20
TOLERANCE = 1e-9
"""Relative difference that two numbers of a report may have where other versions computed them."""


@dataclass(frozen=True)
class Manifest:
    """What the manifest of a bundle says; checked.

    Attributes:
        study: Name of the study.
        study_file: Path of its file in the bundle.
        built_in: Whether it ships with this project.
        settings: The options of the command line that change the study.
        interim: What was still missing, in words.
        made_with: Versions that decide the bytes of the report.
        sums: SHA-256 of every file but the manifest.
    """

    study: str
    study_file: str
    built_in: bool
    settings: StudySettings
    interim: str
    made_with: Mapping[str, str]
    sums: Mapping[str, str]


@dataclass(frozen=True)
class ReportCheck:
    """The report of a bundle beside the one that its records give here.

    Attributes:
        other_versions: What was another version there, one line each; empty if nothing was.
        files: How many files were compared.
        differing: One line for each file, or for each number if the versions differ, that is not the same.
        same_bytes: Whether every file has the same bytes.
    """

    other_versions: tuple[str, ...]
    files: int
    differing: tuple[str, ...]
    same_bytes: bool


def read_manifest(archive: zipfile.ZipFile) -> Manifest:
    """The manifest of a bundle.

    Raises:
        StudyError: If there is none, or it is damaged.
    """
    where = f"FILE: {Path(str(archive.filename)).name}"
    if MANIFEST not in archive.namelist():
        raise StudyError(f"{where}: must have a {MANIFEST}, as `ablate bundle` writes it; this is no bundle")
    try:
        raw = json.loads(read_member(archive, MANIFEST, MANIFEST_BYTES))
        if raw["schema_version"] > VERSION:
            raise StudyError(
                f"{where}: its format is {raw['schema_version']}, known is {VERSION}; install a newer version"
            )
        return Manifest(
            study=check_name("study", str(raw["study"])),
            study_file=_listed_study(raw),
            built_in=raw["built_in"] is True,
            settings=_settings(raw["settings"]),
            interim=str(raw["interim"]),
            made_with={str(key): str(value) for key, value in raw["report_made_with"].items()},
            sums={str(name): str(entry["sha256"]) for name, entry in raw["files"].items()},
        )
    except StudyError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StudyError(f"{where}: {MANIFEST} is damaged ({type(error).__name__}: {error})") from None


def _listed_study(raw: Mapping[str, Any]) -> str:
    """The study file, which must be one of the files that are checked."""
    name = str(raw["study_file"])
    if name not in raw["files"] or not (name.startswith("study/") and name.endswith(".py")):
        raise ValueError(f"study_file: must be a listed file study/NAME.py, got {name!r}")
    return name


def _settings(raw: Mapping[str, Any]) -> StudySettings:
    texts = [*raw["set"], *filter(None, [raw["epochs"], raw["dataset"]])]
    numbers = (raw["seeds"], raw.get("max_seeds"))  # bundles of older versions lack the second
    if not (all(isinstance(text, str) for text in texts) and all(n is None or type(n) is int for n in numbers)):
        raise ValueError("settings: must be texts and a number of seeds")
    until = raw.get("until_decided") is True
    return StudySettings(tuple(raw["set"]), numbers[0], raw["epochs"], raw["dataset"], until, numbers[1])


def check_files(path: Path, folder: Path) -> tuple[Manifest, list[str]]:
    """Check every file of a bundle against its manifest, and unpack them if all are as it says.

    Args:
        path: The bundle.
        folder: Where to unpack; nothing is written there if there is a fault.

    Returns:
        The manifest, and one line for each file that is unsafe, missing, changed or not listed.

    Raises:
        StudyError: If the file is no bundle.
    """
    with open_archive(path) as archive:
        unsafe = list(unsafe_members(archive))
        manifest = read_manifest(archive)
        faults = unsafe or list(_faults(archive, manifest))
        for name in () if faults else archive.namelist():
            unpack_member(archive, name, folder)
    return manifest, faults


def _faults(archive: zipfile.ZipFile, manifest: Manifest) -> Iterator[str]:
    names = archive.namelist()
    yield from (f"{name}: missing" for name in sorted(manifest.sums.keys() - {*names}))
    for name in sorted({*names} - {MANIFEST}):
        if name not in manifest.sums:
            yield f"{name}: not in the manifest"
            continue
        try:
            found = unpack_member(archive, name, None)
        except ValueError as error:
            yield f"{name}: {error}"
            continue
        if found != manifest.sums[name]:
            yield f"{name}: changed, its SHA-256 is {found[:12]}… and not {manifest.sums[name][:12]}…"


def check_report(folder: Path, manifest: Manifest, report: ReportFiles) -> ReportCheck:
    """Rebuild the report from plan and records in a scratch folder, and compare it with the one of the bundle.

    Args:
        folder: The unpacked bundle; nothing is written there.
        manifest: Its manifest.
        report: Makes the report.
    """
    here = report_makers()
    keys = dict.fromkeys([*manifest.made_with, *here])
    pairs = [(key, manifest.made_with.get(key, "absent"), here.get(key, "absent")) for key in keys]
    others = tuple(f"{key} {there}, here {now}" for key, there, now in pairs if there != now)
    bundled = folder / RESULTS / manifest.study
    try:
        rebuilt = _rebuilt(bundled, manifest.study, report)
    except InputError as error:
        return ReportCheck(others, 0, (f"the report cannot be rebuilt: {error}",), False)
    old = {path.relative_to(bundled / "report").as_posix(): path for path in (bundled / "report").rglob("*")}
    old = {name: path for name, path in old.items() if path.is_file()}
    lines = list(_file_differences({name: path.read_bytes() for name, path in old.items()}, rebuilt))
    same = not lines
    if others and lines:
        lines = list(_number_differences(old.get("report.json"), rebuilt["report.json"]))
    return ReportCheck(others, len(rebuilt), tuple(lines), same)


def _rebuilt(bundled: Path, study: str, report: ReportFiles) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="ablate-") as scratch:
        copy = Store(scratch, study)
        for name in (*PLAN_FILES, *BESIDE, "records.parquet"):
            if (bundled / name).is_file():
                copy.write_bytes((bundled / name).read_bytes(), name)
        return dict(report(copy))


def _file_differences(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield f"report/{name}: is not in the rebuilt report"
        elif name not in old:
            yield f"report/{name}: is in the rebuilt report only"
        elif old[name] != new[name]:
            yield f"report/{name}: differs from the rebuilt one"


def _number_differences(old: Path | None, new: bytes) -> Iterator[str]:
    try:
        before = dict(_numbers("", json.loads(old.read_bytes()))) if old else {}
    except ValueError:
        before = {}
    after = dict(_numbers("", json.loads(new)))
    for place in dict.fromkeys([*before, *after]):
        first, second = before.get(place), after.get(place)
        if first is None or second is None or not math.isclose(first, second, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"report.json, {place}: {first!r} in the bundle, {second!r} rebuilt"


def _numbers(place: str, value: Any) -> Iterator[tuple[str, float]]:
    """All numbers of a document with their places."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(f"{place}.{key}".lstrip("."), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _numbers(f"{place}[{index}]", inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place, float(value)
