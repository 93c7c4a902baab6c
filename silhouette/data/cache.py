"""Datasets as memory-mapped arrays on disk: decoded once, and shared by all trials of a node through the page cache.

An entry is a folder `arrays/<key>/` below `cache_folder()` with `images.npy` (N, C, H, W) uint8, `labels.npy`
(N,) int64 and `meta.json` with their SHA-256. It is built under a file lock in a temporary folder, which is then
renamed. Every process checks the SHA-256 when it first opens an entry. A damaged entry is built again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from silhouette.errors import InputError

FORMAT = 1
Progress = Callable[[int, int], None]
"""Called with (images decoded, images in all)."""


@dataclass(frozen=True)
class Arrays:
    """A decoded dataset.

    Attributes:
        images: (N, C, H, W) uint8; memory-mapped if they come from the disk.
        labels: (N,) int64 in [0, K).
        classes: Names of the K classes.
        train: Number of official training samples, which come first; None without an official split.
        sha256: SHA-256 of images and labels.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    train: int | None
    sha256: str

    @property
    def in_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width


@dataclass(frozen=True)
class Source:
    """A dataset before it is decoded.

    Attributes:
        shape: (N, C, H, W).
        images: N images (C, H, W) uint8, in the order of the labels; read once.
        labels: (N,).
        classes: Names of the K classes.
        train: As in `Arrays`.
    """

    shape: tuple[int, int, int, int]
    images: Iterable[NDArray[np.uint8]]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    train: int | None


def cache_folder() -> Path:
    """Return the folder of all datasets: `$SILHOUETTE_DATA`, else `~/.cache/soft-silhouette`."""
    return Path(os.environ.get("SILHOUETTE_DATA") or "~/.cache/soft-silhouette").expanduser()


def raw_folder() -> Path:
    """Return the folder of downloads and of files that were put there by hand."""
    return cache_folder() / "raw"


def sha256_of(*paths: Path) -> str:
    """Return the SHA-256 of the contents of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def open_entry(key: str, source: Callable[[], Source], progress: Progress | None = None) -> Arrays:
    """Return the entry of a key; it is built first if it is absent or damaged.

    Args:
        key: A safe folder name.
        source: Called only to build the entry.
        progress: Called while the entry is built.

    Raises:
        InputError: If the cache folder cannot be written.
    """
    folder = cache_folder() / "arrays" / key
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):  # others wait here and then find the entry
            if not _is_whole(folder):
                _build(folder, source(), progress)
    except PermissionError as error:
        raise InputError(f"SILHOUETTE_DATA: must be a folder that can be written ({error})") from None
    return _open(folder)


def _is_whole(folder: Path) -> bool:
    try:
        meta = (folder / "meta.json").read_text()
        return bool(json.loads(meta)["format"] == FORMAT) and _checked(folder, meta)
    except (OSError, ValueError, KeyError):
        return False


@lru_cache
def _checked(folder: Path, meta: str) -> bool:
    """Return True if the SHA-256 is right; once per process and version of an entry, since it reads all bytes."""
    return bool(sha256_of(folder / "images.npy", folder / "labels.npy") == json.loads(meta)["sha256"])


def _build(folder: Path, source: Source, progress: Progress | None) -> None:
    temporary = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    temporary.mkdir()
    try:
        images = open_memmap(temporary / "images.npy", "w+", np.uint8, source.shape)
        for number, image in enumerate(source.images):
            images[number] = image
            if progress and (number % 256 == 255 or number + 1 == source.shape[0]):
                progress(number + 1, source.shape[0])
        images.flush()
        np.save(temporary / "labels.npy", source.labels.astype(np.int64))
        meta = {
            "format": FORMAT,
            "classes": list(source.classes),
            "train": source.train,
            "sha256": sha256_of(temporary / "images.npy", temporary / "labels.npy"),
        }
        (temporary / "meta.json").write_text(json.dumps(meta))
        shutil.rmtree(folder, ignore_errors=True)  # damaged, if it exists; processes that map it keep its bytes
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _checked.cache_clear()


def _open(folder: Path) -> Arrays:
    meta = json.loads((folder / "meta.json").read_text())
    return Arrays(
        images=np.load(folder / "images.npy", mmap_mode="r"),
        labels=np.load(folder / "labels.npy"),
        classes=tuple(meta["classes"]),
        train=meta["train"],
        sha256=meta["sha256"],
    )


def in_memory(source: Source) -> Arrays:
    """Return the arrays of a source that is small and fast to decode, without writing them to the disk."""
    images = np.stack(list(_contiguous(source.images)))
    digest = hashlib.sha256(images.tobytes() + source.labels.tobytes()).hexdigest()
    return Arrays(images, source.labels, source.classes, source.train, digest)


def _contiguous(images: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    return (np.ascontiguousarray(image) for image in images)
