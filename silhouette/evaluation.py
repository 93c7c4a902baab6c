"""What a network makes of a set of samples, without changing the network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from silhouette.encoders import Network
from silhouette.metrics import Counts, count_correct

BATCH = 512


@dataclass(frozen=True)
class Outputs:
    """Outputs of a network on N samples, in float32 on its device.

    Attributes:
        features: (N, F).
        embedding: (N, D).
        logits: (N, K).
        labels: (N,).
    """

    features: Tensor
    embedding: Tensor
    logits: Tensor
    labels: Tensor

    @property
    def finite(self) -> bool:
        """Whether every logit and every embedding is a number."""
        return bool(self.logits.isfinite().all() & self.embedding.isfinite().all())

    def loss(self) -> float:
        """Mean cross-entropy."""
        return float(F.cross_entropy(self.logits, self.labels))

    def counts(self) -> Counts:
        """Correct and total by class."""
        return count_correct(self.logits, self.labels)


@torch.no_grad()
def run(network: Network, images: Tensor, labels: Tensor) -> Outputs:
    """Outputs on images (N, C, H, W), in evaluation mode; the mode is then put back."""
    training = network.training
    network.eval()
    parts = [network(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
    network.train(training)
    features, embedding, logits = (torch.cat(part).float() for part in zip(*parts, strict=True))
    return Outputs(features, embedding, logits, labels)
