"""Metric functions of a person's own: checked before training, called after the last epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silhouette.config import TrialConfig, options_under
from silhouette.errors import InputError
from silhouette.metrics import METRICS
from silhouette.registry import MEASURED, own, short_name

Features = NDArray[np.float32]
Labels = NDArray[np.int64]


def functions_of(metrics: Iterable[str]) -> list[str]:
    """Return the own functions among what a config measures.

    >>> functions_of(("geometry", "mypkg.metrics:nc1"))
    ['mypkg.metrics:nc1']
    """
    return [name for name in metrics if name not in MEASURED]


def recorded_as(split: str, name: str) -> str:
    """Return the name under which records hold what a function measures.

    >>> recorded_as("test", "mypkg.metrics:nc1")
    'test_nc1'
    """
    return f"{split}_{short_name(name)}"


def check_functions(config: TrialConfig) -> None:
    """Check that the metric functions of a config take features and labels, and return a number for a small sample.

    Raises:
        InputError: One line for the first fault.
    """
    draws = np.random.default_rng(0)
    features, labels = draws.normal(size=(12, 4)).astype(np.float32), np.arange(12, dtype=np.int64) % 3
    for name in functions_of(config.metrics):
        column = recorded_as("test", name)
        if column in METRICS and METRICS[column].needs != ("metrics", "geometry"):
            raise InputError(f"metrics: {column} is one of ours; rename the function, got {name!r}")
        try:
            own("metric", name)
        except ValueError as error:
            raise InputError(f"metrics: {error}") from None
        try:
            measure(name, features, labels, **options_under(config, short_name(name)))
        except (Exception, SystemExit) as error:  # a person's own function may fail in any way
            said = " ".join(str(error).split())[:200]
            raise InputError(
                f"metrics: {name} fails on random features (12, 4) float32 with labels 0 to 2: "
                f"{type(error).__name__}: {said}"
            ) from None


def measure(name: str, features: Features, labels: Labels, **options: Any) -> float | None:
    """Return what a function says of features, None where it is not finite.

    Args:
        name: A checked name.
        features: (N, F); the function gets a copy.
        labels: (N,); the function gets a copy.
        options: Its options that are not at their default.

    Raises:
        ValueError: If it cannot be imported, or cannot be called with features and labels.
        TypeError: If it returns no number.

    >>> measure("numpy:shape", np.zeros((2, 3), np.float32), np.zeros(2, np.int64))
    Traceback (most recent call last):
    ValueError: numpy:shape must take (features, labels), with options as keyword-only arguments after *, got (a)
    """
    found = own("metric", name).function(features.copy(), labels.copy(), **options)
    return as_number(name, found)


def as_number(name: str, value: Any) -> float | None:
    """Return what a function returned as a float, None where it is not finite.

    Raises:
        TypeError: If it is no number.

    >>> as_number("mypkg.metrics:nc1", np.float32(2)), as_number("mypkg.metrics:nc1", float("inf"))
    (2.0, None)
    """
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
    split: str, config: TrialConfig, features: Features, labels: Labels
) -> tuple[dict[str, float | None], str | None]:
    """Return what the functions of a config measure on a split, by the name in the records, and the first fault.

    A function that fails costs its own value, which is None, and not the training behind the record.
    """
    found: dict[str, float | None] = {}
    fault: str | None = None
    for name in functions_of(config.metrics):
        options = options_under(config, short_name(name))
        found[recorded_as(split, name)] = None
        try:
            found[recorded_as(split, name)] = measure(name, features, labels, **options)
        except (Exception, SystemExit) as error:  # a person's own function may fail in any way
            fault = fault or f"{name} on {split} data: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return found, fault
