"""The form `image_list:/absolute/train.txt`: a text file with `path label` on each line, and its test list beside it.

ImageNet-LT, Places-LT and iNaturalist are published so. The test list has the name of the list with `test` in place of
the last `train`; where the name has no `train`, it is `test.txt`. Without a test list, `split_seed` cuts test samples.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from silhouette.data.cache import Source
from silhouette.data.images import is_grey, read_square
from silhouette.data.labels import Labels, count_labels
from silhouette.data.reader import Reader
from silhouette.errors import InputError

MAX_DIGITS = 9
"""Digits of a label; more would be no number of a class."""


@dataclass(frozen=True)
class Listed:
    """The lines of a list.

    Attributes:
        file: The list.
        lines: Number of each line, from 1; blank lines are left out.
        images: Absolute path of each image.
        labels: (N,).
    """

    file: Path
    lines: tuple[int, ...]
    images: tuple[str, ...]
    labels: Labels

    def fault(self, place: int, what: str) -> InputError:
        """Return the error of the line at a place."""
        return InputError(f"dataset: {self.file}: line {self.lines[place]}: {what}")


def image_list(path: Path, side: int) -> Source:
    """Return the images of a list: those of training first, then those of the test list if there is one.

    Args:
        path: The list.
        side: Side of the images in pixels.

    Raises:
        InputError: If a list or an image cannot be read, or the labels have a gap.
    """
    parts = read_lists(path)
    images = [Path(image) for part in parts for image in part.images]
    classes = tuple(map(str, range(_count(parts))))
    channels = 1 if all(map(is_grey, images)) else 3  # a first colour image ends the search
    labels = np.concatenate([part.labels for part in parts])
    train = len(parts[0].labels) if len(parts) == 2 else None
    squares = (read_square(image, channels, side) for image in images)
    return Source((len(labels), channels, side, side), squares, labels, classes, train)


def list_key(path: Path) -> str:
    """Return a key over the lists, and the sizes and times of the images, so that changed data are decoded again.

    Raises:
        InputError: If an image is missing, with the line that lists it.
    """
    digest = hashlib.sha256()
    for part in read_lists(path):
        digest.update(f"{len(part.images)}\n".encode())
        for place, image in enumerate(part.images):
            try:
                stat = os.stat(image)
            except OSError as error:
                what = f"{image} cannot be read ({error.strerror}); paths start from the folder of the list"
                raise part.fault(place, what) from None
            digest.update(f"{image}\0{part.labels[place]}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return f"list-{digest.hexdigest()[:16]}"


def count_classes(path: Path) -> int:
    """Return the number of classes; the images are not looked at."""
    return _count(read_lists(path))


def has_test(path: Path) -> bool:
    """Return True if there is a test list beside a list."""
    return len(read_lists(path)) == 2


def read_lists(path: Path) -> list[Listed]:
    """Return a list, and its test list if there is one.

    Raises:
        InputError: If a file is no such list, or an image stands in it, or in both, twice.
    """
    beside = path_of_tests(path)
    parts = [read_list(path), *([read_list(beside)] if beside.is_file() and beside != path else [])]
    seen: dict[str, str] = {}
    for part in parts:
        for place, image in enumerate(part.images):
            if image in seen:
                raise part.fault(place, f"{image} stands in {seen[image]} already; list each image once")
            seen[image] = f"line {part.lines[place]} of {part.file.name}"
    return parts


def path_of_tests(path: Path) -> Path:
    """Return where the test list of a list is, if there is one.

    >>> path_of_tests(Path("/data/ImageNet_LT_train.txt")).name
    'ImageNet_LT_test.txt'
    """
    before, train, after = path.name.rpartition("train")
    return path.with_name(f"{before}test{after}" if train else "test.txt")


def read_list(path: Path) -> Listed:
    """Return the lines of one list.

    Raises:
        InputError: If it cannot be read, is empty, or a line is not a path, white space and a label.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"dataset: {path}: cannot be read as a list of images ({error})") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise InputError(f"dataset: {path}: must list images, one `path label` on each line; it is empty")
    pairs = [_pair(path, number, line) for number, line in lines]
    labels = np.array([label for _, label in pairs], dtype=np.int64)
    return Listed(path, tuple(number for number, _ in lines), tuple(image for image, _ in pairs), labels)


def _pair(path: Path, number: int, line: str) -> tuple[str, int]:
    image, _, label = line.replace("\t", " ").rpartition(" ")
    if not image or not (label.isascii() and label.isdigit() and len(label) <= MAX_DIGITS) or "\0" in image:
        raise InputError(f"dataset: {path}: line {number}: must be `path label`, label 0 or more, got {line[:80]!r}")
    return os.path.normpath(path.parent / image.strip()), int(label)


def _count(parts: list[Listed]) -> int:
    train, test = parts[0], parts[1] if len(parts) == 2 else None
    none = np.zeros(0, np.int64)
    return count_labels(train.labels, test.labels if test else none, str(train.file), str(test.file) if test else "")


READER = Reader(list_key, image_list, count_classes, has_test)
