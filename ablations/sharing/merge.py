"""The records of one study from several results locations as one: equal doubles drop, different ones are a failure.

Everything is read and checked before anything is written. Then kept files, evaluations, records, frozen plan and plan
are written in this order, each atomically. After a kill the same merge can be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ablations.errors import StudyError
from ablations.sharing.merged_plan import MergedPlan, merge_plans
from ablations.sharing.study_sources import recorded_sources
from ablations.state.agreement import Difference, differences
from ablations.state.kept import FOLDER as KEPT
from ablations.state.lock import DriverLock
from silhouette.evaluated import Evaluation, read_evaluations, write_evaluations
from silhouette.location import ResultsLocation
from silhouette.results import FINISHED, Store

ORDER = [("arm", "ascending"), ("seed", "ascending"), ("trial_id", "ascending")]


@dataclass(frozen=True)
class Conflict:
    """A trial whose finished records differ: it was not reproduced.

    Attributes:
        study: Name of the study.
        trial_id: The trial.
        first: Where the first record is.
        second: Where the second is.
        differences: Every value that training decides in which they differ.
    """

    study: str
    trial_id: str
    first: str
    second: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class MergedStudy:
    """A study of several results locations, read and checked.

    Attributes:
        name: Name of the study.
        stores: Its folders, in the order in which they were given; the target is the first if it has records.
        target: Where it is to be written.
        plan: The plan that contains those of all sources.
        records: The union of the records.
        evaluations: The union of the values that were measured after the study.
        doubles: How many finished records were dropped since an equal one is there.
        conflicts: Trials that were not reproduced; if there are any, nothing may be written.
    """

    name: str
    stores: tuple[Store, ...]
    target: Store
    plan: MergedPlan
    records: pa.Table
    evaluations: tuple[Evaluation, ...]
    doubles: int
    conflicts: tuple[Conflict, ...]


def study_names(locations: Sequence[str]) -> list[str]:
    """Names of all studies that have a plan at some results locations.

    Raises:
        StudyError: If a location has none.
    """
    return sorted({name for location in locations for name in _studies_at(ResultsLocation(location))})


def _studies_at(location: ResultsLocation) -> list[str]:
    if location.fs.get_file_info(location.path).is_file:
        raise StudyError(f"merge: must be results locations, which are folders, got the file {str(location)!r}")
    probe = Store(location, "probe")
    found = [name for name in (*probe.siblings(), probe.study) if "study.json" in Store(location, name).names()]
    if not found:
        above = location.fs.get_file_info(f"{location.path}/study.json").is_file
        hint = ", which is the folder above that of a study" if above else ""
        raise StudyError(f"merge: must be a results location with studies in it{hint}, got {str(location)!r}")
    return found


def read_merge(
    name: str, sources: Sequence[str], into: str, *, extend: bool = False, mixed_code: bool = False
) -> MergedStudy:
    """Read the records of a study at all sources, and check that they can be one; nothing is written.

    Args:
        name: Name of the study.
        sources: Results locations; those without this study are left out.
        into: The target. It may have records of the study if it is a source too, or if they are part of the union.
        extend: The plans may differ in their seeds although results could be seen.
        mixed_code: The records may be of different code.

    Raises:
        StudyError: If the plans contradict each other, the target has records of its own, or an option is needed.
    """
    target, stores = Store(into, name), [Store(source, name) for source in sources]
    stores = [store for store in stores if store.read_bytes("study.json") is not None]
    among = any(_same_place(store, target) for store in stores)
    stores.sort(key=lambda store: not _same_place(store, target))
    tables = [store.load() for store in stores]
    plan = merge_plans(stores, tables, extend=extend)
    records, doubles, conflicts = _union(name, stores, tables)
    _check_searches(name, records)
    evaluations, differing = _evaluations(name, stores)
    conflicts += differing
    if not among:
        _check_target(target, records)
    if not mixed_code and not conflicts:
        _check_code(name, tables, records)
    return MergedStudy(name, tuple(stores), target, plan, records, evaluations, doubles, tuple(conflicts))


def _same_place(one: Store, other: Store) -> bool:
    return one.root == other.root and type(one.fs) is type(other.fs)


def _union(name: str, stores: Sequence[Store], tables: Sequence[pa.Table]) -> tuple[pa.Table, int, list[Conflict]]:
    """One row per trial, with the number of doubles and those that differ."""
    whole = pa.concat_tables(tables)
    owner = [place for place, table in enumerate(tables) for _ in range(table.num_rows)]
    by_trial: dict[str, list[int]] = {}
    for row, trial_id in enumerate(whole["trial_id"].to_pylist()):
        by_trial.setdefault(trial_id, []).append(row)
    status, started = whole["status"].to_pylist(), whole["started_at"].to_pylist()
    chosen, doubles, conflicts = [], 0, list[Conflict]()
    for trial_id, rows in by_trial.items():
        finished = [row for row in rows if status[row] in FINISHED]
        chosen.append(finished[0] if finished else max(rows, key=lambda row: started[row] or ""))
        if len(finished) > 1:
            doubles += len(finished) - 1
            places = [str(stores[owner[row]].location) for row in finished]
            conflicts += _conflicts(name, trial_id, places, whole.take(pa.array(finished)).to_pylist())
    return whole.take(pa.array(chosen, pa.int64())).sort_by(ORDER), doubles, conflicts


def _conflicts(
    name: str, trial_id: str, places: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> Iterator[Conflict]:
    for place, row in zip(places[1:], rows[1:], strict=True):
        if found := differences(rows[0], row):
            yield Conflict(name, trial_id, places[0], place, found)


def _evaluations(name: str, stores: Sequence[Store]) -> tuple[tuple[Evaluation, ...], list[Conflict]]:
    """Each value once that the same function measured on the same trial, and those that differ."""
    found: dict[tuple[str, str, str], tuple[Evaluation, Store]] = {}
    conflicts = []
    for store in stores:
        for one in read_evaluations(store):
            first, place = found.setdefault((one.trial_id, one.metric, one.source_sha256), (one, store))
            if first.value != one.value:
                where = str(place.location), str(store.location)
                conflicts.append(
                    Conflict(name, one.trial_id, *where, (Difference(one.metric, first.value, one.value),))
                )
    return tuple(one for one, _ in found.values()), conflicts


def _check_searches(name: str, records: pa.Table) -> None:
    """Searches that went on apart have other candidates under one number: together they would be no search at all."""
    rows = records.select(["arm", "tune_number", "tune_values"]).to_pylist()
    values: dict[tuple[str, int], str] = {}
    for row in rows:
        place = (row["arm"], row["tune_number"])
        if row["tune_number"] is not None and values.setdefault(place, row["tune_values"]) != row["tune_values"]:
            raise StudyError(
                f"merge: two searches of {name} went different ways: candidate {row['tune_number']} of arm "
                f"{row['arm']!r} is {values[place]} and {row['tune_values']}; go on with one of them only"
            )


def _check_target(target: Store, records: pa.Table) -> None:
    """The target may be empty, or hold what an earlier merge of the same records left."""
    there = {row["trial_id"]: row for row in target.load().to_pylist()}
    if not there:
        return
    union = {row["trial_id"]: row for row in records.to_pylist() if row["trial_id"] in there}
    if any(trial not in union or differences(row, union[trial]) for trial, row in there.items()):
        raise StudyError(
            f"--into: must have no other records of {target.study}, or be one of the merged locations too, "
            f"got {str(target.location)!r}"
        )


def _check_code(name: str, tables: Sequence[pa.Table], records: pa.Table) -> None:
    """As `ablate run`: records of different code are not mixed unless that is wanted."""
    each = [_codes(table) for table in tables]
    for what, codes in _codes(records).items():
        if len(codes) > max(len(found.get(what, ())) for found in each):
            shown = ", ".join(sorted(code or "code that was not recorded" for code in codes))
            raise StudyError(
                f"--allow-mixed-code: the records of {name} are of different {what} ({shown}); over mixed code the "
                "report gives no verdict; run them with the same code, or pass --allow-mixed-code"
            )


def _codes(table: pa.Table) -> dict[str, set[str | None]]:
    """Source digests of the finished records: of this project's code, and of each plugin."""
    rows = zip(table["status"].to_pylist(), table["source_sha256"].to_pylist(), strict=True)
    plugins = {f"sources of {plugin}": digests for plugin, digests in recorded_sources(table).items()}
    return {"code": {code for status, code in rows if status in FINISHED}, **plugins}


def write_merge(merged: MergedStudy, command: str) -> None:
    """Write a merged study to its target.

    Args:
        merged: What `read_merge` has read, without conflicts.
        command: The command line, for the plan's provenance and other drivers.

    Raises:
        StudyError: If a driver works on the target.
    """
    target = merged.target
    with DriverLock(target, command):
        for store in merged.stores:
            _copy_kept(store, target)
        if merged.evaluations:
            write_evaluations(target, merged.evaluations)
        target.write_table(merged.records)
        if merged.plan.frozen is not None:
            target.write_json(merged.plan.frozen, "frozen.json")
        plan = merged.plan.study
        target.write_json({**plan, "provenance": {**(plan.get("provenance") or {}), "command": command}}, "study.json")


def _copy_kept(store: Store, target: Store) -> None:
    there = set(target.names(KEPT))
    for name in sorted(set(store.names(KEPT)) - there):
        if not name.endswith(".tmp") and (data := store.read_bytes(KEPT, name)) is not None:
            target.write_bytes(data, KEPT, name)
