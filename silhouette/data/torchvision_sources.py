"""Datasets that torchvision reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from silhouette.data.cache import Source, raw_folder
from silhouette.data.images import square
from silhouette.errors import InputError
from silhouette.registry import DATASETS

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


def missing(name: str, what: str, error: object) -> InputError:
    """Return the error that says which files to put where, if a dataset is absent and cannot be fetched."""
    return InputError(f"dataset: {name} cannot be downloaded ({error}); put {raw_folder()}/{what}")


def torchvision(side: int, *, name: str) -> Source:
    """Return a dataset that torchvision reads; it is fetched if it is absent.

    Args:
        side: Side of the images in pixels.
        name: A key of `WANTED`.

    Raises:
        InputError: If its files are absent and cannot be fetched.
    """
    try:
        parts = _PARTS[name](raw_folder() / name)
    except Exception as error:  # torchvision raises what its helpers raise: OSError, RuntimeError, ValueError, …
        raise missing(name, WANTED[name], str(error).splitlines()[0] if str(error) else error) from None
    labels = np.concatenate([np.array([y for _, y in part], dtype=np.int64) for part in parts])
    classes = DATASETS[name].classes or 0
    images = (square(read(), 3, side) for part in parts for read, _ in part)
    train = len(parts[0]) if len(parts) == 2 else None
    names = tuple(map(str, range(classes)))
    return Source((len(labels), 3, side, side), images, labels, names, train)


Part = Sequence[tuple[Callable[[], Any], int]]
"""(function that reads the image, label) of each sample; labels are known before an image is read."""


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
    """Return a reader of image files whose labels are one attribute; a part may join several official splits."""

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
"""Name -> parts: official training and test data, or all data if there is no official split."""
