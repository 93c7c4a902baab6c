"""Results as plain JSON data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def to_plain(value: Any) -> Any:
    """`value` as plain JSON data: dataclasses become objects, non-finite numbers null.

    >>> from analysis.stats.types import Interval
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
