"""Counts and settings in words: what the terminal of `ablate` and the report of `analysis` write alike."""

from __future__ import annotations


def count(n: int, one: str, many: str = "") -> str:
    """A number with its noun.

    >>> count(1, "seed"), count(5, "seed")
    ('1 seed', '5 seeds')
    """
    return f"{n} {one if n == 1 else many or one + 's'}"


def show_level(value: object) -> str:
    """A level of a factor, or another setting: six significant digits of a float, all else as it is.

    >>> show_level(0.0012345678), show_level(1000000), show_level("long_tail"), show_level(None)
    ('0.00123457', '1000000', 'long_tail', 'None')
    """
    return f"{value:g}" if isinstance(value, float) else str(value)
