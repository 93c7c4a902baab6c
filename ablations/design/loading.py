"""Find a study (a built-in one by name, or a person's own file) and change it from the command line."""

from __future__ import annotations

import ast
import os
import runpy
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablations.design.beside import importable, keep
from ablations.design.seeds.rules import first_seeds
from ablations.design.seeds.stopping import changed_stop
from ablations.design.study import Study
from ablations.errors import StudyError
from silhouette.config import first_line
from silhouette.errors import InputError

BUILT_IN = Path(__file__).parents[1] / "studies"


def built_in() -> dict[str, Path]:
    """Files of the built-in studies, by name; a new file is found without being registered."""
    return {path.stem: path for path in sorted(BUILT_IN.glob("*.py")) if not path.stem.startswith("_")}


def question(path: Path) -> str:
    """First line of a study's docstring, read without running the file."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def load_study(name: str | Path) -> Study:
    """The study of that name, or of that `.py` file.

    Raises:
        StudyError: If there is none, its file fails (file and line are named), or it defines no `STUDY`.

    >>> load_study("demo").metric
    'test_top1'
    """
    return _read_study(str(name)).replaced()


def load_changed_study(
    name: str, settings: Sequence[str], seeds: int | None = None, extra: Mapping[str, str | None] | None = None,
    *, until_decided: bool = False, max_seeds: int | None = None,
) -> Study:  # fmt: skip
    """The study of that name or file, changed by the command line as `change_study` says.

    It is checked with the changes, not before: they may be what makes it complete.

    Raises:
        StudyError: As `load_study` and `change_study` do.

    >>> load_changed_study("demo", [], seeds=3).seeds
    (0, 1, 2)
    """
    own = _read_study(name)
    return change_study(own, settings, seeds, extra, until_decided=until_decided, max_seeds=max_seeds)


def _read_study(name: str) -> Study:
    """The study as its file defines it, under the name of the file; whether its arms can be trained is not checked."""
    path = Path(name) if name.endswith(".py") else built_in().get(name)
    if path is None:
        raise StudyError(f"STUDY: must be one of {', '.join(built_in())}, or a path to a .py file, got {name!r}")
    if not path.is_file():
        raise StudyError(f"STUDY: no such file, got {name!r}")
    found = _run_file(path, name)
    if not isinstance(found, Study):
        raise StudyError(f"{name}: needs STUDY = Study(...), got {type(found).__name__}")
    return found.model_copy(update={"name": path.stem})


def _run_file(path: Path, name: str) -> Any:
    """What the file calls `STUDY`; a fault in it, or in a helper beside it, is named with file and line."""
    try:
        with importable(path.resolve().parent):
            found = runpy.run_path(str(path)).get("STUDY")
            keep(path.resolve().parent, found)
            return found
    except ValidationError as error:
        raise StudyError(f"{_place(error, path, name)}: {first_line(error)}") from None
    except InputError as error:
        raise StudyError(f"{_place(error, path, name)}: {error}") from None
    except (Exception, SystemExit) as error:  # a person's own file may fail in any way
        said = f"{type(error).__name__} while reading the study: {_first_words(error)}"
        raise StudyError(f"{_place(error, path, name)}: {said}") from None


def _place(error: BaseException, path: Path, name: str) -> str:
    """File and line of a fault: the innermost line in the study's folder."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return _file_and_line(error.filename, error.lineno, path, name)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).resolve().parent == path.resolve().parent and frame.lineno:
            return _file_and_line(frame.filename, frame.lineno, path, name)
    return name


def _file_and_line(file: str, line: int, path: Path, name: str) -> str:
    where = name if Path(file).resolve() == path.resolve() else os.path.join(os.path.dirname(name), Path(file).name)
    return f"{where}, line {line}"


def _first_words(error: BaseException) -> str:
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return (said.strip().splitlines() or [""])[0]


def change_study(
    study: Study, settings: Sequence[str], seeds: int | None = None, extra: Mapping[str, str | None] | None = None,
    *, until_decided: bool = False, max_seeds: int | None = None,
) -> Study:  # fmt: skip
    """The study with `--set`, `--seeds` and further field values applied; they become part of its plan.

    Args:
        study: The study as its file defines it.
        settings: `field=value` strings; a factor takes one or more values separated by commas. `recipe=name` gives the
            study a recipe.
        seeds: Number of seeds wanted: the first of the study's own, then the integers after them.
        extra: The same by field, from options of their own; None where an option was not given.
        until_decided: Seeds are run until every comparison is decided.
        max_seeds: How many seeds there may then be; None leaves it to the study.

    Raises:
        StudyError: One line for the first fault.
    """
    stop = dict(changed_stop(study, until_decided=until_decided, max_seeds=max_seeds, seeds=seeds))
    given = [(field, value) for field, value in (extra or {}).items() if value is not None]
    if not (settings or given or stop) and seeds is None:
        return study.replaced()
    factors, fixed, more = dict(study.factors), dict(study.fixed), dict[str, Any](stop)
    treated = {field for settings_ in study.treatments.values() for field in settings_}
    for field, value in [*map(_split, settings), *given]:
        if field in factors:
            factors[field] = tuple(value.split(","))
        elif field == "recipe":
            more["recipe"] = value
        elif field in treated:
            raise StudyError(f"--set: {field} is what the treatments of {study.name} differ in, got {value!r}")
        else:
            fixed[field] = value
    if seeds is not None:
        more["seeds"] = first_seeds(study.seeds, seeds)
    return study.replaced(factors=factors, fixed=fixed, **more)


def _split(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not (field and equals and value):
        raise StudyError(f"--set: must be field=value, got {text!r}")
    return field.strip(), value.strip()
