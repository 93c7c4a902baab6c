"""The metric of a study: one of ours, or a person's own, with what a study says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from ablations.errors import StudyError
from silhouette.errors import instead
from silhouette.metric_functions import functions_of, recorded_as
from silhouette.metrics import METRICS, Metric

Direction = Literal["max", "min"]
MAX_MARGIN = 0.1
"""Accuracies are fractions. A margin of 10 points or more is one that was meant in points."""


def own_metrics(settings: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the names under which the own metric functions of settings are recorded on test data.

    >>> own_metrics([{"metrics": ("geometry", "mypkg.metrics:nc1")}, {}])
    {'test_nc1'}
    """
    return {recorded_as("test", name) for own in settings for name in functions_of(own.get("metrics", ()))}


def check_metric(metric: str, direction: Direction | None, *, own: bool) -> None:
    """Check that a metric can answer a question, and that somebody says which direction of it is better.

    Args:
        metric: Its name.
        direction: What the study says.
        own: Whether metrics that are not ours are measured.

    Raises:
        ValueError: One line for the first fault.
    """
    ours = METRICS.get(metric)
    if not metric.startswith("test_") or (ours is None and not own):
        known = [name for name in METRICS if name.startswith("test_")]
        what = instead(metric, known, "docs/method.md lists them")
        raise ValueError(f"metric: must be one on test data, since claims rest on them; {what}, got {metric!r}")
    if ours is None and direction is None:
        raise ValueError(f"direction: must be max or min for {metric}, which is not one of ours, got None")
    if ours is not None and direction not in (None, ours.direction):
        raise ValueError(
            f"direction: {metric} is one of ours, where {ours.direction} is better; remove it, or give your metric "
            f"another name, got {direction!r}"
        )


def measure_of(metric: str, direction: Direction | None, label: str, unit: str) -> Metric:
    """Return what is known of a metric, from the table of ours or from the study.

    >>> measure_of("test_error", "min", "", "%")
    Metric(label='test_error', direction='min', percent=True, needs=None)
    """
    ours = METRICS.get(metric)
    if ours is not None:
        return replace(ours, label=label or ours.label)
    return Metric(label or metric, direction or "max", unit == "%")


def check_margin(metric: str, sesoi: float | None, measure: Metric) -> None:
    """Check that a smallest effect of interest is in the unit of the metric.

    Raises:
        ValueError: If it is meant in points and the metric is a fraction.
    """
    if sesoi is not None and measure.percent and sesoi >= MAX_MARGIN:
        points, meant = f"{100 * sesoi:g} points", f"{sesoi / 100:g}"
        raise ValueError(f"sesoi: {metric} is a fraction, {sesoi:g} is {points}; did you mean {meant}?")


def search_direction(chosen_by: str, given: Direction | None, metric: str, measure: Metric) -> Direction:
    """Return which direction of the metric of a search is better.

    Args:
        chosen_by: The validation metric.
        given: What the search says.
        metric: The metric of the study.
        measure: What is known of that.

    Raises:
        StudyError: If nothing says so.
    """
    if chosen_by in METRICS:
        return METRICS[chosen_by].direction
    if given is None and chosen_by != metric.replace("test_", "val_", 1):
        raise StudyError(f"tuning.direction: must be max or min for {chosen_by}, which is not one of ours, got None")
    return given or measure.direction
