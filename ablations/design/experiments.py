"""The experiment that a study names, found and checked before anything is planned: its class and its config."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import BaseModel

from ablations.errors import StudyError
from silhouette.config import TrialConfig
from silhouette.registry import load

TRAINING = "silhouette.training.run:Training"
"""The experiment of a study that names none. Its config is known without its import, which takes seconds."""
METHODS = ("step", "result", "state_dict", "load_state_dict")


def load_class(name: str | None) -> type[Any]:
    """Return the class that a study names; importing it may take seconds.

    Args:
        name: `module:Class`, importable on this machine; None for the training of this project.

    Raises:
        StudyError: If there is no such module or class, or the class lacks a part of the protocol
            `ablations.workers.experiment.Experiment`.
    """
    try:
        found = load(name or TRAINING)
    except ValueError as error:
        raise StudyError(f"experiment: must be a class that Python can import ({error}), got {name!r}") from None
    if fault := _fault(found):
        raise StudyError(f"experiment: {fault}, got {name!r}")
    return found  # type: ignore[no-any-return]


def config_model(name: str | None) -> type[BaseModel]:
    """Return the type of the config of an experiment.

    Args:
        name: As for `load_class`.

    Raises:
        StudyError: As for `load_class`.
    """
    return TrialConfig if name in (None, TRAINING) else load_class(name).Config


def _fault(found: object) -> str:
    """What an experiment lacks, in words; empty if it has the protocol."""
    if not isinstance(found, type):
        return "must be a class"
    model = getattr(found, "Config", None)
    if not (isinstance(model, type) and issubclass(model, BaseModel) and model.model_config.get("frozen")):
        return "its attribute Config must be a frozen pydantic model: class Config(BaseModel, frozen=True)"
    missing = [name for name in METHODS if not callable(getattr(found, name, None))]
    if missing:
        return f"must have the method {missing[0]}()"
    try:
        inspect.signature(found).bind(None, 0, threads=1)
    except TypeError as error:
        return f"must be called as {found.__name__}(config, seed, *, threads) ({error})"
    return ""
