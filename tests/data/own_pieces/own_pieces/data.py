"""A data set."""

import numpy as np

from silhouette.data.cache import Source


def stripes(image_size, *, per_class=30, noise=40.0):
    """Four classes of striped images, 8 pixels wide."""
    side, random = image_size or 8, np.random.default_rng(0)
    rows, columns = np.indices((side, side))
    patterns = [rows % 2, columns % 2, (rows + columns) % 2, rows * 0]
    clean = np.repeat(np.stack(patterns), per_class, axis=0)[:, None] * 128.0 + 64
    images = (clean + random.normal(0, noise, clean.shape)).clip(0, 255).astype(np.uint8)
    return Source(images.shape, images, np.arange(4).repeat(per_class), tuple("hvcn"), None)
