"""Modules beside a study file, which it can import as a script can."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from silhouette.registry.imports import OURS

NAME = re.compile(r"\b([^\W\d]\w*)(?:\.\w+)*:[^\W\d]\w*")
"""`module:attribute` in the text of a study; the group is the file or package that would hold it."""

_kept: dict[Path, set[str]] = {}
"""The folder whose modules the study names, such as its experiment: it stays importable, also in workers.

Its value are the names of the modules that were there before it.
"""


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let a study file import a helper beside it.

    The helpers are forgotten afterwards, since another study may have another helper of the same name beside it, unless
    `keep` was called for them.
    """
    for other in [other for other in _kept if other != folder]:
        _forget(other, _kept.pop(other))
    if str(folder) in sys.path:  # by its owner, or kept
        yield
        return
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        if folder in _kept:
            _kept[folder] = before
        else:
            _forget(folder, before)


def keep(folder: Path, study: object) -> None:
    """Keep the modules beside a study file importable, here and in workers that start here, if the study names one.

    Args:
        folder: Where the file is.
        study: The study, whose text is searched for `module:attribute`.
    """
    tops = set(NAME.findall(repr(study)))
    here = str(folder) in os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if here or folder in _kept or not any(_is_beside(folder, top) for top in tops):
        return
    _kept[folder] = set(sys.modules)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


def _is_beside(folder: Path, top: str) -> bool:
    return top not in OURS and ((folder / f"{top}.py").is_file() or (folder / top / "__init__.py").is_file())


def _forget(folder: Path, before: set[str]) -> None:
    """Undo what `importable` and `keep` have done for a folder."""
    if str(folder) in sys.path:
        sys.path.remove(str(folder))
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(folder) in paths:
        paths.remove(str(folder))
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    for name in [name for name in set(sys.modules) - before if _lies_in(folder, name)]:
        del sys.modules[name]


def _lies_in(folder: Path, name: str) -> bool:
    """Return True for a helper; the study may stand in a checkout of this project, whose own modules stay."""
    file = getattr(sys.modules[name], "__file__", None)
    if file is None or name.partition(".")[0] in OURS:
        return False
    return folder in Path(file).resolve().parents and "site-packages" not in file
