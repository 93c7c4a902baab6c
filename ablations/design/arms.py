"""Arms and trials: what the settings of a study expand to."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from ablations.errors import StudyError
from search_spaces import default_of, describe, factors_of
from silhouette.config import (
    ConfigError,
    Phase,
    TrialConfig,
    inert_fields,
    is_option,
    make_config,
    setting_of,
    typed_option,
)

NO_BLOCK = "all arms"


@dataclass(frozen=True)
class Arm:
    """One setting of the scientific factors.

    Attributes:
        label: Unique in the study; the `arm` column of the records.
        settings: Values of the factors that matter in this arm.
        config: The whole config of its trials.
        block: Label of the block whose arms are compared with each other.
        baseline: Whether the others of the block are compared with this one.
        method: What the arm does, in the same words in every block: its label without the block.
        block_settings: The settings that make the block, the same for all its arms.
        treatment: Name of the treatment; empty in a study of factors only.
        given: All settings as the study gives them. A search needs those that the config has set back, since another
            tuned value may give them an effect.
    """

    label: str
    settings: dict[str, Any]
    config: BaseModel
    block: str
    baseline: bool
    method: str = ""
    block_settings: dict[str, Any] = field(default_factory=dict)
    treatment: str = ""
    given: dict[str, Any] = field(default_factory=dict)

    @property
    def budget(self) -> int | None:
        """Epochs of its trials; None where the config has no such field, and the experiment ends by itself."""
        epochs = getattr(self.config, "epochs", None)
        return epochs if isinstance(epochs, int) else None


@dataclass(frozen=True)
class Trial:
    """One planned training run."""

    trial_id: str
    arm: Arm
    seed: int
    phase: Phase


@dataclass(frozen=True)
class Expansion:
    """How settings become arms; the fields are those of `Study`."""

    treatments: Mapping[str, Mapping[str, Any]]
    factors: Mapping[str, Sequence[Any]]
    design: str
    fixed: Mapping[str, Any]
    baseline: Mapping[str, Any] | str
    blocks: Sequence[str]
    model: type[BaseModel] = TrialConfig
    """Type of the config."""
    searched: Callable[[Mapping[str, Any], BaseModel, Mapping[str, Any]], tuple[str, ...]] | None = None
    """What is tuned in an arm of these settings, config and given settings; None where nothing is tuned."""

    def arms(self) -> tuple[Arm, ...]:
        """The arms, in the order of treatments and factors; settings that train the same thing are one arm.

        Raises:
            StudyError: If a setting is invalid, or the arms cannot be compared.
        """
        found = tuple(self._arm(*settings[0], config) for (config, _), settings in self.settings_of_arms.items())
        _check_labels(found)
        _check_blocks(found)
        return found

    @cached_property
    def settings_of_arms(self) -> dict[tuple[BaseModel, tuple[str, ...]], list[tuple[str, dict[str, Any]]]]:
        """Treatment and settings of each combination that is planned, by the config that they train and what is tuned.

        Raises:
            StudyError: If a setting is invalid.
        """
        found: dict[tuple[BaseModel, tuple[str, ...]], list[tuple[str, dict[str, Any]]]] = {}
        for name, settings in self._settings():
            given = {**self.fixed, **settings}
            config = _config(given, self.model)
            tuned = self.searched(settings, config, given) if self.searched else ()
            found.setdefault((config, tuned), []).append((name, settings))
        return found

    def _settings(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Name of the treatment and all settings, for each combination that the design asks for."""
        treatments = self.treatments or {"": {}}
        for name, values in itertools.product(treatments, itertools.product(*self.factors.values())):
            levels = dict(zip(self.factors, values, strict=True))
            moved = [f for f in self.factors if f not in self.blocks and self._is_moved(f, levels[f])]
            if self.design == "grid" or len(moved) <= 1:
                yield name, {**treatments[name], **levels}

    def _is_moved(self, field: str, level: Any) -> bool:
        own = self.model is TrialConfig and is_option(field)
        return bool((_typed(self._centre_config, field, level) if own else level) != self._centre(field))

    def _centre(self, field: str) -> Any:
        """The value around which a one-at-a-time design varies a factor."""
        own = {} if isinstance(self.baseline, str) else self.baseline
        if self.model is TrialConfig and is_option(field):  # its default stands in the signature of its owner
            return setting_of(self._centre_config, field)
        return own.get(field, self.fixed.get(field, default_of(self.model, field)))

    @cached_property
    def _centre_config(self) -> BaseModel:
        own = {} if isinstance(self.baseline, str) else self.baseline
        return _config({**self.fixed, **own}, self.model)

    def _arm(self, name: str, settings: Mapping[str, Any], config: BaseModel) -> Arm:
        inert = inert_fields(config, (*self.factors, *settings))
        fields = tuple(f for f in self.factors if f not in inert)
        blocks = tuple(f for f in fields if f in self.blocks)
        label = _words(name, describe(config, fields))
        return Arm(
            label=label,
            settings=_values(config, (*settings, *_qualifiers(self.model, fields)), inert),
            config=config,
            block=describe(config, tuple(f for f in self.blocks if f in blocks)) if blocks else NO_BLOCK,
            baseline=self._is_baseline(name, config, inert),
            method=_words(name, describe(config, tuple(f for f in fields if f not in blocks))) or label,
            block_settings=_values(config, (*blocks, *_qualifiers(self.model, blocks)), inert),
            treatment=name,
            given={**self.fixed, **settings},
        )

    def _is_baseline(self, name: str, config: BaseModel, inert: frozenset[str]) -> bool:
        if isinstance(self.baseline, str):
            return name == self.baseline
        return all(setting_of(config, f) == _typed(config, f, v) for f, v in self.baseline.items() if f not in inert)


