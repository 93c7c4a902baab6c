"""What finished trials leave beside their records: weights (safetensors) or test embeddings (Parquet), by trial_id.

`kept/<trial_id>.safetensors` and `kept/<trial_id>.parquet`, below the study. Reading them runs no code.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ablations.formatting import counted
from silhouette.evaluated import forget_evaluations
from silhouette.results import Store, check_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER = "kept"
SUFFIXES = {"last": "safetensors", "embeddings": "parquet"}
"""Ending of the file, by what is kept."""


PARTS = {
    "features": (2, "float32", "(N, F) numbers"),
    "embeddings": (2, "float32", "(N, D) numbers"),
    "labels": (1, "int64", "(N,) integers"),
    "indices": (1, "int64", "(N,) integers"),
}
"""Parts of a sample: number of dimensions, type, and both in words."""


class DamagedFile(Exception):
    """A kept file that cannot be read, or that belongs to another trial."""


@dataclass(frozen=True)
class KeptSample:
    """What is known of the N test samples of a trial.

    Attributes:
        features: (N, F) float32.
        labels: (N,) int64.
        indices: (N,) int64, of the samples in their data set; None if the experiment gave none.
        embeddings: (N, D) float32, of the projection head; None if the experiment gave none.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64] | None = None
    embeddings: NDArray[np.float32] | None = None


def kept_bytes(kind: str, trial_id: str, given: Mapping[str, Any]) -> bytes:
    """The content of a kept file.

    Args:
        kind: `last` or `embeddings`.
        trial_id: The trial; the file says whose it is.
        given: What the experiment returned from `weights` or `embeddings`.

    Raises:
        ValueError: If it is not what the protocol says.
    """
    return _weights_to_bytes(trial_id, given) if kind == "last" else _sample_to_bytes(trial_id, make_sample(given))


def make_sample(given: Mapping[str, Any]) -> KeptSample:
    """What an experiment returned from `embeddings`, checked.

    Raises:
        ValueError: If a part is missing or has the wrong shape or type.

    >>> make_sample({"features": [[0.5, 1.0]], "labels": [3]}).features.shape
    (1, 2)
    """
    import numpy as np

    missing = [name for name in ("features", "labels") if name not in given]
    if missing:
        raise ValueError(f"embeddings(): must return features and labels, got {', '.join(given) or 'nothing'}")
    parts = {name: np.asarray(given[name]) for name in PARTS if given.get(name) is not None}
    count = len(parts["labels"]) if parts["labels"].ndim == 1 else -1
    for name, part in parts.items():
        ndim, _, rule = PARTS[name]
        if part.ndim != ndim or part.dtype.kind not in ("fiu" if ndim == 2 else "iu") or len(part) != count:
            raise ValueError(f"embeddings(): {name} must be {rule}, got {part.dtype} of shape {part.shape}")
    return KeptSample(**{name: np.ascontiguousarray(part, PARTS[name][1]) for name, part in parts.items()})


def _sample_to_bytes(trial_id: str, sample: KeptSample) -> bytes:
    columns = {"label": pa.array(sample.labels), "features": _rows(sample.features)}
    if sample.indices is not None:
        columns = {"index": pa.array(sample.indices), **columns}
    if sample.embeddings is not None:
        columns["embedding"] = _rows(sample.embeddings)
    table = pa.table(columns).replace_schema_metadata({"trial_id": trial_id})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def _rows(matrix: NDArray[np.float32]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])


def _weights_to_bytes(trial_id: str, weights: Mapping[str, Any]) -> bytes:
    import numpy as np
    from safetensors.numpy import save

    if not weights:
        raise ValueError("weights(): must return arrays by name, got nothing")
    arrays = {name: np.ascontiguousarray(value).reshape(np.shape(value)) for name, value in weights.items()}
    return bytes(save(arrays, {"trial_id": trial_id}))


def write_kept(store: Store, trial_id: str, kind: str, data: bytes) -> None:
    """Write a kept file atomically."""
    store.write_bytes(data, FOLDER, _file(trial_id, kind))


