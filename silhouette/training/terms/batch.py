"""What a term of the objective gets and returns: `Batch`, the base classes of terms, and weighted means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Batch:
    """Outputs of the network on B images, each in V augmented views; the second views stand after all first views.

    Attributes:
        logits: (V·B, K), float32 or wider.
        embedding: (V·B, D), rows of length 1.
        labels: (V·B,) in [0, K).
        images: B.
        class_weights: (K, F) rows of the classifier; None if the caller does not know them.
        weights: (V·B,) positive weights of the samples; None for a plain mean.
    """

    logits: Tensor
    embedding: Tensor
    labels: Tensor
    images: int
    class_weights: Tensor | None = None
    weights: Tensor | None = None

    def sliced(self, *, first_view: bool) -> Batch:
        """Return the first view of each image, or all views.

        All views are a slice too: autograd then adds up the gradients of one term before those of others, which decides
        the last bit of a sum. Earlier records have these bits.
        """
        rows = slice(self.images if first_view else len(self.labels))
        weights = None if self.weights is None else self.weights[rows]
        return replace(
            self, logits=self.logits[rows], embedding=self.embedding[rows], labels=self.labels[rows], weights=weights
        )

    def in_view_pairs(self) -> tuple[Tensor, Tensor]:
        """Return two (V·B, V·B) masks: pairs of different samples of one class, and those of one image.

        >>> batch = Batch(torch.zeros(4, 2), torch.zeros(4, 3), torch.tensor([0, 1, 0, 1]), images=2)
        >>> [mask.long().tolist()[0] for mask in batch.in_view_pairs()]
        [[0, 0, 1, 0], [0, 0, 1, 0]]
        """
        same = self.labels[:, None] == self.labels
        image = torch.arange(len(self.labels), device=self.labels.device) % self.images
        other = ~torch.eye(len(self.labels), dtype=torch.bool, device=self.labels.device)
        return same & other, (image[:, None] == image) & other


class Term(nn.Module, ABC):
    """A supervised term: `term(batch) -> scalar`; lower is better."""

    def start_epoch(self) -> None:
        """Prepare an epoch; a term whose state follows the epochs overrides this."""

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """Return the scalar loss of a batch."""


class SampleTerm(Term):
    """A term that is the mean of one value per sample, weighted where the batch has weights."""

    @abstractmethod
    def values(self, batch: Batch) -> Tensor:
        """Return the loss (V·B,) of each sample."""

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean over samples, Σ w·ℓ / Σ w with weights."""
        return average(self.values(batch), batch.weights)


def average(values: Tensor, weights: Tensor | None) -> Tensor:
    """Return Σ w·ℓ / Σ w of values ℓ (N,), their plain mean without weights, and 0 where all weights are 0.

    >>> average(torch.tensor([1.0, 4.0]), torch.tensor([2.0, 1.0])).item()
    2.0
    """
    if weights is None:
        return values.mean()
    return (weights * values).sum() / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)
