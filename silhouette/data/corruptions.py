"""Common corruptions of test images at five severities, with the strengths of Hendrycks and Dietterich (2019).

The strengths are those of CIFAR-10-C. The blur is given for images of 32 pixels and scaled with their side. The noise
is the same in every trial, so all trials are tested on the same corrupted images.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from silhouette.seeding import torch_stream

SEVERITIES = (1, 2, 3, 4, 5)
STRENGTHS = {
    "gaussian_noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "gaussian_blur": (0.4, 0.6, 0.7, 0.8, 1.0),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),
}
"""Name -> strength by severity, in this order: standard deviation (of 1); standard deviation in pixels; factor; shift
(of 1); share of the resolution that is kept."""


def corrupt(images: Tensor, name: str, severity: int, chunk: int = 0) -> Tensor:
    """Return a corrupted copy of images.

    Args:
        images: (N, C, H, W) uint8.
        name: A key of `STRENGTHS`.
        severity: From 1 (weakest) to 5.
        chunk: Number of this part of the test split; noise differs between parts.

    Returns:
        (N, C, H, W) uint8.

    >>> corrupt(torch.tensor([[[[0, 100]]]], dtype=torch.uint8), "brightness", severity=1).tolist()
    [[[[13, 113]]]]
    """
    strength = STRENGTHS[name][severity - 1]
    x = images.float() / 255
    if name == "gaussian_noise":
        rng = torch_stream(0, "corruption", severity, chunk)
        x = x + strength * torch.randn(x.shape, generator=rng).to(x.device)
    elif name == "gaussian_blur":
        x = _blur(x, strength * x.shape[-1] / 32)
    elif name == "contrast":
        mean = x.mean((2, 3), keepdim=True)
        x = mean + strength * (x - mean)
    elif name == "brightness":
        x = x + strength
    else:
        side = max(1, round(strength * x.shape[-1]))
        x = F.interpolate(F.interpolate(x, size=(side, side), mode="area"), size=x.shape[-2:], mode="nearest")
    return x.clamp(0, 1).mul(255).round().to(torch.uint8)


def _blur(x: Tensor, sigma: float) -> Tensor:
    """Return the Gaussian blur of (N, C, H, W), with pixels of the border repeated beyond it."""
    reach = max(1, int(4 * sigma + 0.5))
    at = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-at.square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    flat = x.reshape(-1, 1, *x.shape[-2:])
    flat = F.conv2d(F.pad(flat, (0, 0, reach, reach), mode="replicate"), kernel[None, None, :, None])
    flat = F.conv2d(F.pad(flat, (reach, reach, 0, 0), mode="replicate"), kernel[None, None, None, :])
    return flat.reshape(x.shape)
