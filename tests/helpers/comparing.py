"""What two runs of the same trial must have in common."""

TIMES = (
    "started_at",
    "seconds",
    "earlier_seconds",
    "images_per_second",
    "peak_memory",
    "host",
    "machine",
    "machine_share",
)
"""Columns, and keys of a curve, that may differ."""


def comparable_fields(row):
    """A record without what may differ between two runs of the same trial."""
    return {**without_times(row), "curve": [without_times(point) for point in row["curve"] or []]}


def without_times(values):
    return {key: value for key, value in values.items() if key not in TIMES}
