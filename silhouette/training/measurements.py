"""What a trial measures: rows of the curve, and the test columns of its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from silhouette import metrics
from silhouette.bits import pack
from silhouette.config import TrialConfig
from silhouette.data.corruptions import SEVERITIES, STRENGTHS
from silhouette.geometry.measure import Sample, measure
from silhouette.geometry.tiles import class_means
from silhouette.metric_functions import functions_of, measure_all
from silhouette.training.evaluation import Outputs

CURVE_KEYS = (
    "epoch",
    "lr",
    "train_loss",
    "train_sup_loss",
    "train_sil_loss",
    "sil_share",
    "val_loss",
    "val_top1",
    "val_macro_top1",
    "classes_per_batch",
    "singleton_share",
    "single_class_batches",
    "seconds",
    "images_per_second",
)
TEST_KEYS = (
    "test_top1",
    "test_macro_top1",
    "test_loss",
    "test_silhouette",
    "test_feature_silhouette",
    "test_knn_top1",
    "test_ece",
    "test_many_top1",
    "test_medium_top1",
    "test_few_top1",
    "test_corruption_top1",
    "test_corruptions",
    "class_correct",
    "class_total",
    "correct_bits",
    "correct_samples",
)


class EpochSums:
    """Sums of the losses of an epoch's batches."""

    def __init__(self) -> None:
        self._batches = 0
        self._sums: dict[str, float] = {}
        self._terms: dict[str, float] = {}

    def add(self, losses: Mapping[str, float]) -> None:
        """Add the losses of one batch.

        Args:
            losses: By column of the curve; the weighted loss of a term by `term NAME`.
        """
        self._batches += 1
        for name, value in losses.items():
            term = name.removeprefix("term ")
            sums = self._sums if term == name else self._terms
            sums[term] = sums.get(term, 0.0) + value

    def means(self) -> dict[str, float]:
        """Return columns of the curve: means over batches, and the share of the silhouette term."""
        shares = {f"{row['term']}_share": row["share"] for row in self.terms() if row["term"] == "sil"}
        return {name: total / self._batches for name, total in self._sums.items()} | shares

    def terms(self) -> list[dict[str, Any]]:
        """Return the weighted loss of each term, and its share, in [0, 1], of the sum of absolute values."""
        whole = sum(map(abs, self._terms.values()))
        return [
            {"term": name, "loss": total / self._batches, "share": abs(total) / whole if whole else None}
            for name, total in self._terms.items()
        ]


def mean_of(curve: Sequence[dict[str, Any]], name: str) -> float | None:
    """Return the mean of a column over the epochs done; None if there are none.

    >>> mean_of([{"lr": 1.0}, {"lr": 3.0}], "lr")
    2.0
    """
    return sum(row[name] for row in curve) / len(curve) if curve else None


def end_metrics(
    config: TrialConfig,
    runs: Mapping[str, Callable[..., Outputs]],
    train: Outputs,
    class_train: Sequence[int],
    *,
    probe: bool,
) -> dict[str, Any]:
    """Return the columns of a record that are measured once, after the last epoch.

    Args:
        config: `metrics`, among them own functions, `corruptions`, `knn_k` and the shot thresholds matter.
        runs: By split that is measured (`val`, `test`): corruption and severity, or nothing -> outputs on its samples.
        train: Outputs on the training samples, without augmentation.
        class_train: Number of training samples of each class.
        probe: Whether a linear probe takes the place of the classifier, since the objective does not train that.
    """
    found: dict[str, Any] = {}
    for split, run in runs.items():
        outputs = run().probed(train) if probe else run()
        if split == "test":
            found |= test_metrics(config, outputs, train, class_train)
            found |= corrupted_metrics(run, train if probe else None) if config.corruptions else {}
        found |= geometry_metrics(split, config, outputs, train, class_train) if "geometry" in config.metrics else {}
        if own := own_metrics(split, config, outputs, found):
            found["metrics"] = found.get("metrics", {}) | own
    return found


def own_metrics(split: str, config: TrialConfig, outputs: Outputs, found: dict[str, Any]) -> dict[str, float | None]:
    """Return what own metric functions of a config say of one split; the first fault becomes the `error` of `found`."""
    if not functions_of(config.metrics):
        return {}
    features, labels = outputs.features.cpu().numpy(), outputs.labels.cpu().numpy()
    values, fault = measure_all(split, config, features.astype(np.float32), labels.astype(np.int64))
    if fault:
        found.setdefault("error", fault)
    return values


def test_metrics(config: TrialConfig, outputs: Outputs, train: Outputs, class_train: Sequence[int]) -> dict[str, Any]:
    """Return the test columns of a record.

    Args:
        config: `knn_k` and the shot thresholds matter.
        outputs: Outputs on the test samples.
        train: Outputs on the training samples, without augmentation.
        class_train: Number of training samples of each class.
    """
    counts, labels = outputs.counts(), outputs.labels
    groups = metrics.shot_groups(class_train, config.shot_many, config.shot_few)
    features = outputs.features / outputs.features.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return {
        "test_top1": counts.top1,
        "test_macro_top1": counts.macro_top1,
        "test_loss": outputs.loss(),
        "test_silhouette": metrics.silhouette(outputs.embedding, labels),
        "test_feature_silhouette": metrics.silhouette(features, labels),
        "test_knn_top1": metrics.knn_top1(train.features, train.labels, outputs.features, labels, config.knn_k),
        "test_ece": metrics.calibration_error(outputs.logits, labels),
        **{f"test_{group}_top1": counts.macro_of(classes) for group, classes in groups.items()},
        "class_correct": list(counts.correct),
        "class_total": list(counts.total),
        "correct_bits": pack(outputs.correct()),
        "correct_samples": len(labels),
    }


def geometry_metrics(
    split: str, config: TrialConfig, outputs: Outputs, train: Outputs, class_train: Sequence[int]
) -> dict[str, float | None]:
    """Return the columns of the geometry of features on one split.

    Args:
        split: `val` or `test`.
        config: The shot thresholds matter.
        outputs: Outputs on the samples of the split.
        train: Outputs on the training samples, without augmentation.
        class_train: Number of training samples of each class.
    """
    means = class_means(train.features, train.labels, len(class_train))
    sample = Sample(outputs.features, outputs.logits, outputs.labels, outputs.weight, means)
    values = measure(sample, metrics.shot_groups(class_train, config.shot_many, config.shot_few))
    return {f"{split}_{name}": value for name, value in values.items()}


def corrupted_metrics(run: Callable[[tuple[str, int]], Outputs], probe_on: Outputs | None) -> dict[str, Any]:
    """Return the columns that describe the test split under every corruption and severity.

    Args:
        run: (corruption, severity) -> outputs on the corrupted test samples.
        probe_on: Outputs to fit a linear probe on, if the classifier was not trained; else None.
    """
    rows = []
    for name in STRENGTHS:
        for severity in SEVERITIES:
            outputs = run((name, severity))
            counts = (outputs.probed(probe_on) if probe_on else outputs).counts()
            row = {"corruption": name, "severity": severity, "top1": counts.top1}
            rows.append(row | {"macro_top1": counts.macro_top1})
    return {"test_corruptions": rows, "test_corruption_top1": mean_of(rows, "top1")}
