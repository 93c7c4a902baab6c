"""What all results share: intervals, tests, arrays of floats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import ReportError

Floats = NDArray[np.float64]

SCOPE_SEEDS = "new seeds on the same data"
SCOPE_SPLITS = "new splits and new seeds of the same datasets"
SCOPE_DATASETS = "new datasets of this kind"


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval, in the unit of the data.

    Attributes:
        estimate: The point estimate.
        low: Lower bound.
        high: Upper bound.
        level: Coverage claimed; for an exact rank interval the coverage attained.
        method: How it was computed.
    """

    estimate: float
    low: float
    high: float
    level: float
    method: str


@dataclass(frozen=True)
class Test:
    """One significance test, always two-sided.

    Attributes:
        p: The p-value.
        n: Number of pairs (or units) it rests on.
        smallest: The smallest p that this test can give with this n.
        method: Test and way of computing it, in words.
        statistic: The statistic, where one is customary.
    """

    __test__ = False  # pytest would take the name for a test class

    p: float
    n: int
    smallest: float
    method: str
    statistic: float | None = None


def as_floats(values: ArrayLike) -> Floats:
    """Values as a one-dimensional float64 array.

    Raises:
        ReportError: If a value is missing or not finite.
    """
    array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ReportError("values: expected finite numbers in one dimension")
    return array
