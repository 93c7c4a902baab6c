"""What a form of a person's own data needs, `FORM:/absolute/path`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from silhouette.data.cache import Source


@dataclass(frozen=True)
class Reader:
    """How one form is read.

    Attributes:
        key: Path -> name of the entry in the cache, another one whenever the data have changed.
        source: (path, side in pixels) -> the dataset.
        classes: Path -> number of classes, or None if it cannot be told; quick, since plans ask for it.
        has_test: Path -> whether the data have test samples of their own; as quick.
        side: Path -> side of the images in pixels, asked where `silhouette.registry.FORMS` has none.
    """

    key: Callable[[Path], str]
    source: Callable[[Path, int], Source]
    classes: Callable[[Path], int | None]
    has_test: Callable[[Path], bool]
    side: Callable[[Path], int] | None = None
