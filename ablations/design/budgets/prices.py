"""What an hour of each type of machine costs: the YAML file of `--prices`, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from ablations.errors import StudyError
from silhouette.errors import instead

KEYS = ("currency", "machines", "hosts")
DEFAULT = "default"
"""The type of every machine that neither its labels nor its host name tell."""


@dataclass(frozen=True)
class Prices:
    """Prices of machines.

    Attributes:
        machines: Price of one hour of a whole machine by its type, 0 or more. `default` is any other machine.
        hosts: Type by pattern of the host name, for machines without a label; the first that matches counts.
        currency: What the prices are in; shown with every cost.
    """

    machines: Mapping[str, float]
    hosts: Mapping[str, str] = field(default_factory=dict)
    currency: str = ""

    def type_of(self, machine: str | None, host: str | None) -> str | None:
        """The type under which a machine is priced; None if it has no price.

        Args:
            machine: Its type as its labels say it.
            host: Its host name.

        >>> prices = Prices({"a100": 2.5, "cpu": 0.1}, {"dgx-*": "a100"})
        >>> prices.type_of("cpu", None), prices.type_of(None, "dgx-7"), prices.type_of(None, "laptop")
        ('cpu', 'a100', None)
        """
        if machine in self.machines:
            return machine
        named = next((kind for pattern, kind in self.hosts.items() if fnmatchcase(host or "", pattern)), None)
        return named or (DEFAULT if DEFAULT in self.machines else None)

    def hourly(self, machine: str | None, host: str | None) -> float | None:
        """Price of one hour of a machine; None if it has none."""
        kind = self.type_of(machine, host)
        return None if kind is None else self.machines[kind]

    @property
    def dearest(self) -> float:
        """The highest price of an hour."""
        return max(self.machines.values())

    def plain(self) -> dict[str, Any]:
        """The prices as `study.json` holds them."""
        return {**asdict(self), "machines": dict(self.machines), "hosts": dict(self.hosts)}


def read_prices(path: str) -> Prices:
    """Read a file of prices.

    Raises:
        StudyError: One line for the first fault: field, rule, value.
    """
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise StudyError(f"--prices: must be a file that can be read ({error.strerror}), got {path!r}") from None
    except (ValueError, yaml.YAMLError) as error:
        raise StudyError(f"--prices: {path} must be valid YAML ({' '.join(str(error).split())})") from None
    return make_prices(found, f"--prices: {path}")


def make_prices(found: Any, where: str = "prices") -> Prices:
    """Check prices.

    Args:
        found: A mapping with `machines`, and perhaps `hosts` and `currency`.
        where: Names the source in messages.

    Raises:
        StudyError: One line for the first fault.
    """
    if not isinstance(found, dict):
        raise StudyError(f"{where}: must hold `machines:` with lines `type: price`, got {type(found).__name__}")
    for name in found:
        if name not in KEYS:
            raise StudyError(f"{where}: there is no field {name!r}; {instead(str(name), KEYS)}")
    machines, hosts = _mapping(found, "machines", where), _mapping(found, "hosts", where)
    if not machines:
        raise StudyError(f"{where}: machines: must name one type of machine or more, got {found.get('machines')!r}")
    priced = {kind: _price(kind, value, where) for kind, value in machines.items()}
    for pattern, kind in hosts.items():
        if kind not in priced:
            known = instead(str(kind), priced)
            raise StudyError(f"{where}: hosts.{pattern}: must be a type of machines; {known}, got {kind!r}")
    currency = found.get("currency") or ""
    if not isinstance(currency, str) or len(currency) > 12 or not (currency.isprintable()):
        raise StudyError(f"{where}: currency: must be a short word such as USD, got {currency!r}")
    return Prices(priced, hosts, currency)


def _mapping(found: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    own = found.get(name) or {}
    if not isinstance(own, dict) or not all(isinstance(key, str) for key in own):
        raise StudyError(f"{where}: {name}: must be lines `name: value` with names of text, got {own!r}")
    return own


def _price(kind: str, value: Any, where: str) -> float:
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise StudyError(
            f"{where}: machines.{kind}: must be the price of an hour, a number of 0 or more, got {value!r}"
        )
    return float(value)
