"""Pairs of values by key (seed, or dataset), never by row order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.stats.types import Floats


@dataclass(frozen=True)
class Pairs:
    """Values of two arms under the keys both have, in the order of the sorted keys.

    Attributes:
        keys: The common keys.
        treatment: Values of the treatment.
        baseline: Values of the baseline.
        only_treatment: Keys that the baseline lacks.
        only_baseline: Keys that the treatment lacks.
    """

    keys: tuple[int | str, ...]
    treatment: Floats
    baseline: Floats
    only_treatment: tuple[int | str, ...]
    only_baseline: tuple[int | str, ...]

    @property
    def complete(self) -> bool:
        """Return True if both sides have exactly the same keys."""
        return not self.only_treatment and not self.only_baseline

    @property
    def differences(self) -> Floats:
        """Treatment minus baseline, pair by pair."""
        return self.treatment - self.baseline


def pair(treatment: Mapping[int, float], baseline: Mapping[int, float]) -> Pairs:
    """Pair two arms by their keys.

    >>> pair({2: 0.5, 1: 0.7}, {1: 0.6, 2: 0.6, 3: 0.1}).only_baseline
    (3,)
    """
    common = sorted(treatment.keys() & baseline.keys())
    return Pairs(
        keys=tuple(common),
        treatment=np.array([treatment[k] for k in common], dtype=np.float64),
        baseline=np.array([baseline[k] for k in common], dtype=np.float64),
        only_treatment=tuple(sorted(treatment.keys() - baseline.keys())),
        only_baseline=tuple(sorted(baseline.keys() - treatment.keys())),
    )
