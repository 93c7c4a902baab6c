"""Subcommands that share results: merge locations, bundle a study, verify a bundle."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import sys
import tempfile
import uuid
import zipfile
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ablations.errors import StudyError
from ablations.formatting import counted

if TYPE_CHECKING:
    from ablations.design.study import Study
    from ablations.sharing.bundle import StudySource
    from ablations.sharing.merge import Conflict, MergedStudy
    from ablations.sharing.verification import Manifest
    from silhouette.results import Store

MAX_LINES = 20
"""Values that differ, shown one a line for a trial."""


def merge(given: Namespace) -> int:
    """Write the union of the records of several results locations; 1 if a trial was not reproduced."""
    from ablations.sharing.merge import read_merge, study_names, write_merge
    from silhouette.errors import without_secret

    names = study_names(given.sources)
    if given.study is not None and given.study not in names:
        raise StudyError(f"--study: must be one of {', '.join(names)}, got {given.study!r}")
    names = names if given.study is None else [given.study]
    allowed = {"extend": given.extend, "mixed_code": given.allow_mixed_code}
    merged = [read_merge(name, given.sources, given.into, **allowed) for name in names]
    conflicts = [conflict for study in merged for conflict in study.conflicts]
    for conflict in conflicts:
        _print_conflict(conflict)
    if conflicts:
        trials = counted(len({(each.study, each.trial_id) for each in conflicts}), "trial")
        print(f"not merged: {trials} not reproduced; nothing was written")
        return 1
    for study in merged:
        write_merge(study, without_secret(shlex.join(["ablate", *given.given])))
        _print_merged(study)
    return 0


def _print_conflict(conflict: Conflict) -> None:
    from ablations.cli.trials import show_value

    print(f"{conflict.study}: {conflict.trial_id} is not the same in {conflict.first} and {conflict.second}")
    for each in conflict.differences[:MAX_LINES]:
        print(f"  {each.column}: {show_value(each.first)} and {show_value(each.second)}")
    if len(conflict.differences) > MAX_LINES:
        print(f"  and {len(conflict.differences) - MAX_LINES} more")


def _print_merged(merged: MergedStudy) -> None:
    from ablations.state.lock import living_driver

    records, doubles = counted(merged.records.num_rows, "record"), counted(merged.doubles, "equal double")
    print(f"{merged.name}: {records} in {merged.target.location}/{merged.name}, {doubles} dropped")
    for store in merged.stores:
        if living_driver(store) is not None:
            print(f"note: `ablate run` works on {store.location}/{merged.name} now; merge again when it has ended")


def bundle(given: Namespace) -> int:
    """Write one zip with everything behind the report of a study."""
    from ablations.cli.results import open_store
    from ablations.sharing.archive import pack
    from ablations.sharing.bundle import make_bundle

    source, name = _study_source(given)
    target = Path(given.to or f"{name}.zip")
    _check_replaceable(target)
    made = make_bundle(open_store(given, name), source, _report_files)
    data = pack(made.files)
    _write(target, data)
    for note in made.notes:
        print(f"note: {note}")
    if made.interim:
        print(f"interim: {made.interim}")
    print(f"{name}: {counted(len(made.files), 'file')} in {target}, {len(data) / 1e6:.1f} MB")
    print(f"SHA-256: {hashlib.sha256(data).hexdigest()}")
    print("before a deposit: give author and licence, marked FILL IN in zenodo.json and ro-crate-metadata.json")
    return 0


def _study_source(given: Namespace) -> tuple[StudySource, str]:
    """The file of the study that a command line names, with what of it does not fit the records; and its name."""
    from ablations.cli.results import open_store, read_study
    from ablations.design.loading import built_in
    from ablations.design.plan import as_stored
    from ablations.sharing.bundle import StudySettings, StudySource

    study = read_study(given)
    stored, notes = as_stored(study, open_store(given, study.name))
    own = given.study.endswith(".py")
    stop = (stored.stop is not None, len(stored.seeds) if stored.stop else None)
    settings = StudySettings(tuple(given.set), given.seeds, given.epochs, given.dataset, *stop)
    note = "; ".join(line.removeprefix("note: ") for line in notes).replace("the report shows", "the records are of")
    path = Path(given.study) if own else built_in()[study.name]
    return StudySource(path, not own, settings, note), study.name


def _report_files(store: Store) -> Iterable[tuple[str, bytes]]:
    from analysis.report.write import files
    from analysis.results.analyse import analyse_study

    return files(analyse_study(store))


def _check_replaceable(target: Path) -> None:
    """An earlier bundle may be replaced; any other file stays."""
    if target.suffix != ".zip":
        raise StudyError(f"--to: must be a .zip file, got {str(target)!r}")
    if not target.exists():
        return
    try:
        with zipfile.ZipFile(target) as archive:
            earlier = "manifest.json" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        earlier = False
    if not earlier:
        raise StudyError(f"--to: there is a file that is no bundle; give another name, got {str(target)!r}")


def _write(target: Path, data: bytes) -> None:
    temporary = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as sink:
            sink.write(data)
            sink.flush()
            os.fsync(sink.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def verify(given: Namespace) -> int:
    """Check every file of a bundle, rebuild its report, and train a trial again if that is asked for."""
    from ablations.sharing.verification import check_files

    _check_verify_options(given)
    with _folder(given.to) as folder:
        manifest, faults = check_files(Path(given.file), folder)
        for line in faults:
            print(line)
        if faults:
            print(f"not verified: {counted(len(faults), 'fault')} in {given.file}; do not use what is in it")
            return 1
        print(f"{manifest.study}: {counted(len(manifest.sums), 'file')} as the manifest says")
        if manifest.interim:
            print(f"interim: {manifest.interim}")
        good = _verify_report(folder, manifest)
        if given.rerun is not None:
            good = _rerun(given, folder, manifest) and good
        if given.to is not None:
            print(f"unpacked in {given.to}")
    return 0 if good else 1


def _check_verify_options(given: Namespace) -> None:
    if given.rerun is None and (given.trust or given.study):
        raise StudyError(f"{'--trust' if given.trust else '--study'}: requires --rerun TRIAL_ID")
    if given.trust and given.study:
        raise StudyError("--trust: runs the study file of the bundle; leave out --study")
    if given.to is not None and Path(given.to).exists() and any(Path(given.to).iterdir()):
        raise StudyError(f"--to: must be a new or empty folder, got {given.to!r}")


@contextmanager
def _folder(to: str | None) -> Iterator[Path]:
    if to is not None:
        Path(to).mkdir(parents=True, exist_ok=True)
        yield Path(to)
        return
    with tempfile.TemporaryDirectory(prefix="ablate-") as scratch:
        yield Path(scratch)


def _verify_report(folder: Path, manifest: Manifest) -> bool:
    from ablations.sharing.verification import TOLERANCE, check_report

    found = check_report(folder, manifest, _report_files)
    for line in found.other_versions:
        print(f"note: made with {line}")
    if found.same_bytes:
        print(f"report: identical, {counted(found.files, 'file')} rebuilt from the records, byte for byte")
        return True
    for line in found.differing[:MAX_LINES]:
        print(line)
    if len(found.differing) > MAX_LINES:
        print(f"and {len(found.differing) - MAX_LINES} more")
    if not found.differing:
        print(f"report: same numbers within {TOLERANCE:g}, other bytes, as other versions made it")
    return not found.differing


def _rerun(given: Namespace, folder: Path, manifest: Manifest) -> bool:
    """Train a trial again with code that the person has chosen, and compare it with the record of the bundle."""
    from ablations.cli.trials import verification_lines
    from ablations.driver.verify import verify_trial
    from ablations.sharing.bundle import RESULTS
    from silhouette.results import FINISHED, Store

    store = Store(str(folder / RESULTS), manifest.study)
    rows = store.load(["trial_id", "status"]).to_pylist()
    if not any(row["trial_id"] == given.rerun and row["status"] in FINISHED for row in rows):
        raise StudyError(f"--rerun: must be a trial_id with a finished record in {given.file}, got {given.rerun!r}")
    try:
        found = verify_trial(_study_to_run(given, folder, manifest), store, given.rerun)
    except StudyError as error:
        raise StudyError(re.sub("^--only:", "--rerun:", str(error))) from None
    for line in verification_lines(found):
        print(line)
    return found.identical


def _study_to_run(given: Namespace, folder: Path, manifest: Manifest) -> Study:
    """The study whose code the person has chosen: that of the bundle, his own copy, or the one that ships."""
    from ablations.design.loading import change_study, load_study

    if given.trust:
        study = _load_trusted(folder, manifest)
    elif given.study is None and not manifest.built_in:
        raise StudyError(
            f"--rerun: would run {manifest.study_file} of the bundle; read it, then pass --trust; or give --study with "
            "your own copy"
        )
    elif ":" in (texts := " ".join(manifest.settings.texts)):
        raise StudyError(f"--rerun: the settings of the bundle may name code or files; pass --trust, got {texts!r}")
    else:
        study = load_study(given.study or manifest.study)
    given_then = manifest.settings
    extra = {"epochs": given_then.epochs, "dataset": given_then.dataset}
    return change_study(
        study.replaced(name=manifest.study), given_then.set, given_then.seeds, extra,
        until_decided=given_then.until_decided, max_seeds=given_then.max_seeds,
    )  # fmt: skip


def _load_trusted(folder: Path, manifest: Manifest) -> Study:
    from ablations.design.loading import load_study

    plugins = folder / "plugins"
    print(f"running code of the bundle: {manifest.study_file}{', plugins/' if plugins.is_dir() else ''}")
    if plugins.is_dir():
        sys.path.insert(0, str(plugins.resolve()))
    return load_study(folder / manifest.study_file)
