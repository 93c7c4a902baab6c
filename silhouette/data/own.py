"""A person's own data: the reader of each form that a name of a dataset can have, `FORM:/absolute/path`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from silhouette.data.cache import Source
from silhouette.data.reader import Reader
from silhouette.registry import FORMS, load, own_data


def _reader(form: str) -> Reader:
    """The reader of a form, which its module has; the table of forms names it."""
    found: Reader = load(FORMS[form].where)
    return found


def find(name: str, size: int | None) -> tuple[str, Callable[[], Source]] | None:
    """Return the key of a person's own data in the cache, and what reads them; None for a name of our datasets.

    Args:
        name: A checked name of a dataset.
        size: Side of the images in pixels; None for their own.

    Raises:
        InputError: If the data are absent or damaged.
    """
    own = own_data(name)
    if own is None:
        return None
    reader, path = _reader(own[0]), Path(own[1])
    side = _side(own[0], path, size)
    return f"{reader.key(path)}-{side}", partial(reader.source, path, side)


def own_shape(name: str, size: int | None) -> tuple[int, int, int] | None:
    """Return (C, H, W) of the images of a person's own data, of which none is read; None if they are not here.

    Args:
        name: A checked name of a dataset.
        size: Side of the images in pixels; None for their own.

    Raises:
        InputError: If they are damaged.
    """
    form, path = own_data(name) or ("", "")
    try:
        if not form or not Path(path).exists():
            return None
        return _reader(form).source(Path(path), _side(form, Path(path), size)).shape[1:]
    except OSError:
        return None


def _side(form: str, path: Path, size: int | None) -> int:
    reader = _reader(form)
    return size or FORMS[form].size or (reader.side(path) if reader.side else 0)


def count_own_classes(name: str) -> int | None:
    """Return the number of classes of a person's own data; None if they are not on this machine.

    Raises:
        InputError: If they are damaged.
    """
    form, path = own_data(name) or ("", "")
    try:
        return _reader(form).classes(Path(path)) if Path(path).exists() else None
    except OSError:
        return None


def has_own_test(name: str) -> bool:
    """Return True if a person's own data are on this machine and have test samples of their own."""
    form, path = own_data(name) or ("", "")
    return Path(path).exists() and _reader(form).has_test(Path(path)) if form else False


def check_own(name: str, *, here: bool) -> None:
    """Check the labels of a person's own data as far as they are on this machine; nothing for a dataset of ours.

    Args:
        name: A checked name of a dataset.
        here: Whether this machine trains on them, so that all of the files must be here.

    Raises:
        InputError: If they are damaged, a label has no sample, or a file is missing where they must be here.
    """
    own = own_data(name)
    if own is not None:
        count_own_classes(name)
        if here:
            _reader(own[0]).key(Path(own[1]))
