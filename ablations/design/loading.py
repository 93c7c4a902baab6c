"""Finding a study (shipped by name, or a person's own file) and changing it from the command line."""

from __future__ import annotations

import ast
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablations.design.study import Study, make_study
from ablations.errors import StudyError
from silhouette.config import defaults, first_line
from silhouette.errors import InputError

SHIPPED = Path(__file__).parents[1] / "studies"


def shipped() -> dict[str, Path]:
    """Files of the studies that ship, by name; a new file is found without being registered."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.py")) if not path.stem.startswith("_")}


def question(path: Path) -> str:
    """First line of a study's docstring, read without running the file."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def load_study(name: str) -> Study:
    """The study of that name, or of that `.py` file.

    Raises:
        StudyError: If there is none, its file fails, or it defines no `STUDY`.
    """
    path = Path(name) if name.endswith(".py") else shipped().get(name)
    if path is None:
        raise StudyError(f"STUDY: one of {', '.join(shipped())}, or a path to a .py file, got {name!r}")
    if not path.is_file():
        raise StudyError(f"STUDY: no such file, got {name!r}")
    try:
        found = runpy.run_path(str(path)).get("STUDY")
    except ValidationError as error:
        raise StudyError(f"{name}: {first_line(error)}") from None
    except InputError as error:
        raise StudyError(f"{name}: {error}") from None
    except (Exception, SystemExit) as error:  # a person's own file may fail in any way
        lines = str(error).strip().splitlines() or [""]
        raise StudyError(f"{name}: {type(error).__name__} while reading the study: {lines[0]}") from None
    if not isinstance(found, Study):
        raise StudyError(f"{name}: needs STUDY = Study(...), got {type(found).__name__}")
    return make_study({**_given(found), "name": path.stem})


def change_study(
    study: Study, settings: Sequence[str], seeds: int | None = None, extra: Mapping[str, str | None] | None = None
) -> Study:
    """The study with `--set`, `--seeds` and further field values applied; they become part of its plan.

    Args:
        study: The study as its file defines it.
        settings: `field=value` strings; a factor takes one or more values separated by commas.
        seeds: Number of seeds wanted: the first of the study's own, then the integers after them.
        extra: The same by field, from options of their own; None where an option was not given.

    Raises:
        StudyError: One line for the first fault.
    """
    given = [(field, value) for field, value in (extra or {}).items() if value is not None]
    if not settings and not given and seeds is None:
        return study
    values = _given(study)
    factors, fixed = dict(study.factors), dict(study.fixed)
    treated = {field for settings_ in study.treatments.values() for field in settings_}
    for field, value in [*map(_split, settings), *given]:
        if field in factors:
            factors[field] = tuple(value.split(","))
        elif field in treated:
            raise StudyError(f"--set: {field} is what the treatments of {study.name} differ in, got {value!r}")
        else:
            fixed[field] = value
    values |= {"factors": factors, "fixed": fixed}
    if seeds is not None:
        values["seeds"] = _first_seeds(study.seeds, seeds)
    return make_study(values)


def _given(study: Study) -> dict[str, Any]:
    return {name: getattr(study, name) for name in study.model_fields_set}


def _split(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not (field and equals and value):
        raise StudyError(f"--set: must be field=value, got {text!r}")
    return field.strip(), value.strip()


def _first_seeds(own: tuple[int, ...], count: int) -> tuple[int, ...]:
    if not 1 <= count <= 10_000:
        raise StudyError(f"--seeds: must be from 1 to 10000, got {count}")
    start = max(own) + 1
    return (*own, *range(start, start + count))[:count]


def holds(stored: Mapping[str, Any] | None, new: Mapping[str, Any], where: str) -> bool:
    """Whether the plan that a results folder holds, if any, has all of the new one in it, and so stays.

    A plan may equal the stored one, be part of it, or extend it.

    Raises:
        StudyError: If the two contradict each other, naming the first difference.
    """
    if stored is None:
        return False
    if not isinstance(stored, Mapping) or not {"plan_hash", "arms", "seeds"} <= stored.keys():
        raise StudyError(f"{where}/study.json: holds no plan; give another --results, or remove the file and run again")
    if stored["plan_hash"] == new["plan_hash"]:
        return True
    advice = f"{where} holds records of another plan; give another --results or undo the change"
    for key in ("metric", "sesoi", "alpha", "looks"):
        if stored.get(key) != new.get(key):
            raise StudyError(f"{key}: was {stored.get(key)!r} and is now {new.get(key)!r}; {advice}")
    _check_same_search(stored, new, advice)
    old_arms, new_arms = ({arm["arm"]: arm for arm in plan["arms"]} for plan in (stored, new))
    for label in old_arms.keys() & new_arms.keys():
        _check_same_arm(old_arms[label], new_arms[label], advice)
    _check_same_families(stored, new, advice)
    if _within(new, stored, new_arms, old_arms):
        return True
    if _within(stored, new, old_arms, new_arms):
        return False
    raise StudyError(f"plan: neither extends nor is part of the one before (arms or seeds removed); {advice}")


def _within(part: Mapping[str, Any], whole: Mapping[str, Any], arms: Any, all_arms: Any) -> bool:
    settings, at_most = ((plan.get("tuning") or {}).get("settings", 0) for plan in (part, whole))
    return set(part["seeds"]) <= set(whole["seeds"]) and arms.keys() <= all_arms.keys() and settings <= at_most


def _check_same_search(stored: Mapping[str, Any], new: Mapping[str, Any], advice: str) -> None:
    """More settings may be searched until the winners are frozen; all else would be another search."""
    old, now = stored.get("tuning") or {}, new.get("tuning") or {}
    for field in sorted(old.keys() | now.keys()):
        before, after = old.get(field), now.get(field)
        grows = field == "settings" and before and after and after > before and "frozen" not in stored
        if before != after and not grows:
            raise StudyError(f"tuning.{field}: was {before!r} and is now {after!r}; {advice}")


def _check_same_families(stored: Mapping[str, Any], new: Mapping[str, Any], advice: str) -> None:
    """What is compared with what is declared before results can be seen: only other arms or seeds may change it."""
    same_trials = {arm["arm"] for arm in stored["arms"]} == {arm["arm"] for arm in new["arms"]}
    if same_trials and set(stored["seeds"]) == set(new["seeds"]) and stored.get("families") != new.get("families"):
        raise StudyError(f"families: the comparisons are not those that were declared with these trials; {advice}")


def _check_same_arm(old: Mapping[str, Any], new: Mapping[str, Any], advice: str) -> None:
    configs = [{**defaults(), **(arm.get("start") or arm["config"])} for arm in (old, new)]
    for field in configs[0].keys() | configs[1].keys():
        before, after = (config.get(field) for config in configs)
        if before != after:
            raise StudyError(f"{field}: was {before!r} and is now {after!r} in arm {old['arm']!r}; {advice}")
    if old["baseline"] != new["baseline"]:
        raise StudyError(f"baseline: arm {old['arm']!r} changed its role; {advice}")
