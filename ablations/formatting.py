"""Times and metric values as the terminal shows them; counts and settings come from `silhouette.formatting`.

A report shows times and metric values in other units: `analysis.formatting`.
"""

from __future__ import annotations

from silhouette.formatting import count as counted
from silhouette.formatting import show_level as setting

__all__ = ["counted", "duration", "metric_value", "setting"]


def duration(seconds: float) -> str:
    """A time in the units that people use.

    >>> duration(42), duration(600), duration(9000)
    ('42 s', '10 min', '2 h 30 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def metric_value(value: float) -> str:
    """A metric in the unit of the records, with four decimals.

    >>> metric_value(0.98765)
    '0.9877'
    """
    return f"{value:.4f}"
