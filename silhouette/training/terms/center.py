"""Centre loss (Wen et al. 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from silhouette.training.terms.batch import Batch, SampleTerm


class CenterLoss(SampleTerm):
    """½ · mean_i |z_i - c_{y_i}|², in [0, 2] for embeddings and centres of length at most 1; lower is better.

    The centres start at 0 and follow the gradient like other parameters. Wen et al. (2016) move them by a running mean
    instead; either way the centre of a class moves towards the mean of its samples.

    Args:
        num_classes: K.
        dim: D.

    >>> batch = Batch(torch.zeros(4, 2), torch.ones(4, 3), torch.tensor([0, 0, 1, 1]), images=4)
    >>> CenterLoss(2, 3)(batch).item()
    1.5
    """

    def __init__(self, num_classes: int, dim: int) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.zeros(num_classes, dim))

    def values(self, batch: Batch) -> Tensor:
        """Return (V·B,) values."""
        return (batch.embedding - self.centers[batch.labels]).square().sum(1) / 2
