"""Numbers as a reader of the report sees them; nothing is computed.

Counts and settings in words come from `silhouette.formatting`, which the terminal uses too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from silhouette.formatting import count as count
from silhouette.formatting import show_level as show_level
from silhouette.metrics import METRICS

MISSING = "–"
MINUS = "−"


@dataclass(frozen=True)
class Scale:
    """How values of a metric are shown: multiplied by `factor`, with `decimals` places.

    Attributes:
        factor: 100 for fractions shown as percentages.
        unit: Unit of a difference, in words.
        symbol: What follows a value (`%`).
        decimals: Places after the point.
        label: The metric's name for people.
    """

    factor: float
    unit: str
    symbol: str
    decimals: int
    label: str

    def value(self, x: float | None) -> str:
        """A value without its unit."""
        return MISSING if x is None else f"{self.factor * x:.{self.decimals}f}".replace("-", MINUS)

    def signed(self, x: float | None) -> str:
        """A difference with its sign."""
        return MISSING if x is None else f"{self.factor * x:+.{self.decimals}f}".replace("-", MINUS)

    def on_axis(self, x: float | None) -> float | None:
        """A value as figures show it: in the unit of the axis."""
        return None if x is None else self.factor * x

    def range(self, low: float | None, high: float | None) -> str:
        """An interval of a difference: `+0.34 to +0.90`, with more decimals where its ends would look the same."""
        if low is None or high is None:
            return MISSING
        scale = self._finer(low, high)
        return f"{scale.signed(low)} to {scale.signed(high)}"

    def value_range(self, low: float | None, high: float | None) -> str:
        """An interval of a value: `90.34 to 90.90`, with more decimals where its ends would look the same."""
        if low is None or high is None:
            return MISSING
        scale = self._finer(low, high)
        return f"{scale.value(low)} to {scale.value(high)}"

    def _finer(self, low: float, high: float) -> Scale:
        """The scale with up to six more decimals, so that ends which differ, or are not 0, also look so."""
        for extra in range(7):
            scale = replace(self, decimals=self.decimals + extra)
            shown = scale.signed(low), scale.signed(high)
            hidden = any(x != 0 and not text.strip(f"+{MINUS}0.") for x, text in zip((low, high), shown, strict=True))
            if low == high or not (hidden or shown[0] == shown[1]):
                return scale
        return self

    @property
    def symbol_after(self) -> str:
        """What follows a value: `%` at once, another unit after a space."""
        return f" {self.symbol}" if self.symbol not in ("", "%") else self.symbol

    @property
    def unit_after(self) -> str:
        """The unit of a difference, with a space before it if there is one."""
        return f" {self.unit}" if self.unit else ""


def metric_name(metric: str) -> str:
    """The name of a metric for people; an unknown metric is named as it is.

    >>> metric_name("test_top1"), metric_name("acc")
    ('top-1 accuracy on test data', 'acc')
    """
    return METRICS[metric].label if metric in METRICS else metric


def make_scale(metric: str, values: Iterable[float] = (), label: str = "", unit: str = "") -> Scale:
    """How to show a metric: in percent where the table of metrics says so, else as it is.

    Args:
        metric: Name of the metric.
        values: Its values, from whose spread the decimals of an unknown metric are chosen.
        label: Its name for people; empty takes the name that is known, or the metric's own.
        unit: Unit of a metric that is not ours; `%` for fractions, which are shown in percent.

    >>> make_scale("test_top1").value(0.9132), make_scale("test_energy", [41.0, 45.5], unit="kWh").signed(-3)
    ('91.32', '−3.0')
    """
    label = label or metric_name(metric)
    if METRICS[metric].percent if metric in METRICS else unit == "%":
        return Scale(100.0, "points", "%", 2, label)
    spread = _spread(list(values))
    decimals = 3 if spread is None else min(8, max(0, 1 - math.floor(math.log10(spread))))
    own = "" if metric in METRICS else unit
    return Scale(1.0, own, own, decimals, label)


def _spread(values: list[float]) -> float | None:
    if len(values) < 2:
        return None
    middle = math.fsum(values) / len(values)
    var = math.fsum((v - middle) ** 2 for v in values) / (len(values) - 1)
    return math.sqrt(var) if var > 0 else None


def show_p(p: float | None, alpha: float = 0.05) -> str:
    """A p-value, never as 0.000 and never rounded across alpha.

    >>> [show_p(p) for p in (0.00004, 0.0037, 0.0625, 0.04996, 0.34, 1.0)]
    ['< 0.001', '0.0037', '0.0625', '0.04996', '0.34', '1.00']
    """
    if p is None or math.isnan(p):
        return MISSING
    if p < 0.001:
        return "< 0.001"
    for digits in range(4 if p < 0.1 else 2, 12):
        shown = f"{p:.{digits}f}"
        if (float(shown) <= alpha) == (p <= alpha) and (float(shown) != alpha or p == alpha):
            return shown
    return f"{p}"


def p_equals(p: float | None, alpha: float = 0.05) -> str:
    """`p = 0.0037` or `p < 0.001`, in running text."""
    shown = show_p(p, alpha)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def show_number(x: float | None, digits: int = 2) -> str:
    """A plain number with fixed decimals."""
    return MISSING if x is None or not math.isfinite(x) else f"{x:.{digits}f}".replace("-", MINUS)


def show_range(low: float | None, high: float | None, digits: int = 2) -> str:
    """An interval of a plain number.

    >>> show_range(0.5, 0.875), show_range(None, 0.875)
    ('0.50 to 0.88', '–')
    """
    return MISSING if low is None or high is None else f"{show_number(low, digits)} to {show_number(high, digits)}"


def show_percent(share: float | None, digits: int = 1) -> str:
    """A share as percentage.

    >>> show_percent(0.125), show_percent(None)
    ('12.5 %', '–')
    """
    return MISSING if share is None else f"{100 * share:.{digits}f} %"


def show_percent_range(low: float | None, high: float | None) -> str:
    """An interval of a share.

    >>> show_percent_range(0.1, 0.25), show_percent_range(None, None)
    ('10.0 to 25.0 %', '–')
    """
    return MISSING if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f} %"


def show_alpha(alpha: float) -> str:
    """The level of a test as it is everywhere: four significant digits.

    >>> show_alpha(0.05), show_alpha(0.0224817)
    ('0.05', '0.02248')
    """
    return f"{alpha:.4g}"


def show_alpha_percent(alpha: float) -> str:
    """The level of a test as a rate.

    >>> show_alpha_percent(0.05), show_alpha_percent(0.0224817)
    ('5 %', '2.248 %')
    """
    return f"{show_alpha(100 * alpha)} %"


def show_confidence(alpha: float) -> str:
    """The level of an interval that belongs to a test at level alpha.

    >>> show_confidence(0.05), show_confidence(0.0221)
    ('95 %', '97.79 %')
    """
    return show_coverage(1 - alpha)


def show_coverage(level: float) -> str:
    """The level of an interval, never rounded up to 100 %.

    >>> show_coverage(0.95), show_coverage(1 - 0.05 / 6), show_coverage(1 - 0.05 / 5000)
    ('95 %', '99.17 %', '99.999 %')
    """
    for digits in range(2, 12):
        shown = f"{100 * level:.{digits}f}"
        if float(shown) < 100 or level >= 1:
            return f"{float(shown):g} %" if digits == 2 else f"{shown} %"
    return f"{100 * level} %"


def sentence_case(text: str) -> str:
    """Text with a capital first letter."""
    return text[:1].upper() + text[1:]


def listing(items: Iterable[object], limit: int = 8) -> str:
    """Items in a row, shortened after `limit`.

    >>> listing([1, 2, 3], limit=2)
    '1, 2 and 1 more'
    """
    texts = [str(item) for item in items]
    if len(texts) <= limit:
        return ", ".join(texts)
    return f"{', '.join(texts[:limit])} and {len(texts) - limit} more"


def show_hours(seconds: float | None) -> str:
    """A duration of computing for people.

    >>> show_hours(90.0), show_hours(7200.0)
    ('1.5 minutes', '2.0 hours')
    """
    if seconds is None:
        return MISSING
    if seconds < 60:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 3600 else f"{seconds / 3600:.1f} hours"