def read_sample(store: Store, trial_id: str) -> KeptSample | None:
    """The kept test sample of a trial; None if there is none.

    Raises:
        DamagedFile: If the file is damaged, or of another trial.
    """
    data = store.read_bytes(FOLDER, _file(trial_id, "embeddings"))
    if data is None:
        return None
    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
        _check_owner(trial_id, (table.schema.metadata or {}).get(b"trial_id", b"").decode())
        names = {"label": "labels", "index": "indices", "features": "features", "embedding": "embeddings"}
        return make_sample({names[column]: _matrix(table[column]) for column in table.column_names if column in names})
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedFile(f"{store.path(FOLDER, _file(trial_id, 'embeddings'))}: {error}") from None


def _matrix(column: pa.ChunkedArray) -> Any:
    whole = column.combine_chunks()
    if not pa.types.is_fixed_size_list(column.type):
        return whole.to_numpy(zero_copy_only=False)
    return whole.flatten().to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size)


def read_weights(store: Store, trial_id: str) -> dict[str, NDArray[Any]] | None:
    """The kept weights of a trial by name; None if there are none.

    Raises:
        DamagedFile: If the file is damaged, or of another trial.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    data = store.read_bytes(FOLDER, _file(trial_id, "last"))
    if data is None:
        return None
    try:
        weights = dict(load(data))
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        _check_owner(trial_id, header.get("__metadata__", {}).get("trial_id", ""))
        return weights
    except (SafetensorError, ValueError, KeyError) as error:
        raise DamagedFile(f"{store.path(FOLDER, _file(trial_id, 'last'))}: {error}") from None


def _check_owner(trial_id: str, found: str) -> None:
    if found != trial_id:
        raise ValueError(f"must be of trial {trial_id}, got {found or 'no trial'}")


def kept_trials(store: Store) -> dict[str, set[str]]:
    """Ids of the trials of which something is kept, by what is kept: `last` and `embeddings`."""
    names = [name.rpartition(".") for name in store.names(FOLDER)]
    return {kind: {stem for stem, _, ending in names if ending == suffix} for kind, suffix in SUFFIXES.items()}


def drop_kept(store: Store, trial_id: str) -> bool:
    """Delete what is kept of a trial; returns whether there was anything."""
    there = {kind for kind, ids in kept_trials(store).items() if trial_id in ids}
    for kind in there:
        store.delete(FOLDER, _file(trial_id, kind))
    return bool(there)


def forget(store: Store, trial_ids: Iterable[str]) -> None:
    """Remove the records of trials, what is kept of them, and what was measured on that.

    The record goes last: after a kill this can be repeated.
    """
    ids = list(trial_ids)
    forget_evaluations(store, ids)
    for trial_id in ids:
        drop_kept(store, trial_id)
    store.forget(ids)


def kept_line(store: Store, complete: Collection[str], keep: str) -> str:
    """How many complete trials have something kept, in one line; empty where nothing is kept and nothing is to be.

    Args:
        store: Where the study keeps its files.
        complete: Ids of its complete confirm trials.
        keep: What the study keeps of trials that end from now on.
    """
    found = {kind: len(ids & set(complete)) for kind, ids in kept_trials(store).items()}
    if keep == "none" and not any(found.values()):
        return ""
    words = {"last": "weights", "embeddings": "test embeddings"}
    parts = [f"{words[kind]} of {n}" for kind, n in found.items() if n or kind == keep]
    return f"kept: {', '.join(parts)} of {counted(len(complete), 'complete trial')} (keep={keep!r})"


def sweep_kept(store: Store) -> int:
    """Delete what killed workers left of unfinished files; returns how many trials have something kept."""
    for name in store.names(FOLDER):
        if name.endswith(".tmp"):
            store.delete(FOLDER, name)
    return len(set().union(*kept_trials(store).values()))


def _file(trial_id: str, kind: str) -> str:
    return f"{check_name('trial_id', trial_id)}.{SUFFIXES[kind]}"
