"""The identity of a trial and of a plan: hashes of everything that decides their results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from silhouette.config.trial_config import ConfigError, TrialConfig

Phase = Literal["tune", "confirm"]
"""Phase of a study: `tune` searches hyper-parameters, `confirm` trains the seeds that are compared."""
MAX_SEED = 2**31 - 1
CONFIG_VERSION = 1
"""Part of every trial's identity; raised when a default or the meaning of a field changes."""


def trial_id(config: TrialConfig, seed: int, phase: Phase, experiment: str | None = None) -> str:
    """Return the identity of a trial: 16 hex digits of a SHA-256 over config, seed, phase and experiment.

    Fields at their default are left out. A field that is added later therefore leaves the ids of existing records
    unchanged, if its default means what was done before. `CONFIG_VERSION` is included, and raised if a default
    changes.

    Args:
        config: The config; its number of epochs is included.
        seed: An integer in [0, 2^31).
        phase: `tune` or `confirm`.
        experiment: `module:Class` of the experiment; None, the training of this project, is left out.

    Raises:
        ConfigError: If the seed is not an integer in [0, 2^31).

    >>> trial_id(TrialConfig(), 0, "confirm")
    'd2147081139b8ee5'
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
def _settings(config: TrialConfig) -> str:
    """Return the part of an identity that all seeds of an arm share."""
    what = {"version": CONFIG_VERSION, **config.model_dump(mode="json", exclude_defaults=True)}
    return json.dumps(what, sort_keys=True)
