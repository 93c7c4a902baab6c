"""Settings that change nothing: a study may not have them, and settings that train the same thing are one arm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from ablations.design.arms import Arm, Expansion, by_block
from ablations.design.tuning import Tuning, make_space
from ablations.errors import StudyError
from search_spaces import FACTORS, default_of, factor_named
from silhouette.config import TrialConfig, crossed_sources, inert_fields, is_option, needed_for, setting_of
from silhouette.metric_functions import functions_of, recorded_as
from silhouette.metrics import METRICS

MEASURED = ("shot_many", "shot_few", "knn_k", "eval_every")
"""Settings of what is measured; training does not depend on them."""
CUTS_TEST_SAMPLES = ("split_seed", "test_fraction")
"""Settings that choose the test samples."""


@dataclass(frozen=True)
class Merge:
    """Settings that train the same thing, and so are one arm.

    Attributes:
        arm: Its label.
        fields: What the settings differ in.
        count: How many settings they are.
    """

    arm: str
    fields: tuple[str, ...]
    count: int

    def __str__(self) -> str:
        """Return the line of `ablate plan`.

        >>> str(Merge("λ=0", ("tau_s", "tau_m"), 6))
        'λ=0: τ_s and τ_m have no effect, 6 settings are one arm'
        """
        names = " and ".join(FACTORS[field].label if field in FACTORS else field for field in self.fields)
        verb = "has" if len(self.fields) == 1 else "have"
        return f"{self.arm}: {names} {verb} no effect, {self.count} settings are one arm"


def merges(expansion: Expansion, arms: Iterable[Arm]) -> Iterator[Merge]:
    """The arms that more than one combination of the settings trains."""
    for arm, settings in zip(arms, expansion.settings_of_arms.values(), strict=True):
        if len(settings) > 1:
            fields = dict.fromkeys(field for _, own in settings for field in own)
            differ = [field for field in fields if len({repr(own.get(field)) for _, own in settings}) > 1]
            yield Merge(arm.label, tuple(differ), len(settings))


def check_effects(expansion: Expansion, arms: Sequence[Arm], fixed: Mapping[str, Any], tuning: Tuning | None) -> None:
    """Check that every factor, treatment and fixed setting changes something in at least one arm.

    A setting at its default is accepted: it says what the arms do.

    Args:
        expansion: What the arms follow from.
        arms: The arms before tuning.
        fixed: The settings that the study itself fixes.
        tuning: The search in every arm, whose values may give a setting its effect.

    Raises:
        StudyError: One line for the first setting without effect.
    """
    options = {f for settings in (*expansion.treatments.values(), expansion.factors, fixed) for f in settings}
    active = {arm.label: _active_fields(arm, tuning, {f for f in options if is_option(f)}) for arm in arms}
    everywhere = frozenset[str]().union(*active.values())
    for field, values in expansion.factors.items():
        ours, default = expansion.model is TrialConfig, default_of(expansion.model, field)
        same = len(values) > 1 and len({setting_of(arm.config, field) for arm in arms}) == 1
        if same or (_says_more(default, values) and field not in everywhere):
            raise _without_effect("factors", field, list(values), expansion.model)
        if ours and field in MEASURED and len(values) > 1:
            raise StudyError(
                f"factors: {field} changes what is measured and not what is trained, so its arms are the same runs; "
                f"give one value in fixed, got {list(values)}"
            )
    for field, value in fixed.items():
        if _says_more(default_of(expansion.model, field), [value]) and field not in everywhere:
            raise _without_effect("fixed", field, value, expansion.model)
    _check_treatments(expansion, arms, active)
    _check_test_samples(arms, active)
    _check_search(tuning, arms)


def _active_fields(arm: Arm, tuning: Tuning | None, options: Set[str]) -> frozenset[str]:
    """Fields, and those of some options, that can change the training of an arm, under some values of its search."""
    if tuning is not None:
        return make_space(tuning, arm).active(options)
    return frozenset(type(arm.config).model_fields.keys() | options) - inert_fields(arm.config, options)


def _says_more(default: Any, values: Sequence[Any]) -> bool:
    """Return True if a value differs from the default, which is what a field without effect has."""
    return any(value != default for value in values)


def _without_effect(where: str, field: str, value: Any, model: type[BaseModel]) -> StudyError:
    advice = f"set that, or remove {field}"
    if where == "fixed" and field in model.model_fields:
        advice += f" (--set {field}={default_of(model, field)})"
    needs = (needed_for(field) if model is TrialConfig else "") or "other values"
    return StudyError(f"{where}: {field} changes nothing in any arm, since it needs {needs}; {advice}, got {value!r}")


def _check_treatments(expansion: Expansion, arms: Sequence[Arm], active: Mapping[str, frozenset[str]]) -> None:
    for field in dict.fromkeys(field for settings in expansion.treatments.values() for field in settings):
        values = {name: own[field] for name, own in expansion.treatments.items() if field in own}
        setting = [active[arm.label] for arm in arms if arm.treatment in values]
        more = _says_more(default_of(expansion.model, field), list(values.values()))
        if more and not any(field in fields for fields in setting):
            raise _without_effect("treatments", field, list(values.values()), expansion.model)
    for name in expansion.treatments:
        if not any(arm.treatment == name for arm in arms):
            other = _same_as(expansion, name)
            raise StudyError(f"treatments: {name!r} trains the same as {other!r} in every arm; change or remove one")


def _same_as(expansion: Expansion, name: str) -> str:
    merged = ([treatment for treatment, _ in found] for found in expansion.settings_of_arms.values())
    return next(found[0] for found in merged if name in found)


def _check_test_samples(arms: Sequence[Arm], active: Mapping[str, frozenset[str]]) -> None:
    """Check that the arms of a block, which are compared, have the same test samples."""
    for block, inside in by_block(arms).items():
        for field in CUTS_TEST_SAMPLES:
            values = list(dict.fromkeys(getattr(arm.config, field) for arm in inside if field in active[arm.label]))
            if len(values) > 1:
                raise StudyError(
                    f"{field}: the arms of a block must be tested on the same samples; name {field} in blocks, "
                    f"got {values} in {block!r}"
                )


def _check_search(tuning: Tuning | None, arms: Sequence[Arm]) -> None:
    if tuning is None:
        return
    searched = {name for arm in arms for name in make_space(tuning, arm).domains}
    model = type(arms[0].config)
    for name in tuning.nuisance:
        if name not in searched:
            needs = (
                " or ".join(filter(None, map(needed_for, factor_named(model, name).fields)))
                or "arms that do not set it"
            )
            raise StudyError(f"tuning.nuisance: {name} changes nothing in any arm, since it needs {needs}; remove it")


IDLE_SOURCES: Mapping[str, tuple[Callable[[TrialConfig], bool], str]] = {
    "augment": (lambda c: c.transform == "none", "a transform"),
    "split": (lambda c: c.val_fraction == 0, "a val_fraction above 0"),
    "class_order": (
        lambda c: c.imbalance == "none" or c.class_order == "fixed",
        "an imbalance whose class_order is drawn by seed",
    ),
    "subset": (
        lambda c: c.label_noise == 0 and (c.subset == "fixed" or (c.imbalance == "none" and c.train_fraction == 1)),
        "label_noise, or an imbalance or a train_fraction below 1 whose subset is drawn by seed",
    ),
}
"""By source of chance: the condition under which it moves nothing, and what it needs."""


def check_sources(arms: Iterable[Arm]) -> None:
    """Check that the seed moves something in every arm: else all seeds would give the same result.

    Raises:
        StudyError: One line for the first arm in which it moves nothing.
    """
    for arm in arms:
        if not isinstance(arm.config, TrialConfig):
            continue
        for source in crossed_sources(arm.config.vary) or (arm.config.vary,):
            idle, needs = IDLE_SOURCES.get(source, (lambda _: False, ""))
            if idle(arm.config):
                raise StudyError(
                    f"vary: the seed moves nothing in arm {arm.label!r}, since {source} needs {needs}; "
                    f"set that, or another vary, got {arm.config.vary!r}"
                )


def check_measured(metric: str, arms: Iterable[Arm]) -> None:
    """Check that the trials of every arm measure the metric of the study.

    Raises:
        StudyError: One line for the first arm that does not.
    """
    for arm in arms:
        own = [recorded_as("test", name) for name in functions_of(getattr(arm.config, "metrics", ()))]
        if metric in own:
            continue
        if metric not in METRICS:
            raise StudyError(
                f"metric: {metric} is measured by an own function in metrics, which arm {arm.label!r} does not have; "
                f"put it in fixed, got {getattr(arm.config, 'metrics', ())!r}"
            )
        needs = METRICS[metric].needs
        if needs is not None and not METRICS[metric].measured_by(arm.config):
            field, value = needs
            raise StudyError(
                f"metric: {metric} is measured with {field}={value} only, which arm {arm.label!r} does not have; "
                f"put it in fixed, or add --set {field}={value}, got {getattr(arm.config, field)!r}"
            )
