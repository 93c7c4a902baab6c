"""What all results share: one error, intervals, tests, and the way they become JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from silhouette.errors import InputError

Floats = NDArray[np.float64]

SCOPE_SEEDS = "these datasets and splits, new seeds"
SCOPE_SPLITS = "new splits and new seeds of these datasets"
SCOPE_DATASETS = "new datasets of this kind"


class ReportError(InputError):
    """Input from which no report can be made; the message is one line for a person."""


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
        ReportError: If a value is missing or not finite: missing data is handled before, by name.
    """
    array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ReportError("values: expected finite numbers in one dimension")
    return array


def to_plain(value: Any) -> Any:
    """`value` as plain JSON data: dataclasses become objects, non-finite numbers null.

    >>> to_plain(Interval(1.0, float("-inf"), 2.0, 0.95, "t"))
    {'estimate': 1.0, 'low': None, 'high': 2.0, 'level': 0.95, 'method': 't'}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(v) for key, v in value.items()}
    if isinstance(value, np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_plain(v) for v in value]
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
