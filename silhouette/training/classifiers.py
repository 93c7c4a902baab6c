"""The classifier on the features: linear, cosine, or fixed to the vertices of a simplex."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from silhouette.config import ConfigError, TrialConfig
from silhouette.loss.distances import unit
from silhouette.training.simplex import simplex


class CosineClassifier(nn.Module):
    """Logits s·cos(features, w_c), in float32 also under autocast.

    Args:
        weight: (K, F) vectors w_c; they are learned if it is a parameter.
        scale: s.

    >>> CosineClassifier(torch.eye(2), 30.0)(torch.tensor([[3.0, 4.0]])).tolist()
    [[18.0, 24.0]]
    """

    weight: Tensor

    def __init__(self, weight: Tensor, scale: float) -> None:
        super().__init__()
        self.scale = scale
        if isinstance(weight, nn.Parameter):
            self.weight = weight
        else:
            self.register_buffer("weight", weight)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, K) of features (B, F)."""
        with torch.autocast(features.device.type, enabled=False):
            return self.scale * F.linear(unit(features.to(self.weight)), unit(self.weight))


def class_vectors(classifier: nn.Linear | CosineClassifier) -> Tensor:
    """Return the vectors (K, F), in float32, whose products with features of one length order the classes.

    >>> class_vectors(CosineClassifier(torch.tensor([[3.0, 4.0]]), 30.0)).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    weight = classifier.weight.detach().float()
    return unit(weight) if isinstance(classifier, CosineClassifier) else weight


def build_classifier(config: TrialConfig, features: int, num_classes: int) -> nn.Linear | CosineClassifier:
    """Return the untrained classifier of a config; torch's global generator decides its weights.

    Args:
        config: `classifier` and `classifier_scale` matter.
        features: F, features of the encoder.
        num_classes: K.

    Raises:
        ConfigError: If a simplex of K vertices does not fit into F dimensions.
    """
    if config.classifier == "linear":
        return nn.Linear(features, num_classes)
    if config.classifier == "cosine":
        vectors = nn.Parameter(unit(torch.randn(num_classes, features)))
        return CosineClassifier(vectors, config.classifier_scale)
    if features < num_classes - 1:
        raise ConfigError(
            f"classifier: etf needs at least {num_classes - 1} features for {num_classes} classes, and "
            f"encoder={config.encoder} has {features}; give a wider encoder, or classifier=cosine"
        )
    return CosineClassifier(simplex(num_classes, features), config.classifier_scale)
