"""Metric functions of a person's own, `module:function`: checked before training, called after the last epoch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silhouette.errors import InputError
from silhouette.metrics import METRICS
from silhouette.registry import load

Features = NDArray[np.float32]
Labels = NDArray[np.int64]
GROUP = "geometry"
"""The one name in a config's `metrics` that is ours."""


def functions_of(metrics: Sequence[str]) -> list[str]:
    """Return the own functions among what a config measures.

    >>> functions_of(("geometry", "mypkg.metrics:nc1"))
    ['mypkg.metrics:nc1']
    """
    return [name for name in metrics if name != GROUP]


def recorded_as(split: str, name: str) -> str:
    """Return the name under which records hold what a function measures.

    >>> recorded_as("test", "mypkg.metrics:nc1")
    'test_nc1'
    """
    return f"{split}_{name.rpartition(':')[2]}"


def check_functions(names: Sequence[str]) -> None:
    """Check that functions can be imported, take features and labels, and return a number for a small random sample.

    Raises:
        InputError: One line for the first fault.
    """
    draws = np.random.default_rng(0)
    features, labels = draws.normal(size=(12, 4)).astype(np.float32), np.arange(12, dtype=np.int64) % 3
    for name in names:
        ours = METRICS.get(recorded_as("test", name))
        if ours is not None and ours.needs != ("metrics", GROUP):
            raise InputError(
                f"metrics: test_{name.rpartition(':')[2]} is one of ours; rename the function, got {name!r}"
            )
        try:
            function = load(name)
            inspect.signature(function).bind(None, None)
        except ValueError as error:
            raise InputError(f"metrics: {error}") from None
        except TypeError as error:
            raise InputError(f"metrics: must be a function of (features, labels) ({error}), got {name!r}") from None
        try:
            measure(name, features, labels)
        except Exception as error:  # a person's own function may fail in any way
            said = " ".join(str(error).split())[:200]
            raise InputError(
                f"metrics: {name} fails on random features (12, 4) float32 with labels 0 to 2: "
                f"{type(error).__name__}: {said}"
            ) from None


def measure(name: str, features: Features, labels: Labels) -> float | None:
    """Return what a function says of features, None where it is not finite.

    Args:
        name: `module:function`.
        features: (N, F); the function gets a copy.
        labels: (N,); the function gets a copy.

    Raises:
        TypeError: If it returns no number.

    >>> measure("numpy:shape", np.zeros((2, 3), np.float32), np.zeros(2, np.int64))
    Traceback (most recent call last):
    TypeError: shape() takes 1 positional argument but 2 were given
    """
    found = load(name)(features.copy(), labels.copy())
    return _number(name, found)


def _number(name: str, value: Any) -> float | None:
    single = getattr(value, "ndim", 0) == 0 and not isinstance(value, bool | str | bytes | complex)
    try:
        number = float(value) if single else None
    except (TypeError, ValueError):
        number = None
    if number is None:
        shown = " ".join(repr(value)[:80].split())
        raise TypeError(f"{name} must return one number, got {type(value).__name__} {shown}")
    return number if math.isfinite(number) else None


def measure_all(
    split: str, names: Sequence[str], features: Features, labels: Labels
) -> tuple[dict[str, float | None], str | None]:
    """Return what functions measure on a split, by the name in the records, and the first fault in one line.

    A function that fails costs its own value, which is None, and not the training behind the record.
    """
    found: dict[str, float | None] = {}
    fault: str | None = None
    for name in names:
        found[recorded_as(split, name)] = None
        try:
            found[recorded_as(split, name)] = measure(name, features, labels)
        except Exception as error:  # a person's own function may fail in any way
            fault = fault or f"{name} on {split} data: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return found, fault
