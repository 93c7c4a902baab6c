"""Checks of a person's own encoders, data sets and terms before trials are planned or run with them."""

from __future__ import annotations

from collections.abc import Iterable

from ablations.design.arms import Arm
from silhouette.config import TrialConfig


def check_own_code(arms: Iterable[Arm], *, here: bool) -> None:
    """Call what the arms use of a person's own, once for each different setting of it.

    Args:
        arms: The arms.
        here: Whether this machine trains, so that the data of an own data set must be on it.

    Raises:
        silhouette.errors.InputError: One line for the first fault.
    """
    seen = set()
    for config in (arm.config for arm in arms):
        if not isinstance(config, TrialConfig) or not config.plugins:
            continue
        what = (config.plugins, config.options, config.dataset, config.size, config.embedding_dim)
        if what not in seen:
            from silhouette.training.plugin_checks import check_plugins  # it imports torch, which few plans need

            check_plugins(config, here=here)
            seen.add(what)
