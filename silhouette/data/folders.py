"""The form `image_folder:/absolute/folder`: a subfolder of images for each class."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from silhouette.data.cache import Source
from silhouette.data.images import is_grey, read_square
from silhouette.data.reader import Reader
from silhouette.errors import InputError

_IMAGE_ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}


def image_folder(root: Path, side: int) -> Source:
    """Return the images of a folder.

    The folder has one subfolder per class, or `train/` and `test/` with one subfolder per class each.

    Args:
        root: The folder.
        side: Side of the images in pixels.

    Raises:
        InputError: If the folder has no such form.
    """
    listing = list_folder(root)
    classes = tuple(sorted({path.parent.name for part in listing for path in part}))
    if len(classes) < 2:
        raise InputError(f"dataset: {root} must hold a subfolder of images for each of two or more classes")
    labels = np.array([classes.index(path.parent.name) for part in listing for path in part], dtype=np.int64)
    channels = 1 if all(is_grey(part[0]) for part in listing) else 3
    images = (read_square(path, channels, side) for part in listing for path in part)
    train = len(listing[0]) if len(listing) == 2 else None
    return Source((len(labels), channels, side, side), images, labels, classes, train)


def list_folder(root: Path) -> list[list[Path]]:
    """Return the image files in sorted order: of the whole folder, or of its `train` and its `test`.

    Raises:
        InputError: If there are none.
    """
    listing = [
        sorted(p for p in part.glob("*/*") if p.suffix.lower() in _IMAGE_ENDINGS and p.is_file())
        for part in _roots(root)
    ]
    if not all(listing):
        raise InputError(f"dataset: {root} must hold subfolders with images, one for each class")
    return listing


def folder_key(root: Path) -> str:
    """Return a key over names, sizes and times of the images, so that a changed folder is decoded again."""
    digest = hashlib.sha256(str(root).encode())
    for path in (path for part in list_folder(root) for path in part):
        stat = path.stat()
        digest.update(f"{path.relative_to(root)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return f"folder-{digest.hexdigest()[:16]}"


def count_subfolders(root: Path) -> int | None:
    """Return the number of subfolders, one for each class; None without any."""
    return sum(path.is_dir() for path in _roots(root)[0].iterdir()) or None


def has_test(root: Path) -> bool:
    """Return True if a folder has `train` and `test`."""
    return len(_roots(root)) == 2


def _roots(root: Path) -> list[Path]:
    """Return `train` and `test`, where a folder has both, else the folder itself."""
    parts = [root / "train", root / "test"]
    return parts if all(part.is_dir() for part in parts) else [root]


READER = Reader(folder_key, image_folder, count_subfolders, has_test)
