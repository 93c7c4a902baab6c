"""Networks: an encoder, a projection head for the metric losses, and a linear classifier."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from silhouette.config import TrialConfig
from silhouette.distances import unit


class Output(NamedTuple):
    """What a network says about a batch.

    Attributes:
        features: (B, F), what the classifier and a linear probe see.
        embedding: (B, D), rows of length 1, what the metric losses see.
        logits: (B, K).
    """

    features: Tensor
    embedding: Tensor
    logits: Tensor


class Network(nn.Module):
    """Encoder, projection head (Linear, ReLU, Linear, scaled to length 1) and linear classifier.

    Head and classifier both stand on the encoder's features, as in SupCon (Khosla et al. 2020).

    Args:
        encoder: Maps (B, C, H, W) to (B, features).
        features: Its number of features.
        embedding_dim: D.
        num_classes: K.
    """

    def __init__(self, encoder: nn.Module, features: int, embedding_dim: int, num_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(
            nn.Linear(features, features), nn.ReLU(inplace=True), nn.Linear(features, embedding_dim)
        )
        self.classifier = nn.Linear(features, num_classes)

    def forward(self, images: Tensor) -> Output:
        """Features, embeddings and logits of images (B, C, H, W)."""
        features = self.encoder(images)
        return Output(features, unit(self.head(features).float()), self.classifier(features))


def build(config: TrialConfig, num_classes: int, in_shape: tuple[int, int, int]) -> Network:
    """The untrained network of a config; its weights follow torch's global generator.

    Args:
        config: `encoder`, `width` and `embedding_dim` matter.
        num_classes: K.
        in_shape: (C, H, W) of an image.
    """
    encoder, features = _small_cnn(config.width, in_shape)
    return Network(encoder, features, config.embedding_dim, num_classes)


def _small_cnn(width: int, in_shape: tuple[int, int, int]) -> tuple[nn.Module, int]:
    """Three 3 × 3 convolutions (w, 2w, 4w channels), halving the image after each while it is above 2 pixels."""
    channels, height, _ = in_shape
    layers: list[nn.Module] = []
    for out in (width, 2 * width, 4 * width):
        layers += [nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)]
        layers += [nn.ReLU(inplace=True)]
        if height > 2:
            layers.append(nn.MaxPool2d(2))
            height //= 2
        channels = out
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers), channels
