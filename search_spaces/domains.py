"""Types of a factor and of its domain. Plain data; imports the config and its words alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from silhouette.config import setting_of
from silhouette.formatting import show_level


@dataclass(frozen=True)
class Interval:
    """All numbers from `low` to `high`, both included.

    Attributes:
        low: Smallest value.
        high: Largest value.
        log: Search on a logarithmic scale.
        integer: Only whole numbers.

    >>> Interval(1e-4, 1e-1, log=True)
    Interval(low=0.0001, high=0.1, log=True, integer=False)
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False

    def __contains__(self, value: Any) -> bool:
        """Return True if `value` is a number in the interval.

        >>> 0.3 in Interval(0.1, 1.0), "x" in Interval(0.1, 1.0)
        (True, False)
        """
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """One of the listed values, without an order.

    Attributes:
        values: The values.

    >>> Choice((32, 64)).values
    (32, 64)
    """

    values: tuple[Any, ...]

    def __contains__(self, value: Any) -> bool:
        """Return True if `value` is listed.

        >>> "pk" in Choice(("uniform", "pk"))
        True
        """
        return value in self.values


@dataclass(frozen=True)
class Factor:
    """A field of a config that a study can vary.

    Attributes:
        field: Name of the field.
        label: Name in figures and tables.
        grid: Values of an ablation, including the default.
        domain: Values that a search can propose. Every value of the grid is in it, except 0 ("off") on a log scale.
            None for a field of a person's own config.
        reason: Reason for these bounds.
        unit: Unit; empty for a pure number.
        text: Form of the value in the label of an arm; `{value}` is the value of the field.
        qualifier: A field that the label needs too, since the value alone is ambiguous (the strength of an imbalance).
        tied: Other fields that always get the same value.

    >>> Factor("tau_s", "τ", (0.1,), Interval(0.01, 1.0, log=True), "", tied=("tau_m",)).fields
    ('tau_s', 'tau_m')
    """

    field: str
    label: str
    grid: tuple[Any, ...]
    domain: Interval | Choice | None
    reason: str
    unit: str = ""
    text: str = "{label}={value}"
    qualifier: str | None = None
    tied: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields that the factor sets."""
        return (self.field, *self.tied)

    def describe(self, config: BaseModel) -> str:
        """Return the part of the label of an arm that shows this factor.

        >>> from silhouette.config import TrialConfig
        >>> Factor("lambda_sil", "λ", (0.0,), Interval(0, 1), "").describe(TrialConfig(lambda_sil=0.2))
        'λ=0.2'
        """
        values = {
            "label": self.label,
            "value": short(setting_of(config, self.field)),
            "qualifier": short(getattr(config, self.qualifier)) if self.qualifier else "",
        }
        return self.text.format(**values)


def short(value: Any) -> str:
    """Return a value as labels show it.

    >>> short(0.30000000000000004), short("none")
    ('0.3', 'none')
    """
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def listing(factors: Mapping[str, Factor]) -> Iterator[str]:
    """Yield the lines of `ablate list --spaces`: name, label and grid of a factor, then its range and reason."""
    for name, factor in factors.items():
        grid = ", ".join(map(show_level, factor.grid))
        yield f"{name:18s} {factor.label:18s} {grid}{' ' + factor.unit if factor.unit else ''}"
        yield f"{'':18s} {_range(factor.domain)}{factor.reason}"


def _range(domain: Interval | Choice | None) -> str:
    if not isinstance(domain, Interval):
        return ""
    return f"{domain.low:g} to {domain.high:g}{', log scale' if domain.log else ''}: "
