"""What is minimised: the supervised terms, joined by `+`, plus λ_sil times the silhouette loss."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from silhouette.config import TrialConfig
from silhouette.encoders import Output
from silhouette.loss import SoftSilhouetteLoss


class Losses(NamedTuple):
    """Scalars of one batch: `total` = `supervised` + λ_sil · `silhouette` (None where λ_sil is 0)."""

    total: Tensor
    supervised: Tensor
    silhouette: Tensor | None


class Objective(nn.Module):
    """The loss of a config: `objective(output, labels) -> Losses`.

    Args:
        config: `objective`, `lambda_sil` and the options of the terms matter.
        num_classes: K; labels lie in [0, K).
    """

    def __init__(self, config: TrialConfig, num_classes: int) -> None:
        super().__init__()
        self.lambda_sil = config.lambda_sil
        self.silhouette = SoftSilhouetteLoss(
            tau_s=config.tau_s,
            tau_m=config.tau_m,
            distance=config.distance,
            softmin=config.softmin,
            reduction=config.reduction,
            normalize=False,  # the network has done it
            num_classes=num_classes,
            validate=False,  # the trainer checks the loss and the gradient
        )

    def forward(self, output: Output, labels: Tensor) -> Losses:
        """Losses of a batch with labels (B,)."""
        supervised = F.cross_entropy(output.logits, labels)
        if self.lambda_sil == 0:
            return Losses(supervised, supervised, None)
        silhouette = self.silhouette(output.embedding, labels)
        return Losses(supervised + self.lambda_sil * silhouette, supervised, silhouette)
