"""Numbers and counts as the terminal shows them: the one formatter of `ablate`."""

from __future__ import annotations

from typing import Any


def counted(count: int, noun: str) -> str:
    """A number with its noun, in the singular for one.

    >>> counted(1, "arm"), counted(8, "arm")
    ('1 arm', '8 arms')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


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


def setting(value: Any) -> str:
    """The value of a setting: numbers with six significant digits, all else as it is.

    >>> setting(0.0012345678), setting("adamw"), setting(True)
    ('0.00123457', 'adamw', 'True')
    """
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
