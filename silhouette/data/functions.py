"""Data sets that a person's own function returns: `module:function(image_size, *, options) -> Source`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silhouette.data.cache import Source
from silhouette.errors import InputError
from silhouette.registry import own, plugins_of

_CHANNELS = (1, 3)


def find(name: str, size: int | None, options: Mapping[str, Any]) -> tuple[str, Callable[[], Source]]:
    """Return the key of an own data set in the cache, and what reads it.

    The key changes with the name, the options, the image size and the source of the plugin. It does not change with
    files that the function reads: give such a change an option, such as a version.

    Args:
        name: A checked name.
        size: Side of the images in pixels; None lets the function choose.
        options: Its options that are not at their default.
    """
    what = json.dumps([name, sorted(options.items()), size, plugins_of([name])[name]["source_sha256"]])
    readable = re.sub(r"\W+", "-", name)[:60]
    return f"own-{readable}-{hashlib.sha256(what.encode()).hexdigest()[:16]}", partial(source_of, name, size, options)


def source_of(name: str, size: int | None, options: Mapping[str, Any]) -> Source:
    """Return what an own data set's function returns, checked; its images are checked when they are read.

    Raises:
        InputError: If it cannot be imported, or returns no `Source`, or one with wrong shapes, types or labels.
    """
    try:
        function = own("dataset", name).function
    except ValueError as error:
        raise InputError(f"dataset: {error}") from None
    source = function(size, **options)
    if not isinstance(source, Source):
        raise _wrong(name, f"must return a silhouette.data.cache.Source, got {type(source).__name__}")
    shape = _checked_shape(name, source, size)
    labels = _checked_labels(name, source, shape[0])
    return replace(source, shape=shape, labels=labels, images=_checked_images(name, source, shape))


def _checked_shape(name: str, source: Source, size: int | None) -> tuple[int, int, int, int]:
    shape = tuple(source.shape)
    whole = len(shape) == 4 and all(isinstance(n, int | np.integer) and n > 0 for n in shape)
    if not whole or shape[1] not in _CHANNELS or shape[2] != shape[3]:
        raise _wrong(name, f"must return shape (N, C, H, W) with C = 1 or 3 and H = W, got {shape}")
    if size is not None and shape[2] != size:
        raise _wrong(name, f"must return images of image_size = {size} pixels, got {shape[2]}")
    count, channels, height, width = map(int, shape)
    return count, channels, height, width


def _checked_labels(name: str, source: Source, count: int) -> NDArray[np.int64]:
    labels, classes, train = np.asarray(source.labels), len(source.classes), source.train
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise _wrong(name, f"must return labels ({count},) of whole numbers, got {labels.shape} {labels.dtype}")
    if classes < 2 or labels.min() < 0 or labels.max() >= classes:
        raise _wrong(name, f"must return labels from 0 to {classes - 1}, got {labels.min()} to {labels.max()}")
    if train is not None and not 0 < train < count:
        raise _wrong(name, f"must return train as None or from 1 to {count - 1}, got {train!r}")
    absent = sorted(set(range(classes)) - set(labels[:train].tolist()))
    if absent:
        raise _wrong(name, f"must return training samples of every class, got none of class {absent[0]}")
    return labels.astype(np.int64)


def _checked_images(name: str, source: Source, shape: tuple[int, int, int, int]) -> Iterator[NDArray[np.uint8]]:
    number = 0
    for number, image in enumerate(source.images, start=1):
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape != shape[1:]:
            got = f"{image.shape} {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
            raise _wrong(name, f"must return images {shape[1:]} uint8, got {got}")
        if number > shape[0]:
            break
        yield image
    if number != shape[0]:
        raise _wrong(
            name, f"must return {shape[0]} images, one for each label, got {'more' if number > shape[0] else number}"
        )


def _wrong(name: str, what: str) -> InputError:
    return InputError(f"dataset: {name} {what}")
