"""Sources of the datasets: their files, how to fetch them, how to read them (torchvision's in a file of their own)."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from silhouette.data.cache import Source, raw_folder
from silhouette.data.images import Image, resize
from silhouette.data.torchvision_sources import missing
from silhouette.errors import InputError
from silhouette.registry import DATASETS
from silhouette.seeding import numpy_stream

_IDX_FILES = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)

# --- without files of their own


def digits(_image_size: int | None = None) -> Source:
    """Return the 1797 handwritten digits that scikit-learn ships, 8 × 8 pixels (Alpaydin and Kaynak 1998).

    They are read from scikit-learn's data file; its import would take 2 s.

    Raises:
        InputError: If scikit-learn has no such file.
    """
    path = _scikit_learn_file("datasets/data/digits.csv.gz")
    rows = np.loadtxt(path, delimiter=",", dtype=np.int64)  # 64 pixels from 0 to 16, then the label
    images = np.rint(rows[:, :-1].reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
    return Source(images.shape, images, rows[:, -1], tuple(map(str, range(10))), None)


def _scikit_learn_file(name: str) -> Path:
    """Return the path of a file in scikit-learn's folder, found without importing it."""
    spec = find_spec("sklearn")
    path = Path(spec.origin).parent / name if spec and spec.origin else None
    if path is None or not path.is_file():
        raise InputError(f"dataset: digits needs scikit-learn's {name}, which is not installed; install scikit-learn")
    return path


def synthetic(side: int, *, classes: int, per_class: int, spread: float) -> Source:
    """Return Gaussian classes as images: centres with standard deviation 1, and noise of `spread` around each.

    Pixel value 128 is 0 and 32 grey levels are one unit; values are clipped to [0, 255]. Like a real dataset it is the
    same for every seed of a trial.

    Args:
        side: Side of the images in pixels.
        classes: K.
        per_class: Samples of each class.
        spread: Standard deviation within a class.

    >>> synthetic(8, classes=3, per_class=2, spread=0.5).labels.tolist()
    [0, 0, 1, 1, 2, 2]
    """
    rng = numpy_stream(0, "synthetic", classes, per_class, side)
    centers = rng.standard_normal((classes, 1, side, side), dtype=np.float32)
    labels = np.arange(classes).repeat(per_class)

    def images() -> Iterator[Image]:
        for label in labels:
            noise = rng.standard_normal((1, side, side), dtype=np.float32)
            yield (128 + 32 * (centers[label] + spread * noise)).clip(0, 255).astype(np.uint8)

    names = tuple(f"class {c}" for c in range(classes))
    return Source((len(labels), 1, side, side), images(), labels, names, None)


# --- IDX files (MNIST and those made like it)


def idx(side: int, *, name: str) -> Source:
    """Return a dataset of four IDX files, plain or gzipped; absent files are fetched.

    Args:
        side: Side of the images in pixels.
        name: `mnist`, `fashion_mnist` or `kmnist`.

    Raises:
        InputError: If a file is damaged, or absent and cannot be fetched.
    """
    folder = raw_folder() / name
    parts = [tuple(read_idx(_idx_file(name, folder, file)) for file in pair) for pair in _IDX_FILES]
    images, labels = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise InputError(f"dataset: {name}: images and labels do not match in {folder}")
    classes = tuple(map(str, range(DATASETS[name].classes or 0)))
    sized = (resize(image[..., None], side) for image in images)
    return Source((len(images), 1, side, side), sized, labels.astype(np.int64), classes, len(parts[0][0]))


def read_idx(path: Path) -> Image:
    """Return the array of an IDX file of unsigned bytes (LeCun's format), gzipped or not.

    Raises:
        InputError: If the file is damaged or has other content.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zero, kind, dimensions = struct.unpack(">HBB", data[:4])
        shape = struct.unpack(f">{dimensions}I", data[4 : 4 + 4 * dimensions])
        if (zero, kind) != (0, 8):
            raise ValueError("not an IDX file of unsigned bytes")
        return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    except (OSError, EOFError, ValueError, struct.error) as error:
        raise InputError(f"dataset: {path} is damaged ({error}); remove it and fetch it again") from None


def _idx_file(name: str, folder: Path, file: str) -> Path:
    for path in (folder / file, folder / f"{file}.gz"):
        if path.exists():
            return path
    import torchvision.datasets as tv
    from torchvision.datasets.utils import download_url

    kind: Any = {"mnist": tv.MNIST, "fashion_mnist": tv.FashionMNIST, "kmnist": tv.KMNIST}[name]
    md5 = dict(kind.resources)[f"{file}.gz"]
    error: Exception | None = None
    for mirror in kind.mirrors:
        try:
            download_url(f"{mirror}{file}.gz", str(folder), f"{file}.gz", md5)
            return folder / f"{file}.gz"
        except (OSError, RuntimeError) as fault:
            error = fault
    every = ", ".join(f"{f}.gz" for pair in _IDX_FILES for f in pair)
    raise missing(name, f"{name}/ with {every}", error)
