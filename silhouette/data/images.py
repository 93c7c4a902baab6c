"""Images of any size, in memory or in files, as square uint8 arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silhouette.errors import InputError

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


def read_square(path: Path, channels: int, side: int) -> Image:
    """Return an image file as (C, side, side).

    Raises:
        InputError: If it is no image, or a damaged one.
    """
    try:
        with _open(path) as image:
            return square(image, channels, side)
    except (OSError, SyntaxError, ValueError) as error:  # the errors of PIL's decoders, which read now
        raise _unreadable(path, error) from None


def is_grey(path: Path) -> bool:
    """Return True if an image file has one channel.

    Raises:
        InputError: If it is no image.
    """
    try:
        with _open(path) as image:
            return bool(image.mode in ("1", "L", "I", "I;16"))
    except (OSError, SyntaxError, ValueError) as error:
        raise _unreadable(path, error) from None


def _open(path: Path) -> Any:
    from PIL import Image as pil

    try:
        return pil.open(path)
    except pil.DecompressionBombError as error:
        raise ValueError(error) from None


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"dataset: {path} is not an image that can be read ({error})")
