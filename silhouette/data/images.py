"""Images of any size as square uint8 arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(C, H, W), or (H, W, C) where a function says so."""


def square(image: Any, channels: int, side: int) -> Image:
    """Return an image (PIL, or an array (H, W, C)) as (C, side, side): short side scaled, then the centre cut out."""
    from PIL import Image as pil

    if isinstance(image, np.ndarray):
        if image.shape[:2] == (side, side):
            return image.transpose(2, 0, 1)
        image = pil.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    image = image.convert("L" if channels == 1 else "RGB")
    scale = side / min(image.size)
    width, height = (max(side, round(length * scale)) for length in image.size)
    image = image.resize((width, height), pil.Resampling.BILINEAR)
    left, top = (width - side) // 2, (height - side) // 2
    pixels = np.asarray(image.crop((left, top, left + side, top + side)))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def resize(image: Image, side: int) -> Image:
    """Return an array (H, W, C) as (C, side, side)."""
    return square(image, image.shape[2], side)
