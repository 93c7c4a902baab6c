"""Metrics that were measured after a study, on what its trials kept: one value per trial and metric, in one file.

They stand in `evaluated.parquet` beside the records, which are never rewritten. A metric that was chosen when results
could be seen supports no claim: reports call it exploratory. Standard library and pyarrow only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from silhouette.results import Store

FILE = "evaluated.parquet"
SCHEMA = pa.schema(
    [
        ("trial_id", pa.string()),
        ("metric", pa.string()),
        ("function", pa.string()),
        ("source_sha256", pa.string()),
        ("value", pa.float64()),
        ("kept", pa.string()),
        ("evaluated_at", pa.string()),
    ]
)


@dataclass(frozen=True)
class Evaluation:
    """One value.

    Attributes:
        trial_id: The trial.
        metric: Name of the metric, such as `test_nc1`.
        function: `module:function` that computed it.
        source_sha256: Digest of the function's sources.
        value: The value; None if it is not finite.
        kept: What it was computed from: `embeddings`, or `last` for kept weights.
        evaluated_at: When, in UTC.
    """

    trial_id: str
    metric: str
    function: str
    source_sha256: str
    value: float | None
    kept: str
    evaluated_at: str


def read_evaluations(store: Store) -> list[Evaluation]:
    """All values; none where there is no file. A damaged file counts as absent, so its values are computed again."""
    data = store.read_bytes(FILE)
    if data is None:
        return []
    try:
        rows = pq.ParquetFile(pa.BufferReader(data)).read(SCHEMA.names, use_threads=False).cast(SCHEMA).to_pylist()
    except (pa.ArrowException, OSError, KeyError, ValueError):
        return []
    return [Evaluation(**row) for row in rows]


def write_evaluations(store: Store, values: Iterable[Evaluation]) -> None:
    """Write all values, atomically, in an order of their own: the same values give the same file."""
    ordered = sorted(values, key=lambda one: (one.metric, one.trial_id))
    table = pa.Table.from_pylist([asdict(one) for one in ordered], schema=SCHEMA)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    store.write_bytes(bytes(sink.getvalue()), FILE)


def latest(values: Sequence[Evaluation]) -> list[Evaluation]:
    """The values of the newest sources of each metric: values of two versions of a function are not mixed."""
    newest = {one.metric: one.source_sha256 for one in sorted(values, key=lambda one: one.evaluated_at)}
    return [one for one in values if one.source_sha256 == newest[one.metric]]


def forget_evaluations(store: Store, trial_ids: Iterable[str]) -> None:
    """Remove the values of some trials."""
    gone, values = set(trial_ids), read_evaluations(store)
    kept = [one for one in values if one.trial_id not in gone]
    if len(kept) < len(values):
        write_evaluations(store, kept)
