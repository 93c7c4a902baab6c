"""Import what a name stands for, when it is first needed."""

from __future__ import annotations

import importlib
import re
from typing import Any

ATTRIBUTE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
"""Form of the name of a person's own thing, `package.module:attribute`."""


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
