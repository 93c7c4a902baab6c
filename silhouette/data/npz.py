"""The form `npz:/absolute/file.npz`: images and labels in one NumPy file, in the layout of MedMNIST (Yang et al. 2023).

The arrays are `train_images` (N, H, W) or (N, H, W, 3), uint8, and `train_labels` (N,) or (N, 1), whole numbers; the
same for `val_` and `test_`, which may be absent. Samples of `val_` are training data, from which `val_fraction` and
`val_profile` take validation data as everywhere. Without `test_`, `split_seed` cuts test samples.
"""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from silhouette.data.cache import Source, sha256_of
from silhouette.data.images import Image, square
from silhouette.data.labels import Labels, count_labels
from silhouette.data.reader import Reader
from silhouette.errors import InputError

PARTS = ("train", "val", "test")
_DAMAGE = (
    OSError, ValueError, KeyError, EOFError, RuntimeError, OverflowError, MemoryError, struct.error,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What `zipfile` and NumPy raise for files that are absent, damaged, or something else."""


@dataclass(frozen=True)
class Header:
    """What a file says of an array before its values: shape, type, and whether the first axis runs fastest."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]


def npz(path: Path, side: int) -> Source:
    """Return the images of a file, one in memory at a time: training, then validation, then test samples.

    Args:
        path: The file.
        side: Side of the images in pixels.

    Raises:
        InputError: If the file is damaged, or an array has another shape, type or labels than the layout.
    """
    headers = _headers(path)
    labels = _labels(path, headers)
    shape = headers["train_images"].shape
    channels = shape[3] if len(shape) == 4 else 1
    images = (square(image, channels, side) for part in labels for image in _images(path, part))
    everything = np.concatenate(list(labels.values()))
    train = len(everything) - len(labels["test"]) if "test" in labels else None
    classes = tuple(map(str, range(_count(path, labels))))
    return Source((len(everything), channels, side, side), images, everything, classes, train)


def npz_key(path: Path) -> str:
    """Return a key over the bytes of a file."""
    with _readable(path):
        return f"npz-{sha256_of(path)[:16]}"


def own_side(path: Path) -> int:
    """Return the shorter side of the images in a file."""
    return min(_headers(path)["train_images"].shape[1:3])


def count_classes(path: Path) -> int:
    """Return the number of classes; the images are not read."""
    return _count(path, _labels(path, _headers(path)))


def has_test(path: Path) -> bool:
    """Return True if a file has test samples."""
    return "test_images" in _headers(path)


def _count(path: Path, labels: dict[str, Labels]) -> int:
    train = np.concatenate([labels[part] for part in labels if part != "test"])
    names = [f"{part}_labels" for part in labels if part != "test"]
    return count_labels(train, labels.get("test", train[:0]), f"{path}: {' and '.join(names)}", f"{path}: test_labels")


def _headers(path: Path) -> dict[str, Header]:
    """Return the headers of the arrays by name, after the check of their shapes and types."""
    with _readable(path), zipfile.ZipFile(path) as archive:
        inside = {name.removesuffix(".npy") for name in archive.namelist()}
        wanted = [part for part in PARTS if part == "train" or {f"{part}_images", f"{part}_labels"} & inside]
        names = [f"{part}_{kind}" for part in wanted for kind in ("images", "labels")]
        for name in names:
            if name not in inside:
                raise _fault(path, f"must have the array {name}, got {', '.join(sorted(inside)) or 'none'}")
        headers = {name: _header(archive, name) for name in names}
    for part in wanted:
        _check_images(path, part, headers)
        _check_labels(path, part, headers)
    return headers


def _header(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(f"{name}.npy") as file:
        return _read_header(file)


def _read_header(file: Any) -> Header:
    first = npy.read_magic(file) == (1, 0)
    return Header(*(npy.read_array_header_1_0(file) if first else npy.read_array_header_2_0(file)))


def _check_images(path: Path, part: str, headers: dict[str, Header]) -> None:
    name, header, first = f"{part}_images", headers[f"{part}_images"], headers["train_images"]
    if header.dtype != np.uint8:
        raise _fault(path, f"{name} must be uint8, from 0 to 255, got {header.dtype}")
    if len(header.shape) not in (3, 4) or header.shape[3:] not in ((), (1,), (3,)) or 0 in header.shape:
        raise _fault(path, f"{name} must be (N, H, W) or (N, H, W, 3), none of them 0, got {header.shape}")
    if header.shape[1:] != first.shape[1:]:
        raise _fault(path, f"{name} must be like train_images, {first.shape[1:]} each, got {header.shape[1:]}")


def _check_labels(path: Path, part: str, headers: dict[str, Header]) -> None:
    name, header, count = f"{part}_labels", headers[f"{part}_labels"], headers[f"{part}_images"].shape[0]
    if header.dtype.kind not in "iu":
        raise _fault(path, f"{name} must be whole numbers, got {header.dtype}")
    if header.shape not in ((count,), (count, 1)):
        raise _fault(path, f"{name} must be ({count},) or ({count}, 1), one label for each image, got {header.shape}")


def _labels(path: Path, headers: dict[str, Header]) -> dict[str, Labels]:
    """Return the labels of each part that a file has."""
    with _readable(path), np.load(path, allow_pickle=False) as file:
        parts = [part for part in PARTS if f"{part}_labels" in headers]
        return {part: file[f"{part}_labels"].reshape(-1).astype(np.int64) for part in parts}


def _images(path: Path, part: str) -> Iterator[Image]:
    """Yield the images (H, W, C) of a part."""
    name = f"{part}_images"
    with _readable(path), zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        header = _read_header(file)
        count, height, width = header.shape[:3]
        if header.fortran:  # an image is not in one piece then
            yield from np.load(path, allow_pickle=False)[name].reshape(count, height, width, -1)
            return
        size = int(np.prod(header.shape[1:]))
        for _ in range(count):
            yield np.frombuffer(file.read(size), np.uint8).reshape(height, width, -1)
        if file.read(1):  # reading to the end also compares the checksum
            raise ValueError(f"{name} is longer than its header says")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise _fault(path, "there is no such file on this machine") from None
    except _DAMAGE as error:
        raise _fault(path, f"cannot be read as npz ({error}); write it again with numpy.savez_compressed") from None


def _fault(path: Path, what: str) -> InputError:
    return InputError(f"dataset: {path}: {what}")


READER = Reader(npz_key, npz, count_classes, has_test, own_side)
