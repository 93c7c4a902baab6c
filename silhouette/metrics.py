"""The one table of metrics, and how each is computed. Importable without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Metric:
    """What readers must know about a column.

    Attributes:
        label: Name for people.
        direction: `max` if higher is better, `min` if lower is.
        percent: Whether people read the fraction as a percentage.
    """

    label: str
    direction: Literal["max", "min"]
    percent: bool


METRICS = {
    "val_top1": Metric("validation top-1", "max", True),
    "val_macro_top1": Metric("validation macro top-1", "max", True),
    "val_loss": Metric("validation loss", "min", False),
    "test_top1": Metric("test top-1", "max", True),
    "test_macro_top1": Metric("test macro top-1", "max", True),
    "test_loss": Metric("test loss", "min", False),
    "test_silhouette": Metric("test silhouette", "max", False),
    "train_loss": Metric("training loss", "min", False),
}


@dataclass(frozen=True)
class Counts:
    """Correct and total samples of each class, by label."""

    correct: tuple[int, ...]
    total: tuple[int, ...]

    @property
    def top1(self) -> float | None:
        """Share of all samples that are correct; None if there are none."""
        return sum(self.correct) / sum(self.total) if sum(self.total) else None

    @property
    def macro_top1(self) -> float | None:
        """Mean over the classes that have samples of their share correct; None if there are none."""
        shares = [c / t for c, t in zip(self.correct, self.total, strict=True) if t]
        return sum(shares) / len(shares) if shares else None


def count_correct(logits: Tensor, labels: Tensor) -> Counts:
    """Counts from logits (N, K) and labels (N,) in [0, K)."""
    classes = logits.shape[1]
    hits = labels[logits.argmax(1) == labels]
    return Counts(tuple(hits.bincount(minlength=classes).tolist()), tuple(labels.bincount(minlength=classes).tolist()))


def silhouette(embeddings: Tensor, labels: Tensor) -> float | None:
    """Mean silhouette (Rousseeuw 1987) of embeddings (N, D), Euclidean; None with fewer than two classes.

    Equals `sklearn.metrics.silhouette_score`, in memory for a tile of pairs.
    """
    import torch

    from silhouette.distances import euclidean

    values, y = torch.unique(labels, return_inverse=True)
    if len(values) < 2:
        return None
    z = embeddings.double()
    counts = y.bincount().to(z)
    own, others = euclidean(z, y, counts)
    nearest = others.scatter(0, y[None], float("inf")).amin(0)
    scores = (nearest - own) / torch.maximum(nearest, own).clamp_min(torch.finfo(z.dtype).tiny)
    return float(torch.where(counts[y] > 1, scores, 0).mean())
