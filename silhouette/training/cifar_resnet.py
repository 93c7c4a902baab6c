"""The residual networks for CIFAR of He et al., Deep residual learning for image recognition (2016), section 4.2."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (16, 32, 64)


class CifarResNet(nn.Module):
    """A residual network of 6n + 2 layers, the classifier included, without the classifier.

    A 3 × 3 convolution with 16 channels, then three stages of n blocks with 16, 32 and 64 channels; the first block of
    the second and of the third stage halves the image. Then the mean over the image. Weights of the convolutions are
    drawn from normal distributions (He et al. 2015), by torch's global generator.

    Args:
        channels: Channels of an image.
        blocks: n; 5 makes ResNet-32.

    Attributes:
        features: Number of outputs.

    >>> sum(p.numel() for p in CifarResNet(3, blocks=5).parameters())
    463504
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.features = WIDTHS[-1]
        layers: list[nn.Module] = [*_conv(channels, WIDTHS[0], 1), nn.ReLU(inplace=True)]
        inputs = WIDTHS[0]
        for width in WIDTHS:
            for _ in range(blocks):
                layers.append(Block(inputs, width))
                inputs = width
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Return features (B, 64) of images (B, C, H, W)."""
        features: Tensor = self.layers(images)
        return features


class Block(nn.Module):
    """Two 3 × 3 convolutions with a shortcut that has no parameters (option A of the paper).

    A block with more outputs than inputs halves the image; its shortcut takes every second pixel and adds channels of
    zeros.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output, at least as many.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride, self.added = (1 if outputs == inputs else 2), outputs - inputs
        first, second = _conv(inputs, outputs, self.stride), _conv(outputs, outputs, 1)
        self.residual = nn.Sequential(*first, nn.ReLU(inplace=True), *second)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H / stride, W / stride) of (B, inputs, H, W)."""
        before = self.added // 2
        kept = x[:, :, :: self.stride, :: self.stride]
        shortcut = F.pad(kept, (0, 0, 0, 0, before, self.added - before)) if self.added else kept
        return F.relu(self.residual(x) + shortcut, inplace=True)


def _conv(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs)]