def _words(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _qualifiers(model: type[BaseModel], fields: Sequence[str]) -> tuple[str, ...]:
    """Fields without which the value of a factor is ambiguous, such as the strength of an imbalance."""
    factors = factors_of(model)
    found = (factors[f].qualifier for f in fields if f in factors)
    return tuple(name for name in found if name is not None)


def _values(config: BaseModel, fields: Sequence[str], inert: frozenset[str]) -> dict[str, Any]:
    return {f: setting_of(config, f) for f in fields if f not in inert}


def _typed(config: BaseModel, field: str, value: Any) -> Any:
    """A value of a factor as its config holds it: that of an option has the type of the signature."""
    if not (isinstance(config, TrialConfig) and is_option(field)):
        return value
    try:
        return typed_option(config, field, value)
    except ValueError as error:
        raise StudyError(str(error)) from None


def _config(values: Mapping[str, Any], model: type[BaseModel]) -> BaseModel:
    try:
        return make_config(values, model)
    except ConfigError as error:
        raise StudyError(str(error)) from None


def _check_labels(arms: Sequence[Arm]) -> None:
    for label, count in Counter(arm.label for arm in arms).items():
        if count > 1:
            advice = "name or vary the settings in which they differ"
            raise StudyError(f"factors: {count} arms have the same label {label!r}; {advice}")


def _check_blocks(arms: Sequence[Arm]) -> None:
    """Each block needs one baseline and one budget: unequal training would answer another question."""
    for block, members in by_block(arms).items():
        found = [arm.label for arm in members if arm.baseline]
        if len(found) != 1:
            got = " and ".join(found[:3]) or "none of the arms"
            raise StudyError(f"baseline: must be exactly one arm of block {block!r}, got {got}")
        budgets = sorted({budget for arm in members if (budget := arm.budget) is not None})
        if len(budgets) > 1:
            raise StudyError(
                f"epochs: all arms of block {block!r} need the same budget, got {budgets}; make epochs a block"
            )


def by_block(arms: Sequence[Arm]) -> dict[str, list[Arm]]:
    """The arms of each block, in order."""
    blocks: dict[str, list[Arm]] = {}
    for arm in arms:
        blocks.setdefault(arm.block, []).append(arm)
    return blocks
