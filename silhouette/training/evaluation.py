"""Outputs of a network on a set of samples; the network is not changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from silhouette.metrics import Counts, count_correct
from silhouette.training.classifiers import class_vectors
from silhouette.training.encoders import Network
from silhouette.training.linear_probe import fit_linear_probe

BATCH = 512
"""Images of one forward pass."""


@dataclass(frozen=True)
class Outputs:
    """Outputs of a network on N samples, in float32 on its device.

    Attributes:
        features: (N, F).
        embedding: (N, D).
        logits: (N, K).
        labels: (N,).
        weight: (K, F) of the classifier that gives the logits; rows of length 1 if it compares directions.
    """

    features: Tensor
    embedding: Tensor
    logits: Tensor
    labels: Tensor
    weight: Tensor

    @property
    def finite(self) -> bool:
        """True if every feature, embedding and logit is finite."""
        parts = (self.features, self.embedding, self.logits)
        return bool(torch.stack([part.isfinite().all() for part in parts]).all())  # a GPU is waited for once

    def loss(self) -> float:
        """Return the mean cross-entropy; lower is better."""
        return float(F.cross_entropy(self.logits, self.labels))

    def counts(self) -> Counts:
        """Return the correct and all samples of each class."""
        return count_correct(self.logits, self.labels)

    def correct(self) -> NDArray[np.bool_]:
        """Return which samples are classified right, shape (N,)."""
        return np.asarray((self.logits.argmax(1) == self.labels).cpu().numpy(), dtype=np.bool_)

    def probed(self, on: Outputs) -> Outputs:
        """Return these outputs with the logits of a linear probe that is fitted on the features of `on`."""
        probe = fit_linear_probe(on.features, on.labels, on.logits.shape[1])
        return replace(self, logits=probe(self.features), weight=probe.weight / probe.scale)


def chunks(indices: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Return the indices in parts of at most `BATCH`.

    >>> [len(part) for part in chunks(np.arange(1000))]
    [512, 488]
    """
    return (indices[i : i + BATCH] for i in range(0, len(indices), BATCH))


@torch.no_grad()
def evaluate(
    network: Network,
    inputs: Iterator[Tensor],
    labels: Tensor,
    autocast: Callable[[], AbstractContextManager[object]],
) -> Outputs:
    """Return outputs in evaluation mode; the network is then set back to its earlier mode.

    Args:
        network: The network.
        inputs: Parts (n, C, H, W) of all N images, as input of the network.
        labels: (N,).
        autocast: Returns the context of the forward pass, for mixed precision.
    """
    training = network.training
    network.eval()
    parts = []
    for images in inputs:
        with autocast():
            parts.append(network(images))
    network.train(training)
    features, embedding, logits = (torch.cat(part).float() for part in zip(*parts, strict=True))
    return Outputs(features, embedding, logits, labels, class_vectors(network.classifier))
