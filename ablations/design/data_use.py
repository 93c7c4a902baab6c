"""Which data a study chooses and confirms on: checks of its data, and the config of the confirm phase."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ablations.design.arms import Arm
from ablations.design.tuning import Tuning, fields_of
from ablations.errors import StudyError
from silhouette.config import ConfigError, TrialConfig, make_config
from silhouette.registry import own_data

OF_VALIDATION = ("val_fraction", "val_profile")


def confirmed(arm: Arm, tuning: Tuning, winner: Mapping[str, Any]) -> Arm:
    """Return an arm as it is confirmed: with its winner, on the data that `confirm_on` names.

    Args:
        arm: The arm before tuning.
        tuning: Its search.
        winner: Values by name of the nuisance factor; empty before the search.

    Raises:
        StudyError: If the values make no valid config.
    """
    model, config = type(arm.config), arm.config.model_dump(mode="json")
    values = {**config, **arm.given, **fields_of(winner, model), **tuning.confirm_settings}
    try:
        return replace(arm, config=make_config(values, model))
    except ConfigError as error:
        raise StudyError(str(error)) from None


def check_validation(tuning: Tuning, arms: Iterable[Arm], compared: Iterable[str]) -> None:
    """Check that a search has validation data to choose on, and that arms still differ where these are trained on too.

    Args:
        tuning: The search.
        arms: The arms before tuning.
        compared: The fields in which arms may differ: factors, those of treatments, and nuisance factors.

    Raises:
        StudyError: One line for the first fault.
    """
    for arm in arms:
        if getattr(arm.config, "val_fraction", None) == 0:
            raise StudyError(
                f"val_fraction: must be above 0 where a search chooses on validation data, got 0 in arm {arm.label!r}; "
                "Tuning(confirm_on='train+val') trains the winners on all training data"
            )
    for arm in arms:
        if tuning.confirm_settings and not hasattr(arm.config, "val_fraction"):
            raise StudyError(
                f"tuning.confirm_on: train+val sets val_fraction, a field that {type(arm.config).__name__} does not "
                "have; set confirm_on='train'"
            )
    for field in compared:
        if tuning.confirm_settings and field in OF_VALIDATION:
            raise StudyError(
                f"tuning.confirm_on: with train+val no confirm trial has validation data, so arms cannot differ in "
                f"{field}; fix {field}, or set confirm_on='train'"
            )


def check_own_data(arms: Iterable[Arm], *, here: bool) -> None:
    """Check a person's own data before trials are planned or run on them.

    Args:
        arms: The arms.
        here: Whether this machine trains, so that all of the files must be on it.

    Raises:
        silhouette.errors.InputError: One line for the first fault.
    """
    arms = list(arms)
    for name in own_datasets(arms):
        from silhouette.data.own import check_own, has_own_test  # they import NumPy, which few plans need
        from silhouette.data.splits import check_test_settings

        check_own(name, here=here)
        for arm in arms:
            if isinstance(arm.config, TrialConfig) and arm.config.dataset == name and has_own_test(name):
                check_test_settings(arm.config)


def own_datasets(arms: Iterable[Arm]) -> list[str]:
    """Return the data sets of arms that are a person's own, each once."""
    names = dict.fromkeys(getattr(arm.config, "dataset", "") for arm in arms)
    return [name for name in names if own_data(name)]
