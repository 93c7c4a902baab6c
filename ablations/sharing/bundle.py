"""One zip file with everything behind a report: plan, records, report, sources, environment, archive metadata."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from ablations.design.plan import read_description
from ablations.errors import StudyError
from ablations.formatting import counted
from ablations.sharing.crate import About, crate_metadata, readme, zenodo_metadata
from ablations.sharing.environment import data_hashes, environment, report_makers
from ablations.sharing.study_sources import DISTRIBUTION, plugin_files, plugin_names, recorded_sources, study_files
from ablations.state.lock import living_driver
from ablations.state.pending import has_complete_plan, planned_trials
from ablations.state.provenance import plugin_sources
from silhouette.evaluated import FILE as EVALUATED
from silhouette.evaluated import Evaluation, read_evaluations
from silhouette.results import FINISHED, Store

ReportFiles = Callable[[Store], Iterable[tuple[str, bytes]]]
"""Makes the report of a store: names and contents of its files. The command line gives it."""
VERSION = 1
MANIFEST = "manifest.json"
RESULTS = "results"
PLAN_FILES = ("study.json", "frozen.json")
BESIDE = (EVALUATED,)
"""Files beside the records that a report reads, where there are any."""
CREDENTIAL = re.compile(
    rb"://[^/@\s'\":{}<>]{1,200}:[^@\s'\"{}<>]{1,200}@|://[^\s'\"]{1,999}[?&](?:account_key|sas_token|client_secret|secret_key)=\w"
)
"""User and password, or a key, in a URI."""


@dataclass(frozen=True)
class Bundle:
    """The content of a bundle.

    Attributes:
        study: Name of the study.
        files: Content by path in the zip, with the manifest.
        interim: What is still missing, in words; empty for a complete study.
        notes: What a reader should know, one line each.
    """

    study: str
    files: dict[str, bytes]
    interim: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class StudySettings:
    """The options of the command line that change a study.

    Attributes:
        set: `field=value` of every `--set`.
        seeds: Number of seeds, if one was given.
        epochs: Epochs of every trial, if they were given.
        dataset: Data set, if one was given.
        until_decided: Whether seeds are run until every comparison is decided.
        max_seeds: How many there may then be, if that was given.
    """

    set: tuple[str, ...] = ()
    seeds: int | None = None
    epochs: str | None = None
    dataset: str | None = None
    until_decided: bool = False
    max_seeds: int | None = None

    @property
    def texts(self) -> list[str]:
        """All that may name something."""
        return [*self.set, *filter(None, [self.epochs, self.dataset])]


@dataclass(frozen=True)
class StudySource:
    """Where a study comes from.

    Attributes:
        path: Its file.
        built_in: Whether it ships with this project.
        settings: What the command line changes in it.
        note: What of its file does not fit the plan of the records; empty if all does.
    """

    path: Path
    built_in: bool
    settings: StudySettings = StudySettings()
    note: str = ""


def make_bundle(store: Store, source: StudySource, report: ReportFiles) -> Bundle:
    """Everything behind the report of a study. The same study gives the same bytes on the same machine.

    Args:
        store: The study's records; nothing is written there.
        source: The study's file.
        report: Makes the report.

    Raises:
        StudyError: If there are no records, a driver works on the study, or a file has credentials in it.
    """
    plan, records = _checked(store)
    files = {**_results(store, records, report), **_sources(source)}
    evaluations = read_evaluations(store)
    names = plugin_names(plan, records, [one.function for one in evaluations])
    plugins, left_out = plugin_files(names, None if source.built_in else source.path.resolve().parent)
    files |= {f"plugins/{name}": path.read_bytes() for name, path in plugins.items()}
    files["environment.json"] = _json(environment(records, left_out))
    files["data.json"] = _json(data_hashes(records))
    about = _about(store, plan, records)
    notes = (
        *filter(None, [source.note]),
        *(f"the source of {name} is not in the bundle: {why}" for name, why in left_out.items()),
        *(f"the source of {name} has changed since its records were made" for name in _changed(records, evaluations)),
    )
    parts = [name.partition("/")[0] for name in files]
    files["README.md"] = readme(about, parts, notes).encode()
    files["zenodo.json"] = _json(zenodo_metadata(about))
    files["ro-crate-metadata.json"] = _json(crate_metadata(about, [*files, MANIFEST]))
    _check_no_credentials(files, records)
    files[MANIFEST] = _json(_manifest(store.study, source, about, files))
    return Bundle(store.study, files, about.interim, notes)


def _changed(records: pa.Table, evaluations: Iterable[Evaluation]) -> list[str]:
    """What of a person's own is here with another source than in the records, or as values were measured with it."""
    found = recorded_sources(records)
    for one in evaluations:
        found.setdefault(one.function, set()).add(one.source_sha256)
    here = plugin_sources(found)
    return sorted(name for name, digests in found.items() if here[name] and digests - {here[name]})


