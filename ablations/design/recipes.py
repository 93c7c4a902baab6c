"""The recipe of a study in its plan: what it sets, and what the study overrides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from search_spaces import RECIPES, factor_named
from search_spaces.recipes import settings_in_words, value_in_words, wrapped
from silhouette.config import inert_fields

if TYPE_CHECKING:
    from ablations.design.study import Study

TUNED = "tuned"
"""Stands for the values of a setting that the search chooses in an arm."""


def describe_recipe(study: Study) -> dict[str, Any] | None:
    """Return the recipe as `study.json` holds it; None for a study without one.

    `overridden` has every setting that is another one in some arm before tuning: the values of the arms in order, with
    `tuned` for a value that the search chooses. A setting without effect in an arm is not counted there.
    """
    if study.recipe is None:
        return None
    recipe = RECIPES[study.recipe]
    values = {field: _values(study, field) for field in recipe.settings}
    return {
        "name": study.recipe,
        "source": recipe.source,
        "settings": {field: _plain(value) for field, value in recipe.settings.items()},
        "overridden": {f: found for f, found in values.items() if found and found != [_plain(recipe.settings[f])]},
    }


def _values(study: Study, field: str) -> list[Any]:
    """The different values of a setting over the arms in which it has an effect."""
    tuned = (
        set()
        if study.tuning is None
        else {f for name in study.tuning.nuisance for f in factor_named(study.model, name).fields}
    )
    found: list[Any] = []
    for arm in study.start_arms:
        if field not in inert_fields(arm.config):
            own = field in tuned and field not in arm.settings
            value = TUNED if own else _plain(getattr(arm.config, field))
            found += [value] if value not in found else []
    return found


def _plain(value: Any) -> Any:
    """The value as JSON holds it."""
    return list(value) if isinstance(value, tuple) else value


def recipe_lines(study: Study) -> Iterator[str]:
    """Yield the lines of `ablate plan` on the recipe: its settings, and what the study overrides."""
    found = describe_recipe(study)
    if found is None:
        return
    yield f"recipe: {found['name']} ({found['source']})"
    yield from wrapped(settings_in_words(found["settings"]), "  ")
    for field, values in found["overridden"].items():
        ours = " or ".join(map(value_in_words, values))
        yield f"  overridden: {field}={ours} (recipe: {value_in_words(found['settings'][field])})"
    yield ""
