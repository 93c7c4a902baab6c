"""The identity of a trial and of a plan: hashes of everything that decides their results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel

from silhouette.config.crossed import NEW_TEST_SPLITS
from silhouette.config.parsing import ConfigError, with_defaults
from silhouette.config.trial_config import TrialConfig
from silhouette.registry import dataset_entry

Phase = Literal["tune", "confirm"]
"""Phase of a study: `tune` searches hyper-parameters, `confirm` trains the seeds that are compared."""
MAX_SEED = 2**31 - 1
OLD_SPLIT = "split of version 0.1"
"""Stands for what `vary="split"` meant in version 0.1: it also moved class order and subset."""
CONFIG_VERSION = 1
"""Part of every trial's identity; raised when a default or the meaning of a field changes."""


def trial_id(config: BaseModel, seed: int, phase: Phase, experiment: str | None = None) -> str:
    """Return the identity of a trial: 16 hex digits of a SHA-256 over config, seed, phase and experiment.

    Fields at their default are left out. A field that is added later therefore leaves the ids of existing records
    unchanged, if its default means what was done before. `CONFIG_VERSION` is included, and raised if a default
    changes. A value of `vary` that means less than it did in version 0.1 is marked. Of a config of a person's own all
    fields count, since a changed default cannot be seen there.

    Args:
        config: The config; its number of epochs is included.
        seed: An integer in [0, 2^31).
        phase: `tune` or `confirm`.
        experiment: `module:Class` of the experiment; None, the training of this project, is left out.

    Raises:
        ConfigError: If the seed is not an integer in [0, 2^31).

    >>> trial_id(TrialConfig(), 0, "confirm")
    'cb1f548da8a2ee28'
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise ConfigError(f"seed: must be an integer from 0 to {MAX_SEED}, got {seed!r}")
    own = f" {experiment}" if experiment else ""
    return hashlib.sha256(f"{_settings(config)} {seed} {phase}{own}".encode()).hexdigest()[:16]


def plan_hash(plan: Mapping[str, Any]) -> str:
    """Return 16 hex digits of the SHA-256 of a plan as sorted JSON.

    >>> plan_hash({"a": 1, "b": 2}) == plan_hash({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]


@lru_cache(maxsize=65_536)
def _settings(config: BaseModel) -> str:
    """Return the part of an identity that all seeds of an arm share."""
    if not isinstance(config, TrialConfig):
        return json.dumps(config.model_dump(mode="json"), sort_keys=True)
    what = {"version": CONFIG_VERSION, **config.model_dump(mode="json", exclude_defaults=True)}
    if config.draws_test_split:
        del what["vary"]  # what every trial did in version 0.1: it keeps the identity that it had then
    elif config.vary == "split" or (config.vary == "all" and not dataset_entry(config.dataset).official_test):
        what["split"] = "validation"  # in 0.1 "all" moved the test samples too, and "split" also the training samples
    return json.dumps(what, sort_keys=True)


def is_of_version_0_1(plan: Mapping[str, Any]) -> bool:
    """Return True for the content of a `study.json` or of a frozen plan that version 0.1 wrote.

    Later ones always say over which comparisons the error rate is held. `as_version_0_2` translates its configs.

    >>> is_of_version_0_1({"alpha": 0.05}), is_of_version_0_1({"alpha": 0.05, "error_rate": "study"})
    (True, False)
    """
    return "error_rate" not in plan


def as_version_0_2(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the whole config of a plan or record of version 0.1 in the words of this version.

    In version 0.1 the seed also drew the test samples of a dataset without an official test split, and `vary="split"`
    also moved class order and subset, for which there is no value now.

    >>> as_version_0_2({"dataset": "digits", "vary": "all"})["vary"]
    'all_and_test_split'
    >>> as_version_0_2({"dataset": "mnist"})["vary"]
    'all'
    """
    whole = with_defaults(config)
    renamed = {"split": OLD_SPLIT}
    if not dataset_entry(whole["dataset"]).official_test:
        renamed["all"] = NEW_TEST_SPLITS
    return {**whole, "vary": renamed.get(whole["vary"], whole["vary"])}
