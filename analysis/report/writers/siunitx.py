"""Numbers for columns of the LaTeX package siunitx."""

from __future__ import annotations

import math

from analysis.formatting import Scale
from analysis.results.document import Document


def uncertain(scale: Scale, mean: float | None, sd: float | None) -> str:
    """Mean and SD for siunitx, `94.81(15)`: decimals follow two significant digits of the SD.

    >>> from analysis.formatting import make_scale
    >>> uncertain(make_scale("test_top1"), 0.94812, 0.00154)
    '94.81(15)'
    """
    if mean is None:
        return "{--}"
    if sd is None or sd <= 0:
        return f"{scale.factor * mean:.{scale.decimals}f}"
    s = scale.factor * sd
    decimals = max(0, 1 - math.floor(math.log10(s)))
    if float(f"{s:.{decimals}f}") >= 10 ** (2 - decimals):  # 0.0996 rounds to 0.100: one digit fewer
        decimals = max(0, decimals - 1)
    if decimals == 0:
        return f"{scale.factor * mean:.0f}({s:.0f})"
    return f"{scale.factor * mean:.{decimals}f}({round(s * 10**decimals)})"


_MARKS = {"↑": r"\uparrow", "↓": r"\downarrow", "≈": r"\approx"}


def mark_command(mark: str) -> str:
    """The mark of a verdict as a superscript; empty without one."""
    return f"$^{{{_MARKS[mark]}}}$" if mark else ""


def number_column(data: Document, scale: Scale) -> str:
    """Column type wide enough for every number of the table."""
    shown = [uncertain(scale, a["mean"], a["sd"]) for a in data["arms"] if a["mean"] is not None]
    whole = max((len(s.split("(")[0].split(".")[0].lstrip("-")) for s in shown), default=1)
    places = max((len(s.split("(")[0].partition(".")[2]) for s in shown), default=0)
    digits = max((len(s.partition("(")[2].rstrip(")")) for s in shown), default=0)
    sign = "-" if any(s.startswith("-") for s in shown) else ""
    return f"S[table-format={sign}{whole}.{places}{f'({digits})' if digits else ''}]"
