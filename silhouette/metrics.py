"""The table of all metrics, and the functions that compute them. Importable without torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from silhouette.geometry.names import BY_GROUP, GROUPS, MEASURES, SPLITS

if TYPE_CHECKING:
    from torch import Tensor

_ECE_BINS = 15  # as in Guo et al. (2017)
_KNN_TEMPERATURE = 0.07  # as in Wu et al. (2018)
_KNN_TILE = 1 << 24  # similarities held at a time


@dataclass(frozen=True)
class Metric:
    """Facts about a column of the records that a report needs.

    Attributes:
        label: Name in tables and figures.
        direction: `max` if higher is better, `min` if lower is better.
        percent: True if the value is a fraction that is shown as a percentage.
        needs: Field of the config, and its value, under which the metric is measured, once, after the last epoch; None
            if every trial measures it.
    """

    label: str
    direction: Literal["max", "min"]
    percent: bool
    needs: tuple[str, Any] | None = None

    def measured_by(self, config: object) -> bool:
        """Return True if trials of a config measure the metric.

        >>> from types import SimpleNamespace as Config
        >>> METRICS["test_nc1"].measured_by(Config(metrics=())), METRICS["test_top1"].measured_by(Config())
        (False, True)
        """
        if self.needs is None:
            return True
        field, value = self.needs
        given = getattr(config, field)
        return value in given if isinstance(given, tuple) else bool(given == value)


_GEOMETRY: dict[str, tuple[str, Literal["max", "min"], bool]] = {
    "recall_at_1": ("recall@1", "max", True),
    "recall_at_5": ("recall@5", "max", True),
    "recall_at_10": ("recall@10", "max", True),
    "r_precision": ("R-precision", "max", True),
    "map_at_r": ("MAP@R", "max", True),
    "nmi": ("NMI", "max", True),
    "nc1": ("NC1 (variability within classes)", "min", False),
    "nc2": ("NC2 (distance from a simplex)", "min", False),
    "nc3": ("NC3 (distance of classifier and class means)", "min", False),
    "nc4": ("NC4 (disagreement with the nearest class mean)", "min", True),
    "alignment": ("alignment", "min", False),
    "uniformity": ("uniformity", "min", False),
}
"""Label, direction and percent of each measure of geometry."""


def _geometry_metrics() -> Iterator[tuple[str, Metric]]:
    """Return the geometry of features on both splits: over all classes, then by shot group."""
    for split, data in zip(SPLITS, ("validation data", "test data"), strict=True):
        for group in ("", *GROUPS):
            for name in BY_GROUP if group else MEASURES:
                label, direction, percent = _GEOMETRY[name]
                column = f"{split}_{group}_{name}" if group else f"{split}_{name}"
                classes = f", {group}-shot classes" if group else ""
                yield column, Metric(f"{label} on {data}{classes}", direction, percent, ("metrics", "geometry"))


METRICS = {
    "val_top1": Metric("top-1 accuracy on validation data", "max", True),
    "val_macro_top1": Metric("macro top-1 accuracy on validation data", "max", True),
    "val_loss": Metric("loss on validation data", "min", False),
    "test_top1": Metric("top-1 accuracy on test data", "max", True),
    "test_macro_top1": Metric("macro top-1 accuracy on test data", "max", True),
    "test_many_top1": Metric("top-1 accuracy on test data, many-shot classes", "max", True),
    "test_medium_top1": Metric("top-1 accuracy on test data, medium-shot classes", "max", True),
    "test_few_top1": Metric("top-1 accuracy on test data, few-shot classes", "max", True),
    "test_knn_top1": Metric("kNN top-1 accuracy on test data", "max", True),
    "test_corruption_top1": Metric("top-1 accuracy on corrupted test data", "max", True, ("corruptions", True)),
    "test_loss": Metric("loss on test data", "min", False),
    "test_ece": Metric("calibration error on test data", "min", True),
    "test_silhouette": Metric("silhouette on test data", "max", False),
    "test_feature_silhouette": Metric("silhouette of features on test data", "max", False),
    "train_loss": Metric("training loss", "min", False),
    "seconds": Metric("seconds", "min", False),
    "images_per_second": Metric("images per second", "max", False),
    "peak_memory": Metric("peak memory in bytes", "min", False),
    **dict(_geometry_metrics()),
}


JUDGED = tuple(name for name, metric in METRICS.items() if name.startswith("val_") and metric.needs is None)
"""Validation metrics that every validation measures, so that a search can judge a trial before its end."""


def validation_metric(metric: str) -> str:
    """Return the validation metric that stands for a test metric while a study runs; `val_top1` where there is none.

    An own metric has the counterpart of its name.

    >>> validation_metric("test_macro_top1"), validation_metric("test_silhouette"), validation_metric("test_nc1")
    ('val_macro_top1', 'val_top1', 'val_top1')
    >>> validation_metric("test_f1")
    'val_f1'
    """
    found = metric.replace("test_", "val_", 1)
    return found if found in JUDGED or metric not in METRICS else "val_top1"


@dataclass(frozen=True)
class Counts:
    """Correct and total samples of each class, by label.

    >>> counts = Counts(correct=(1, 3), total=(2, 3))
    >>> counts.top1, counts.macro_top1
    (0.8, 0.75)
    """

    correct: tuple[int, ...]
    total: tuple[int, ...]

    @property
    def top1(self) -> float | None:
        """Share of all samples that are correct, in [0, 1]; None if there are no samples."""
        return sum(self.correct) / sum(self.total) if sum(self.total) else None

    @property
    def macro_top1(self) -> float | None:
        """Mean over the classes with samples of their share correct, in [0, 1]; None if there are no samples."""
        return self.macro_of(range(len(self.total)))

    def macro_of(self, classes: Sequence[int]) -> float | None:
        """Return `macro_top1` over some classes, given by label."""
        shares = [self.correct[c] / self.total[c] for c in classes if self.total[c]]
        return sum(shares) / len(shares) if shares else None


def shot_groups(train: Sequence[int], many: int = 100, few: int = 20) -> dict[str, list[int]]:
    """Group classes by their number of training samples: above `many`, below `few`, between (Liu et al. 2019).

    Args:
        train: Training samples of each class, by label.
        many: Classes with more samples than this are `many`.
        few: Classes with fewer samples than this are `few`.

    >>> shot_groups([500, 100, 20, 19])
    {'many': [0], 'medium': [1, 2], 'few': [3]}
    """
    groups: dict[str, list[int]] = {"many": [], "medium": [], "few": []}
    for label, count in enumerate(train):
        groups["many" if count > many else "few" if count < few else "medium"].append(label)
    return groups


def count_correct(logits: Tensor, labels: Tensor) -> Counts:
    """Return the counts of correct and all samples from logits (N, K) and labels (N,) in [0, K)."""
    classes = logits.shape[1]
    hits = labels[logits.argmax(1) == labels]
    return Counts(tuple(hits.bincount(minlength=classes).tolist()), tuple(labels.bincount(minlength=classes).tolist()))


def silhouette(embeddings: Tensor, labels: Tensor) -> float | None:
    """Return the mean silhouette (Rousseeuw 1987) in [-1, 1], Euclidean; None with fewer than two classes.

    Higher is better. Equal to `sklearn.metrics.silhouette_score`; holds one tile of pairs at a time.

    Args:
        embeddings: (N, D).
        labels: (N,) integers, any values.

    >>> import torch
    >>> round(silhouette(torch.tensor([[0.0], [1.0], [5.0], [6.0]]), torch.tensor([0, 0, 1, 1])), 3)
    0.798
    """
    import torch

    from silhouette.loss.formula import classical

    values, y = torch.unique(labels, return_inverse=True)
    return float(classical(embeddings.double(), y).mean()) if len(values) > 1 else None


def knn_top1(train: Tensor, train_labels: Tensor, test: Tensor, labels: Tensor, k: int) -> float | None:
    """Return the accuracy, in [0, 1], of a weighted kNN classifier (Wu et al. 2018); None without samples.

    The k nearest training rows by cosine vote for their label; a vote has weight exp(cos / 0.07), which avoids ties.

    Args:
        train: (N, D) features of the training samples.
        train_labels: (N,) in [0, K).
        test: (M, D) features of the test samples.
        labels: (M,) in [0, K).
        k: Number of neighbours; all N if there are fewer.

    >>> import torch
    >>> train = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> knn_top1(train, torch.tensor([0, 1]), torch.tensor([[2.0, 1.0]]), torch.tensor([0]), k=1)
    1.0
    """
    import torch
    import torch.nn.functional as F

    if not len(train) or not len(test):
        return None
    train, k = F.normalize(train), min(k, len(train))
    classes, hits = int(torch.maximum(train_labels.max(), labels.max())) + 1, labels.new_zeros(())
    step = max(1, _KNN_TILE // len(train))
    for start in range(0, len(test), step):
        rows = slice(start, start + step)
        near, who = (F.normalize(test[rows]) @ train.t()).topk(k, dim=1)
        votes = torch.zeros(len(near), classes, device=near.device)
        votes.scatter_add_(1, train_labels[who], torch.exp((near - 1) / _KNN_TEMPERATURE))
        hits += (votes.argmax(1) == labels[rows]).sum()
    return int(hits) / len(test)


def calibration_error(logits: Tensor, labels: Tensor) -> float | None:
    """Return the expected calibration error over 15 equal bins of confidence (Guo et al. 2017), in [0, 1].

    Lower is better; None without samples.

    Args:
        logits: (N, K).
        labels: (N,) in [0, K).

    >>> import torch
    >>> round(calibration_error(torch.tensor([[0.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1])), 3)
    0.0
    """
    import torch

    if not len(labels):
        return None
    confidence, guess = logits.double().softmax(1).max(1)
    right = (guess == labels).double()
    bins = (confidence * _ECE_BINS).ceil().long().sub(1).clamp(0, _ECE_BINS - 1)
    gaps = torch.zeros(_ECE_BINS, dtype=torch.double, device=logits.device)
    gaps.index_add_(0, bins, right - confidence)
    return float(gaps.abs().sum() / len(labels))
