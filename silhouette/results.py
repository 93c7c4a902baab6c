"""The results contract: one Parquet record per finished trial, written whole or not at all.

Planning, status, analysis and the MLflow runs read these records and nothing else.
A results store is a folder or any `pyarrow.fs` URI (`s3://…`, `gs://…`)::

    <results>/<study>/study.json                 the expanded study as run
    <results>/<study>/trials/<trial_id>.parquet  one record, written by the worker that ran the trial
    <results>/<study>/records.parquet            the same rows, compacted; readers take the union

A record counts if it is in either place. The per-trial files stay; `records.parquet` is a copy that makes reading
fast, so a damaged one costs nothing. To run a trial again, remove its record from both with `Store.forget`. Standard
library and pyarrow only.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs as pafs

from silhouette.location import ResultsLocation, StoreError
from silhouette.measured import finite, nested_row
from silhouette.schema import FAILED, FINISHED, GEOMETRY, SCHEMA, SCHEMA_VERSION, STATUSES, TEST_BITS

__all__ = ["FINISHED", "SCHEMA", "SCHEMA_VERSION", "Store", "check_name"]

BATCH = 256
"""Per-trial files that are held in memory at once while they are read."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def check_name(kind: str, name: str) -> str:
    """Return `name` if it is safe as one path component; raise `StoreError` otherwise."""
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise StoreError(f"{kind}: use letters, digits, '_', '-' and '.' only (at most 100), got {name!r}")
    return name