def _checked(store: Store) -> tuple[dict[str, Any], pa.Table]:
    where = f"{store.location}/{store.study}"
    plan, records = read_description(store), store.load()
    if plan is None or not any(status in FINISHED for status in records["status"].to_pylist()):
        raise StudyError(f"STUDY: {where} must have finished records, got none; run the study first")
    if driver := living_driver(store):
        who = f"process {driver['pid']} on {driver['host']}"
        raise StudyError(f"STUDY: {who} runs {store.study} now; bundle it when that run has ended")
    return plan, records


def _results(store: Store, records: pa.Table, report: ReportFiles) -> dict[str, bytes]:
    """Plan, records and report, as they lie below a results location; the report is made from these very files."""
    with tempfile.TemporaryDirectory(prefix="ablate-") as scratch:
        copy = Store(scratch, store.study)
        copy.write_table(records)
        for name in (*PLAN_FILES, *BESIDE):
            if (data := store.read_bytes(name)) is not None:
                copy.write_bytes(data, name)
        found = {f"report/{name}": content for name, content in report(copy)}
        found |= {name: copy.read_bytes(name) or b"" for name in copy.names()}
    return {f"{RESULTS}/{store.study}/{name}": content for name, content in found.items()}


def _sources(source: StudySource) -> dict[str, bytes]:
    return {f"study/{name}": path.read_bytes() for name, path in study_files(source.path).items()}


def _about(store: Store, plan: Mapping[str, Any], records: pa.Table) -> About:
    status = records["status"].to_pylist()
    started = [text for text in records["started_at"].to_pylist() if text]
    return About(
        study=store.study,
        question=str(plan["question"]),
        date=max(started)[:10] if started else "1970-01-01",
        software=version(DISTRIBUTION),
        interim="" if has_complete_plan(store) else _missing(planned_trials(store), records),
        trials=sum(each in FINISHED for each in status),
    )


def _missing(planned: set[tuple[str, int]], records: pa.Table) -> str:
    columns = ("arm", "seed", "phase", "status")
    rows = zip(*(records[name].to_pylist() for name in columns), strict=True)
    ended = {(arm, seed) for arm, seed, phase, status in rows if phase == "confirm" and status in FINISHED}
    return f"{len(planned - ended)} of {counted(len(planned), 'planned trial')} have no finished record"


def _manifest(study: str, source: StudySource, about: About, files: Mapping[str, bytes]) -> dict[str, Any]:
    sums = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in sorted(files.items())
    }
    return {
        "schema_version": VERSION,
        "study": study,
        "study_file": f"study/{source.path.name}",
        "built_in": source.built_in,
        "settings": asdict(source.settings),
        "interim": about.interim,
        "report_made_with": report_makers(),
        "files": sums,
    }


def _check_no_credentials(files: Mapping[str, bytes], records: pa.Table) -> None:
    for name, line in _credentials(files, records):
        raise StudyError(
            f"{name}: {line} has the credentials of a URI, which a bundle would publish; remove them, then bundle again"
        )


def _credentials(files: Mapping[str, bytes], records: pa.Table) -> Iterator[tuple[str, str]]:
    for column in ("config", "error", "versions", "host", "machine", "device"):
        for trial, text in zip(records["trial_id"].to_pylist(), records[column].to_pylist(), strict=True):
            if text and CREDENTIAL.search(text.encode()):
                yield "records", f"{column} of trial {trial}"
    for name, data in files.items():
        if not name.endswith((".parquet", ".pdf")) and (found := CREDENTIAL.search(data)):
            before = data[: found.start()].splitlines()
            yield name, f"line {max(1, len(before))}"


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
