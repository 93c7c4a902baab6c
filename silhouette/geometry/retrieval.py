"""Retrieval among the samples of a split: every sample asks for the others of its class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from silhouette.geometry.tiles import class_means, tiles

RANKS = (1, 5, 10)
"""k of Recall@k."""


@dataclass(frozen=True)
class Retrieval:
    """Results of the Q samples that are not alone in their class, in float64 and in [0, 1]; higher is better.

    Attributes:
        values: (Q, 5) Recall@1, Recall@5, Recall@10, R-precision and MAP@R of each.
        labels: (Q,) the class of each.
    """

    values: Tensor
    labels: Tensor

    def mean(self) -> list[float | None]:
        """Return the mean of each of the five over the samples, as in the papers; None without samples."""
        return self.values.mean(0).tolist() if len(self.values) else [None] * (len(RANKS) + 2)

    def of_classes(self, classes: int) -> Tensor:
        """Return (K, 5) means over the samples of each class; NaN for a class without samples here."""
        return class_means(self.values, self.labels, classes)


@torch.no_grad()
def retrieve(features: Tensor, labels: Tensor) -> Retrieval:
    """Rank, for each sample, all other samples by their distance.

    With R other samples in the class of a sample, and P(i) the share of its class among the i nearest::

        Recall@k    = 1 if one of the k nearest is of the class, else 0
        R-precision = P(R)
        MAP@R       = 1/R · Σ_{i ≤ R} P(i) · [the i-th nearest is of the class]

    The last two are those of Musgrave et al. (2020), "A metric learning reality check". A sample that is alone in its
    class has nothing to find and is left out.

    Args:
        features: (N, D) rows of length 1; their dot product then orders them as their distance does.
        labels: (N,) in [0, K).

    >>> line = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> retrieve(line, torch.tensor([0, 1, 0])).mean()
    [0.0, 1.0, 1.0, 0.0, 0.0]
    """
    others = labels.bincount()[labels] - 1
    queries = (others > 0).nonzero()[:, 0]
    found = [
        _of_tile(features, labels, queries[part], others) for part in tiles(len(queries), len(labels), labels.device)
    ]
    values = torch.cat(found) if found else torch.zeros(0, len(RANKS) + 2, dtype=torch.double, device=labels.device)
    return Retrieval(values, labels[queries])


def _of_tile(features: Tensor, labels: Tensor, queries: Tensor, others: Tensor) -> Tensor:
    """Return (q, 5) values of some samples, given by index."""
    near = features[queries] @ features.t()
    near[torch.arange(len(queries), device=near.device), queries] = -torch.inf  # the sample itself
    size = others[queries][:, None]
    width = min(len(labels) - 1, max(RANKS[-1], int(size.max())))
    hits = labels[near.topk(width).indices] == labels[queries][:, None]
    place = torch.arange(1, width + 1, device=near.device)
    counted = hits & (place <= size)
    precision = hits.cumsum(1).double() / place
    recalls = [hits[:, :k].any(1).double() for k in RANKS]
    r_precision, map_at_r = counted.sum(1) / size[:, 0].double(), (precision * counted).sum(1) / size[:, 0]
    return torch.stack([*recalls, r_precision, map_at_r], 1)
