"""The operations of AutoAugment and RandAugment on uint8 batches, with torchvision's values and no wait for a GPU.

torchvision makes the grid of a movement and the kernel of the sharpening anew at each call, and waits for a GPU then.
Here a movement is a table that says which pixel goes to each place. torchvision fills the table once on the CPU, so
that moved images are also the same on every device.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from silhouette.data.feed import to_device

Operation = Callable[[Tensor, float], Tensor]

_EDGE, _MIDDLE = 1 / 13, 5 / 13  # of the kernel that blurs for the sharpening


def _functional() -> Any:
    from torchvision.transforms.v2 import functional  # takes seconds to import

    return functional


def _affine(x: Tensor, *, across: float = 0, down: float = 0, shear: tuple[float, float] = (0, 0)) -> Tensor:
    degrees = [float(np.degrees(np.arctan(s))) for s in shear]
    center = [0.0, 0.0] if any(shear) else None
    moved: Tensor = _functional().affine(
        x, angle=0.0, translate=[int(across), int(down)], scale=1.0, shear=degrees, center=center
    )
    return moved


MOVEMENTS: dict[str, Operation] = {
    "ShearX": lambda x, m: _affine(x, shear=(m, 0)),
    "ShearY": lambda x, m: _affine(x, shear=(0, m)),
    "TranslateX": lambda x, m: _affine(x, across=m),
    "TranslateY": lambda x, m: _affine(x, down=m),
    "Rotate": lambda x, m: _functional().rotate(x, m),
}
"""Operations that only move pixels, as torchvision does them."""


def move(name: str) -> Operation:
    """Return an operation of `MOVEMENTS` that looks up where each pixel comes from."""

    def moved(images: Tensor, magnitude: float) -> Tensor:
        height, width = images.shape[-2:]
        table = _table(name, magnitude, height, width, images.device)
        pixels = F.pad(images.flatten(2), (1, 0))  # the place 0 is black
        return pixels.index_select(2, table).view_as(images)

    return moved


@lru_cache(maxsize=128)
def _table(name: str, magnitude: float, height: int, width: int, device: torch.device) -> Tensor:
    """Return (H·W,) the place, counted from 1, whose pixel a movement puts at each place; 0 for none."""
    places = torch.arange(1, height * width + 1, dtype=torch.float32).view(1, 1, height, width)  # exact below 2^24
    found = MOVEMENTS[name](places, magnitude)
    return to_device(found.flatten().long(), device)


def sharpen(images: Tensor, factor: float) -> Tensor:
    """Return images blended with their blur; a factor of 1 changes nothing, and the border is left as it is."""
    channels, height, width = images.shape[-3:]
    if height <= 2 or width <= 2:
        return images
    sharp = images.float()
    blurred = F.conv2d(sharp, _kernel(images.device).expand(channels, 1, 3, 3), groups=channels).round_()
    inner = sharp[..., 1:-1, 1:-1]
    inner.add_(blurred.sub_(inner), alpha=1 - factor)
    return sharp.clamp_(0, 255).to(images.dtype)


@lru_cache
def _kernel(device: torch.device) -> Tensor:
    rows = [[_EDGE, _EDGE, _EDGE], [_EDGE, _MIDDLE, _EDGE], [_EDGE, _EDGE, _EDGE]]
    return to_device(torch.tensor(rows), device)


OPERATIONS: dict[str, Operation] = {
    **{name: move(name) for name in MOVEMENTS},
    "Brightness": lambda x, m: _functional().adjust_brightness(x, 1 + m),
    "Color": lambda x, m: _functional().adjust_saturation(x, 1 + m),
    "Contrast": lambda x, m: _functional().adjust_contrast(x, 1 + m),
    "Sharpness": lambda x, m: sharpen(x, 1 + m),
    "Posterize": lambda x, m: _functional().posterize(x, int(m)),
    "Solarize": lambda x, m: _functional().solarize(x, m),
    "AutoContrast": lambda x, _: _functional().autocontrast(x),
    "Equalize": lambda x, _: _functional().equalize(x),
    "Invert": lambda x, _: _functional().invert(x),
}
"""Name of an operation -> (images (B, C, H, W) uint8, signed magnitude) -> images."""
SIGNED = {*MOVEMENTS, "Brightness", "Color", "Contrast", "Sharpness"}
"""Operations whose magnitude may be negative."""
