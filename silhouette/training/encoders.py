"""Networks: an encoder, a projection head for the metric losses, and a classifier."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from silhouette.config import TrialConfig
from silhouette.loss.distances import unit
from silhouette.registry import ENCODERS, load
from silhouette.training.cifar_resnet import CifarResNet
from silhouette.training.classifiers import build_classifier
from silhouette.training.own import own_encoder


class Output(NamedTuple):
    """Outputs of a network on a batch.

    Attributes:
        features: (B, F), input of the classifier and of a linear probe.
        embedding: (B, D), rows of length 1, input of the metric losses; float32 also under autocast.
        logits: (B, K).
    """

    features: Tensor
    embedding: Tensor
    logits: Tensor


class Network(nn.Module):
    """Encoder, projection head (Linear, ReLU, Linear, scaled to length 1) and classifier.

    Head and classifier both take the features of the encoder, as in SupCon (Khosla et al. 2020).

    Args:
        encoder: Maps (B, C, H, W) to (B, features).
        features: Its number of features.
        embedding_dim: D.
        classifier: Maps (B, features) to (B, K); its `weight` is (K, features).

    Attributes:
        features: Number of features of the encoder.
    """

    def __init__(self, encoder: nn.Module, features: int, config: TrialConfig, num_classes: int) -> None:
        super().__init__()
        self.encoder, self.features = encoder, features
        self.head = nn.Sequential(
            nn.Linear(features, features), nn.ReLU(inplace=True), nn.Linear(features, config.embedding_dim)
        )
        self.classifier = build_classifier(config, features, num_classes)

    def forward(self, images: Tensor) -> Output:
        """Return features, embeddings and logits of images (B, C, H, W)."""
        features = self.encoder(images)
        return Output(features, unit(self.head(features).float()), self.classifier(features))


def build_network(config: TrialConfig, num_classes: int, in_shape: tuple[int, int, int]) -> Network:
    """Return the untrained network of a config; torch's global generator decides its weights.

    Args:
        config: The encoder with its options, `embedding_dim` and the options of the classifier matter.
        num_classes: K.
        in_shape: (C, H, W) of an image.

    Raises:
        InputError: If the encoder cannot take images of this size, or has too few features for the classifier.

    >>> network = build_network(TrialConfig(width=4, embedding_dim=8), num_classes=10, in_shape=(1, 8, 8))
    >>> import torch
    >>> [tuple(part.shape) for part in network(torch.zeros(2, 1, 8, 8))]
    [(2, 16), (2, 8), (2, 10)]
    """
    encoder, features = build_encoder(config, in_shape)
    return Network(encoder, features, config, num_classes)


def build_encoder(config: TrialConfig, in_shape: tuple[int, int, int]) -> tuple[nn.Module, int]:
    """Return the untrained encoder of a config, ours or a person's own, and its number of features F.

    Raises:
        InputError: If it cannot be imported, does not take its options, or returns something else.
    """
    entry = ENCODERS.get(config.encoder)
    if entry is None:
        return own_encoder(config, in_shape)
    settings = {argument: getattr(config, field) for argument, field in entry.settings.items()}
    encoder, features = load(entry.where)(in_shape, **entry.arguments, **settings)
    return encoder, features


def small_cnn(in_shape: tuple[int, int, int], *, width: int) -> tuple[nn.Module, int]:
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


def mlp(in_shape: tuple[int, int, int], *, width: int) -> tuple[nn.Module, int]:
    """Two hidden layers of 16 · width units with batch normalisation."""
    channels, height, side = in_shape
    inputs, hidden = channels * height * side, 16 * width
    layers: list[nn.Module] = [nn.Flatten()]
    for size in (inputs, hidden):
        layers += [nn.Linear(size, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers), hidden


def resnet32(in_shape: tuple[int, int, int]) -> tuple[nn.Module, int]:
    """ResNet-32 for images of CIFAR (He et al. 2016)."""
    encoder = CifarResNet(in_shape[0], blocks=5)
    return encoder, encoder.features
