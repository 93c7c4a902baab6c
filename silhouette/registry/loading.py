"""Import what a name stands for, when it is first needed; installed packages may register plain names."""

from __future__ import annotations

import importlib
import re
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Literal

ATTRIBUTE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
"""Form of the name of a person's own thing, `package.module:attribute`."""

Kind = Literal["encoder", "dataset", "loss", "metric"]
GROUPS: dict[Kind, str] = {
    "encoder": "silhouette.encoders",
    "dataset": "silhouette.datasets",
    "loss": "silhouette.losses",
    "metric": "silhouette.metrics",
}
"""Groups of entry points, by which an installed package gives plain names to what it offers."""


@cache
def registered(kind: Kind) -> dict[str, list[str]]:
    """Return the places, each `module:attribute`, that installed packages register for each plain name.

    Their metadata are read; nothing is imported.
    """
    found: dict[str, list[str]] = {}
    for point in entry_points(group=GROUPS[kind]):
        places = found.setdefault(point.name, [])
        places += [point.value] if point.value not in places else []
    return found


def place(kind: Kind, name: str) -> str:
    """Return the `module:attribute` that a name stands for which is not ours.

    Raises:
        ValueError: If it is neither `module:attribute` nor registered by exactly one place.

    >>> place("encoder", "mypkg.nets:tiny_vit")
    'mypkg.nets:tiny_vit'
    """
    if is_own(name):
        return name
    places = registered(kind).get(name, [])
    if len(places) > 1:
        raise ValueError(f"{name}: is registered by {' and by '.join(places)}; give one of these, got {name!r}")
    if not places:
        raise ValueError(
            f"{name}: must be module:attribute or a name that an installed package registers in {GROUPS[kind]}"
        )
    return places[0]


def is_own(name: str) -> bool:
    """Return True for a name of the form `module:attribute`.

    >>> is_own("mypkg.nets:tiny_vit"), is_own("resnet18"), is_own("npz:/data/x.npz")
    (True, False, False)
    """
    return ATTRIBUTE.fullmatch(name) is not None


def load(name: str) -> Any:
    """Return what `module:attribute` names. The first call imports the module, and so runs a person's own code.

    Call it only for names that the study file itself has, never for one out of a record, bundle or results folder.

    Raises:
        ValueError: One line with the import's own error, if there is no such module or attribute, or the module fails.

    >>> load("math:sqrt")(4.0)
    2.0
    >>> load("math:squirt")
    Traceback (most recent call last):
    ValueError: math:squirt: cannot be imported (module 'math' has no attribute 'squirt')
    """
    if not is_own(name):
        raise ValueError(f"{name}: must be module:attribute, such as mypackage.nets:tiny, got {name!r}")
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a person's own module may fail in any way
        raise ValueError(f"{name}: cannot be imported ({_first_line(error)})") from None


def _first_line(error: BaseException) -> str:
    """The first line of an error; with its type where the words alone do not say what happened."""
    said = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, ImportError | AttributeError) and said:
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
