"""Where each dataset comes from: its files, how to fetch them, how to read them."""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silhouette.data.cache import Source, raw_folder
from silhouette.errors import InputError
from silhouette.registry import DATASETS, FOLDER
from silhouette.seeding import numpy_stream

Image = NDArray[np.uint8]

_IDX_FILES = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
_IMAGE_ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}

WANTED = {
    "svhn": "svhn/{train,test}_32x32.mat",
    "cifar10": "cifar10/cifar-10-batches-py/ (unpacked cifar-10-python.tar.gz)",
    "cifar100": "cifar100/cifar-100-python/ (unpacked cifar-100-python.tar.gz)",
    "stanford_cars": (
        "stanford_cars/stanford_cars/ with devkit/cars_meta.mat, devkit/cars_train_annos.mat, "
        "cars_test_annos_withlabels.mat, cars_train/*.jpg and cars_test/*.jpg "
        "(its host is gone; copies are kept elsewhere)"
    ),
    "caltech101": "caltech101/caltech101/101_ObjectCategories/<class>/*.jpg",
    "caltech256": "caltech256/caltech256/256_ObjectCategories/<class>/*.jpg",
    "fgvc_aircraft": "fgvc_aircraft/fgvc-aircraft-2013b/ (unpacked fgvc-aircraft-2013b.tar.gz)",
    "flowers102": "flowers102/flowers-102/ with imagelabels.mat, setid.mat and jpg/",
}
"""Files to put below the raw folder where a download is impossible."""


def _missing(name: str, what: str, error: object) -> InputError:
    return InputError(f"dataset: {name} cannot be downloaded ({error}); put {raw_folder()}/{what}")


# --- made here


def digits() -> Source:
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


