"""What a factor is, and where its values may lie. Plain data; knows `silhouette.config` only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from silhouette.config import TrialConfig


@dataclass(frozen=True)
class Interval:
    """All numbers from `low` to `high`, both included; `log` searches them on a logarithmic scale."""

    low: float
    high: float
    log: bool = False
    integer: bool = False

    def __contains__(self, value: Any) -> bool:
        """Whether `value` is a number of the interval.

        >>> 0.3 in Interval(0.1, 1.0), "x" in Interval(0.1, 1.0)
        (True, False)
        """
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """One of the listed values, without an order."""

    values: tuple[Any, ...]

    def __contains__(self, value: Any) -> bool:
        """Whether `value` is listed."""
        return value in self.values


@dataclass(frozen=True)
class Factor:
    """A `TrialConfig` field that may vary.

    Attributes:
        field: Name of the field.
        label: Name in figures and tables.
        grid: Values of an ablation, the default among them.
        domain: Where a search may look; every grid value lies in it, but for the "off" value 0 of a log scale.
        reason: Why these bounds.
        unit: Unit, empty for a pure number.
        text: How an arm's label shows the value; `{value}` is the field's.
        qualifier: A field without which the value is ambiguous (the strength of an imbalance).
        tied: Further fields that always get the same value.
    """

    field: str
    label: str
    grid: tuple[Any, ...]
    domain: Interval | Choice
    reason: str
    unit: str = ""
    text: str = "{label}={value}"
    qualifier: str | None = None
    tied: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields that the factor sets."""
        return (self.field, *self.tied)

    def describe(self, config: TrialConfig) -> str:
        """The factor's part of an arm's label.

        >>> Factor("lambda_sil", "λ", (0.0,), Interval(0, 1), "").describe(TrialConfig(lambda_sil=0.2))
        'λ=0.2'
        """
        values = {
            "label": self.label,
            "value": short(getattr(config, self.field)),
            "qualifier": short(getattr(config, self.qualifier)) if self.qualifier else "",
        }
        return self.text.format(**values)


def short(value: Any) -> str:
    """A value as labels show it.

    >>> short(0.30000000000000004), short("none")
    ('0.3', 'none')
    """
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def listing(factors: Mapping[str, Factor]) -> Iterator[str]:
    """What `ablate list --spaces` prints: name, label, grid, then range and reason."""
    for name, factor in factors.items():
        grid = ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in factor.grid)
        yield f"{name:18s} {factor.label:18s} {grid}{' ' + factor.unit if factor.unit else ''}"
        yield f"{'':18s} {_range(factor.domain)}{factor.reason}"


def _range(domain: Interval | Choice) -> str:
    if isinstance(domain, Choice):
        return ""
    return f"{domain.low:g} to {domain.high:g}{', log scale' if domain.log else ''}: "
