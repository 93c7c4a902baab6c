"""The columns of a record and the statuses of a trial: what writers and readers of results agree on."""

from __future__ import annotations

import pyarrow as pa

from silhouette.geometry.names import COLUMNS

SCHEMA_VERSION = 1
GEOMETRY = COLUMNS
FINISHED = ("complete", "stopped", "diverged")
"""Statuses of trials that are never run again; a `failed` one is retried by the next run."""
FAILED = "failed"
STATUSES = (*FINISHED, FAILED)

TEST_BITS = ("correct_bits", "correct_samples")
"""Columns that say which test samples were right; a study may leave them out (`max_test_bits`)."""
MAX_TEST_BITS = 100_000
"""Largest test set whose bits a record has, unless the study says otherwise: 12.5 kB."""

_TERM = pa.struct([("term", pa.string()), ("loss", pa.float64()), ("share", pa.float64())])
"""A term's weighted loss, and its share in the sum of the absolute values of all terms."""

METRICS_MAP = pa.map_(pa.string(), pa.float64())
"""Numbers by name: what an experiment of a person's own reports, and what own metric functions measure."""

_CURVE = pa.struct(
    [
        ("epoch", pa.int32()),
        ("lr", pa.float64()),
        ("train_loss", pa.float64()),
        ("train_sup_loss", pa.float64()),
        ("train_sil_loss", pa.float64()),
        ("sil_share", pa.float64()),
        ("val_loss", pa.float64()),
        ("val_top1", pa.float64()),
        ("val_macro_top1", pa.float64()),
        ("classes_per_batch", pa.float64()),
        ("singleton_share", pa.float64()),
        ("single_class_batches", pa.float64()),
        ("seconds", pa.float64()),
        ("images_per_second", pa.float64()),
        ("metrics", METRICS_MAP),
    ]
)
CURVE_FIELDS = tuple(field.name for field in _CURVE if field.name != "metrics")
"""What a row of the curve may have beside numbers of an experiment's own, which stand in its `metrics`."""

_CORRUPTION = pa.struct(
    [
        ("corruption", pa.string()),
        ("severity", pa.int32()),
        ("top1", pa.float64()),
        ("macro_top1", pa.float64()),
    ]
)

SCHEMA = pa.schema(
    [
        ("schema_version", pa.int32()),
        ("trial_id", pa.string()),
        ("study", pa.string()),
        ("phase", pa.string()),
        ("arm", pa.string()),
        ("settings", pa.string()),
        ("config", pa.string()),
        ("seed", pa.int64()),
        ("status", pa.string()),
        ("epochs_planned", pa.int32()),
        ("epochs_reached", pa.int32()),
        ("val_top1", pa.float64()),
        ("val_macro_top1", pa.float64()),
        ("val_loss", pa.float64()),
        ("test_top1", pa.float64()),
        ("test_macro_top1", pa.float64()),
        ("test_loss", pa.float64()),
        ("test_silhouette", pa.float64()),
        ("test_feature_silhouette", pa.float64()),
        ("test_knn_top1", pa.float64()),
        ("test_ece", pa.float64()),
        ("test_many_top1", pa.float64()),
        ("test_medium_top1", pa.float64()),
        ("test_few_top1", pa.float64()),
        ("test_corruption_top1", pa.float64()),
        ("test_corruptions", pa.list_(_CORRUPTION)),
        *((name, pa.float64()) for name in GEOMETRY),
        ("metrics", METRICS_MAP),
        ("class_train", pa.list_(pa.int64())),
        ("class_correct", pa.list_(pa.int64())),
        ("class_total", pa.list_(pa.int64())),
        ("correct_bits", pa.binary()),
        ("correct_samples", pa.int32()),
        ("classes_per_batch", pa.float64()),
        ("singleton_share", pa.float64()),
        ("single_class_batches", pa.float64()),
        ("terms", pa.list_(_TERM)),
        ("curve", pa.list_(_CURVE)),
        ("started_at", pa.string()),
        ("seconds", pa.float64()),
        ("earlier_seconds", pa.float64()),
        ("images_per_second", pa.float64()),
        ("peak_memory", pa.int64()),
        ("parameters", pa.int64()),
        ("data_sha256", pa.string()),
        ("test_pool_sha256", pa.string()),
        ("tune_number", pa.int32()),
        ("tune_values", pa.string()),
        ("tune_known", pa.list_(pa.int32())),
        ("tune_bracket", pa.int32()),
        ("device", pa.string()),
        ("threads", pa.int32()),
        ("host", pa.string()),
        ("machine", pa.string()),
        ("machine_share", pa.float64()),
        ("gpus", pa.float64()),
        ("versions", pa.string()),
        ("git_commit", pa.string()),
        ("git_dirty", pa.bool_()),
        ("source_sha256", pa.string()),
        ("plugins", pa.string()),
        ("error", pa.string()),
    ]
)
"""Fractions in [0, 1] for accuracies, seconds for times; null where a thing was not measured, never 0.

`tune_*` are null but in the tune phase: the place of a setting in the order of its arm's proposals, its nuisance
values (JSON), the places of the settings whose outcome was known when it was proposed, and its ASHA bracket.
`source_sha256` is the digest of this project's code on the node that trained the trial, as `ablate doctor` prints it;
`plugins` is null unless the trial used code of a person's own: JSON of name -> `version` and `source_sha256` of each;
`earlier_seconds` is the time of runs of the same trial that failed before this one; null without any. `machine` is the
type of the machine by the labels of its Ray node, `machine_share` what the trial took of its CPUs or GPUs (the larger
share), `gpus` its GPUs: what it cost is counted from them. All four are null in records of earlier versions.
`test_pool_sha256` is that of the sorted indices of the test samples. Both are null in records of version 0.1.
`correct_bits` says which test samples were right: one bit each in the order of their indices, the first one the highest
bit of the first byte (`silhouette.bits`); `correct_samples` is their number. Both are null in records of version 0.1,
in the tune phase, and where a test set has more samples than the study's `max_test_bits`; the file leaves them out.
The columns `GEOMETRY` are null unless the config's `metrics` asks for them; the file of such a trial leaves them out.
`metrics` holds numbers that have no column of their own: those of an own experiment and of own metric functions. It is
null in records of version 0.1, and left out of a file that has none. `silhouette.measured` finds a metric in either.
"""