def synthetic(classes: int, per_class: int, spread: float, side: int) -> Source:
    """Gaussian classes as images: a centre per class with standard deviation 1, noise of `spread` around it.

    Pixel 128 is 0 and 32 grey levels are one unit; the values are cut to [0, 255]. Drawn once, whatever the
    trial's seed, as a real dataset would be.
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


def idx(name: str, side: int) -> Source:
    """A dataset of four IDX files, plain or gzipped; fetched where they are absent."""
    folder = raw_folder() / name
    parts = [tuple(read_idx(_idx_file(name, folder, file)) for file in pair) for pair in _IDX_FILES]
    images, labels = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise InputError(f"dataset: {name}: images and labels do not match in {folder}")
    classes = tuple(map(str, range(DATASETS[name].classes or 0)))
    sized = (_resize(image[..., None], side) for image in images)
    return Source((len(images), 1, side, side), sized, labels.astype(np.int64), classes, len(parts[0][0]))


def read_idx(path: Path) -> Image:
    """The array of an IDX file of unsigned bytes (LeCun's format), gzipped or not.

    Raises:
        InputError: If the file is damaged or holds something else.
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
    raise _missing(name, f"{name}/ with {every}", error)


# --- through torchvision


def torchvision(name: str, side: int) -> Source:
    """A dataset that torchvision reads; fetched where it is absent."""
    try:
        parts = _PARTS[name](raw_folder() / name)
    except Exception as error:  # torchvision raises what its helpers raise: OSError, RuntimeError, ValueError, …
        raise _missing(name, WANTED[name], str(error).splitlines()[0] if str(error) else error) from None
    labels = np.concatenate([np.array([y for _, y in part], dtype=np.int64) for part in parts])
    classes = DATASETS[name].classes or 0
    images = (_square(read(), 3, side) for part in parts for read, _ in part)
    train = len(parts[0]) if len(parts) == 2 else None
    names = tuple(map(str, range(classes)))
    return Source((len(labels), 3, side, side), images, labels, names, train)


Part = Sequence[tuple[Callable[[], Any], int]]
"""(how to read the image, label) of each sample; reading waits, so that labels cost nothing."""


def _arrays(data: Any, labels: Any) -> Part:
    return [(partial(data.__getitem__, i), int(y)) for i, y in enumerate(labels)]


def _items(dataset: Any, labels: Sequence[int]) -> Part:
    return [(partial(_first_of, dataset, i), int(y)) for i, y in enumerate(labels)]


def _first_of(dataset: Any, index: int) -> Any:
    return dataset[index][0]


def _cifar(kind: str) -> Callable[[Path], list[Part]]:
    def parts(root: Path) -> list[Part]:
        from torchvision import datasets

        made = [getattr(datasets, kind)(root, train=train, download=True) for train in (True, False)]
        return [_arrays(part.data, part.targets) for part in made]

    return parts


def _svhn(root: Path) -> list[Part]:
    from torchvision import datasets

    made = [datasets.SVHN(str(root), split, download=True) for split in ("train", "test")]
    return [_arrays(part.data.transpose(0, 2, 3, 1), part.labels) for part in made]


def _files(kind: str, *splits: tuple[str, ...], download: bool = True) -> Callable[[Path], list[Part]]:
    """Datasets of image files with one attribute for all labels; a part may join several official splits."""

    def parts(root: Path) -> list[Part]:
        from torchvision import datasets

        made = getattr(datasets, kind)
        return [
            [
                sample
                for split in joined
                for data in [made(root, split=split, download=download)]
                for sample in _items(data, data._labels if hasattr(data, "_labels") else _cars(data))
            ]
            for joined in splits
        ]

    return parts


def _cars(data: Any) -> list[int]:
    return [label for _, label in data._samples]


def _caltech(kind: str) -> Callable[[Path], list[Part]]:
    def parts(root: Path) -> list[Part]:
        from torchvision import datasets

        data = getattr(datasets, kind)(str(root), download=True)
        return [_items(data, data.y)]

    return parts


_PARTS: dict[str, Callable[[Path], list[Part]]] = {
    "svhn": _svhn,
    "cifar10": _cifar("CIFAR10"),
    "cifar100": _cifar("CIFAR100"),
    "stanford_cars": _files("StanfordCars", ("train",), ("test",), download=False),
    "caltech101": _caltech("Caltech101"),
    "caltech256": _caltech("Caltech256"),
    "fgvc_aircraft": _files("FGVCAircraft", ("trainval",), ("test",)),
    "flowers102": _files("Flowers102", ("train", "val"), ("test",)),
}
"""Name -> parts: official training data and test data, or everything where there is no official split."""


# --- a folder of one's own


def image_folder(name: str, side: int) -> Source:
    """`image_folder:PATH`: one subfolder per class, or `train/` and `test/` with one subfolder per class each."""
    root = Path(name.removeprefix(FOLDER))
    listing = list_folder(root)
    classes = tuple(sorted({path.parent.name for part in listing for path in part}))
    if len(classes) < 2:
        raise InputError(f"dataset: {root} must hold a subfolder of images for each of two or more classes")
    labels = np.array([classes.index(path.parent.name) for part in listing for path in part], dtype=np.int64)
    channels = 1 if all(_is_grey(part[0]) for part in listing) else 3
    images = (_square(_open_image(path), channels, side) for part in listing for path in part)
    train = len(listing[0]) if len(listing) == 2 else None
    return Source((len(labels), channels, side, side), images, labels, classes, train)


def list_folder(root: Path) -> list[list[Path]]:
    """Image files, sorted: of the whole folder, or of its `train` and its `test`."""
    official = (root / "train").is_dir() and (root / "test").is_dir()
    roots = [root / "train", root / "test"] if official else [root]
    listing = [
        sorted(p for p in part.glob("*/*") if p.suffix.lower() in _IMAGE_ENDINGS and p.is_file()) for part in roots
    ]
    if not all(listing):
        raise InputError(f"dataset: {root} must hold subfolders with images, one for each class")
    return listing


def folder_digest(root: Path) -> str:
    """16 hex digits over names, sizes and times of the images, so that a changed folder is decoded anew."""
    digest = hashlib.sha256(str(root).encode())
    for path in (path for part in list_folder(root) for path in part):
        stat = path.stat()
        digest.update(f"{path.relative_to(root)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _open_image(path: Path) -> Any:
    from PIL import Image as pil
    from PIL import UnidentifiedImageError

    try:
        return pil.open(path)
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"dataset: {path} is no image that can be read ({error})") from None


def _is_grey(path: Path) -> bool:
    return bool(_open_image(path).mode in ("1", "L", "I", "I;16"))


# --- to one size


def _square(image: Any, channels: int, side: int) -> Image:
    """An image (a PIL image, or an array (H, W, C)) as (C, side, side): short side scaled, centre cut out."""
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


def _resize(image: Image, side: int) -> Image:
    return _square(image, image.shape[2], side)