class Store:
    """The records of one study below one results location.

    Args:
        results: The results location, or a folder or URI that is parsed as one.
        study: Name of the study; becomes one folder, so it is checked.

    Raises:
        StoreError: If the name is unsafe or the URI is not understood.
    """

    def __init__(self, results: str | ResultsLocation, study: str) -> None:
        check_name("study", study)
        self.study = study
        self.location = results if isinstance(results, ResultsLocation) else ResultsLocation(results)
        self.fs, self.local, self.uri = self.location.fs, self.location.local, self.location.uri
        self.root = f"{self.location.path}/{study}"

    @property
    def shown(self) -> str:
        """The results location without the keys that may stand in its URI."""
        return self.location.shown

    def exists(self) -> bool:
        """Return True if the study has a folder here."""
        return bool(self.fs.get_file_info(self.root).type != pafs.FileType.NotFound)

    def path(self, *parts: str) -> str:
        """Path of a file below the study's folder, as the store's file system spells it."""
        return "/".join((self.root, *parts))

    def write_bytes(self, data: bytes, *parts: str) -> None:
        """Write a file atomically: a reader sees the old one or the new one, never a part."""
        path = self.path(*parts)
        if not self.local:  # an object store publishes an object only when its upload is closed
            with self.fs.open_output_stream(path) as sink:
                sink.write(data)
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.{uuid.uuid4().hex[:8]}.tmp"
        try:
            with open(temporary, "wb") as sink:
                sink.write(data)
                sink.flush()
                os.fsync(sink.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def read_bytes(self, *parts: str) -> bytes | None:
        """Content of a file, or None where there is none."""
        try:
            with self.fs.open_input_file(self.path(*parts)) as source:
                return bytes(source.read())
        except FileNotFoundError:
            return None

    def names(self, *parts: str) -> list[str]:
        """Names of the files in a folder; none where there is no such folder."""
        selector = pafs.FileSelector(self.path(*parts), allow_not_found=True)
        return [info.base_name for info in self.fs.get_file_info(selector) if info.is_file]

    def folders(self, *parts: str) -> list[str]:
        """Names of the folders in a folder; none where there is no such folder."""
        return self._folders(self.path(*parts))

    def _folders(self, path: str) -> list[str]:
        found = self.fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))
        return [info.base_name for info in found if info.type == pafs.FileType.Directory]

    def download(self, part: str, folder: str) -> None:
        """Copy a folder of the study's own into a local one."""
        pafs.copy_files(self.path(part), folder, source_filesystem=self.fs)

    def siblings(self) -> list[str]:
        """Names of the other studies below the same results location."""
        names = self._folders(self.location.path)
        return sorted(name for name in names if name != self.study and _NAME.fullmatch(name))

    def delete(self, *parts: str) -> None:
        """Delete a file or a whole folder below the study's own; do nothing if there is none."""
        path = self.path(*parts)
        kind = self.fs.get_file_info(path).type
        if kind == pafs.FileType.File:
            self.fs.delete_file(path)
        elif kind == pafs.FileType.Directory:
            self.fs.delete_dir(path)

    def write_json(self, value: Any, name: str) -> None:
        """Write `value` as readable JSON, atomically."""
        self.write_bytes((json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode(), name)

    def read_json(self, name: str) -> Any:
        """Parsed JSON of a file, or None where there is none.

        Raises:
            StoreError: If the file is damaged.
        """
        data = self.read_bytes(name)
        try:
            return None if data is None else json.loads(data)
        except ValueError as error:
            raise StoreError(f"{self.path(name)}: damaged JSON ({error}); remove it and run again") from None

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Write the one record of a finished trial.

        Args:
            record: Values by column of `SCHEMA`; a missing column is null. Rows of the curve may have numbers of other
                names, which `silhouette.measured.flat` gives back.

        Raises:
            KeyError: If a key is no column of `SCHEMA`.
            TypeError: If a value of `metrics` is no number; one that is not finite is written as null.
            ValueError: If the status is unknown.
        """
        self.write_bytes(self._record_bytes(record), "trials", f"{check_name('trial_id', record['trial_id'])}.parquet")

    def write_failure(self, record: Mapping[str, Any]) -> bool:
        """Write the record of a failed trial, unless the trial has a finished record, also one that comes meanwhile.

        An object store cannot write only what is absent; there a finished record is looked for just before.

        Args:
            record: As `write_record` takes it.

        Returns:
            True if it was written.
        """
        trial_id = check_name("trial_id", record["trial_id"])
        if self.finished_record(trial_id) is not None:
            return False
        if not self.local:
            self.write_record(record)
            return True
        name = f"{trial_id}.{uuid.uuid4().hex[:8]}.tmp"
        self.write_bytes(self._record_bytes(record), "trials", name)
        return self._place_failure(self.path("trials", name), self.path("trials", f"{trial_id}.parquet"))

    def _place_failure(self, new: str, path: str) -> bool:
        """Link a record to its path. What is there is moved aside first, and put back if it is finished."""
        old, written = f"{new}.old", True
        try:
            with suppress(FileNotFoundError):
                os.rename(path, old)
                written = _finished(Path(old).read_bytes()) is None
            os.link(new if written else old, path)
        except FileExistsError:  # a worker has just written it
            return False
        except OSError:  # a file system without links
            os.replace(new if written else old, path)
        finally:
            for name in (new, old):
                Path(name).unlink(missing_ok=True)
        return written

    def _record_bytes(self, record: Mapping[str, Any]) -> bytes:
        unknown = set(record) - set(SCHEMA.names)
        if unknown:
            raise KeyError(f"not columns of the results contract: {sorted(unknown)}")
        if record["status"] not in STATUSES:
            raise ValueError(f"status: one of {STATUSES}, got {record['status']!r}")
        row = {"schema_version": SCHEMA_VERSION, "study": self.study, **record}
        row["metrics"] = finite(row.get("metrics") or {}) or None
        row["curve"] = None if row.get("curve") is None else [nested_row(point) for point in row["curve"]]
        return _to_parquet(pa.Table.from_pylist([row], schema=_schema_of(row)))

    def finished_record(self, trial_id: str) -> dict[str, Any] | None:
        """The record of a finished trial, which never runs again; None if there is none, or it is damaged."""
        return _finished(self.read_bytes("trials", f"{trial_id}.parquet"))

    def record(self, trial_id: str) -> dict[str, Any] | None:
        """The record of a trial, also of one that failed; None if there is none, or it is damaged."""
        return _row(self.read_bytes("trials", f"{trial_id}.parquet"))

    def trial_ids(self) -> set[str]:
        """Ids of all trials that have a file in `trials/`, readable or not."""
        names = self.names("trials")
        return {name.removesuffix(".parquet") for name in names if name.endswith(".parquet")}

    def load(self, columns: Iterable[str] | None = None) -> pa.Table:
        """All records, one row per trial, ordered by arm, seed and id.

        A damaged file counts as absent, so its trial runs again. Trials that failed in `records.parquet` are read from
        their own files, since a later run may have completed them.

        Args:
            columns: Columns wanted; all of them by default.
        """
        names = list(SCHEMA.names if columns is None else columns)
        needed = list(dict.fromkeys([*names, "trial_id", "status", "arm", "seed"]))
        compacted = _read(self.read_bytes("records.parquet"), needed)
        final = pc.invert(pc.equal(compacted["status"], FAILED))
        settled = set(compacted.filter(final)["trial_id"].to_pylist())
        fresh = self._read_trials(sorted(self.trial_ids() - settled), needed)
        again = pc.is_in(compacted["trial_id"], value_set=fresh["trial_id"])
        table = pa.concat_tables([compacted.filter(pc.invert(again)), fresh])
        order = [("arm", "ascending"), ("seed", "ascending"), ("trial_id", "ascending")]
        return table.sort_by(order).select(names)

    def compact(self) -> int:
        """Copy all records into `records.parquet`; returns how many there are.

        A kill at any moment loses nothing: the per-trial files stay, and the copy is written atomically.
        """
        table = self.load()
        self.write_table(table)
        return int(table.num_rows)

    def write_table(self, table: pa.Table) -> None:
        """Replace `records.parquet`, atomically; the same rows give the same bytes. The per-trial files stay.

        Args:
            table: Records in the columns of `SCHEMA`, as `load` returns them.
        """
        self.write_bytes(_to_parquet(table.combine_chunks()), "records.parquet")

    def forget(self, trial_ids: Iterable[str]) -> None:
        """Remove the records of trials, and what is left of their checkpoints, so that they run again.

        The copy goes first: after a kill in between the trial's own file still counts, and this can be repeated.
        """
        gone = pa.array(list(trial_ids), pa.string())
        compacted = _read(self.read_bytes("records.parquet"), SCHEMA.names)
        kept = compacted.filter(pc.invert(pc.is_in(compacted["trial_id"], value_set=gone)))
        if kept.num_rows < compacted.num_rows:
            self.write_bytes(_to_parquet(kept), "records.parquet")
        for trial_id in gone.to_pylist():
            self.delete("trials", f"{check_name('trial_id', trial_id)}.parquet")
            self.delete("checkpoints", trial_id)

    def _read_trials(self, ids: list[str], columns: list[str]) -> pa.Table:
        """Fetch in parallel, since an object store answers slowly; parse one by one, since threads are slower at it."""
        tables = [_empty(columns)]
        with ThreadPoolExecutor(8) as pool:
            for start in range(0, len(ids), BATCH):
                fetched = pool.map(lambda i: self.read_bytes("trials", f"{i}.parquet"), ids[start : start + BATCH])
                tables += [_read(data, columns) for data in list(fetched)]
        return pa.concat_tables(tables)


def _schema_of(row: Mapping[str, Any]) -> pa.Schema:
    """The schema of a file with one record: an empty column has a cost, so rarely used ones are left out."""
    left_out = [] if any(row.get(name) is not None for name in GEOMETRY) else [*GEOMETRY]
    left_out += [] if row["metrics"] else ["metrics"]
    left_out += [] if row.get("correct_bits") is not None else [*TEST_BITS]
    schema = pa.schema([field for field in SCHEMA if field.name not in left_out])
    if any("metrics" in point for point in row["curve"] or ()):
        return schema
    plain = pa.list_(pa.struct([field for field in schema.field("curve").type.value_type if field.name != "metrics"]))
    return schema.set(schema.get_field_index("curve"), pa.field("curve", plain))


def _empty(columns: list[str]) -> pa.Table:
    # not schema.empty_table(): that, like pa.array of a list, imports pandas, which takes longer than most commands
    return pa.Table.from_batches([], pa.schema([SCHEMA.field(name) for name in columns]))


def _nulls(column: str, rows: int) -> pa.Array:
    return pa.nulls(rows, SCHEMA.field(column).type)


def _to_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def _finished(data: bytes | None) -> dict[str, Any] | None:
    """The one row of a record's file, if its trial has finished."""
    row = _row(data)
    return row if row is not None and row["status"] in FINISHED else None


def _row(data: bytes | None) -> dict[str, Any] | None:
    """The one row of a record's file; None where it is absent or damaged."""
    rows = _read(data, SCHEMA.names).to_pylist(maps_as_pydicts="strict")
    return dict(rows[0]) if rows else None


def _read(data: bytes | None, columns: list[str]) -> pa.Table:
    """Rows of a Parquet file in the contract's types; none where the file is absent or damaged."""
    if data is None:
        return _empty(columns)
    try:
        # Not pq.read_table: its thread pool costs more than it gives on files this small, and has aborted under load.
        file = pq.ParquetFile(pa.BufferReader(data))
        there = set(file.schema_arrow.names)  # once: the schema is converted anew each time that it is asked for
        present = [name for name in columns if name in there]
        table = file.read(present, use_threads=False)
        if len(present) < len(columns):  # left out, or of an older schema version than the column
            arrays = [table[name] if name in there else _nulls(name, table.num_rows) for name in columns]
            table = pa.Table.from_arrays(arrays, names=columns)
        table, wanted = table.select(columns), _empty(columns).schema
        return table if table.schema == wanted else table.cast(wanted)
    except (pa.ArrowException, OSError, KeyError):
        return _empty(columns)
