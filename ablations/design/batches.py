"""Checks of P × K batches before anything runs: P classes must exist, and K must divide the batch."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from ablations.design.arms import Arm
from ablations.errors import StudyError
from search_spaces import Choice, Interval
from silhouette.config import TrialConfig
from silhouette.registry import own_data


def check_batches(arm: Arm, domains: Mapping[str, Interval | Choice]) -> None:
    """Check every batch that an arm with the sampler `pk` may be asked for.

    Args:
        arm: The arm, before its search.
        domains: What is searched in it, by name; empty where nothing is.

    Raises:
        StudyError: If a batch needs more classes than the data have, or cannot be cut into K samples of each.
    """
    if not isinstance(arm.config, TrialConfig) or "pk" not in _values("sampler", arm, domains):
        return
    classes = count_classes(arm.config)
    sizes, samples = (_values(field, arm, domains) for field in ("batch_size", "samples_per_class"))
    for size, k in itertools.product(sizes, samples):
        if size % k:
            raise StudyError(f"samples_per_class: must divide batch_size = {size} in arm {arm.label!r}, got {k}")
        if classes is not None and size // k > classes:
            raise StudyError(
                f"samples_per_class: batch_size = {size} needs {size // k} classes in arm {arm.label!r}, "
                f"the data have {classes}; give at least {-(-size // classes)} or a smaller batch, got {k}"
            )


def count_classes(config: TrialConfig) -> int | None:
    """Number of classes of a data set; None for a person's own data that are not on this machine.

    Raises:
        silhouette.errors.InputError: If such data are damaged.
    """
    if own_data(config.dataset) is None:
        return config.classes
    from silhouette.data.own import count_own_classes  # it imports NumPy, which few plans need

    return count_own_classes(config.dataset)


def _values(field: str, arm: Arm, domains: Mapping[str, Interval | Choice]) -> Sequence[Any]:
    """Values of a field in an arm. The config has K set back where the arm starts with another sampler."""
    domain = domains.get(field)
    if domain is None:
        return (arm.given.get(field, getattr(arm.config, field)),)
    if isinstance(domain, Choice):
        return domain.values
    raise StudyError(
        f"tuning.nuisance: {field} needs a Choice where sampler=pk, since K must divide every batch, "
        f"got Interval({domain.low:g}, {domain.high:g})"
    )
