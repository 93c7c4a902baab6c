"""The limits of a study over all its runs: hours, GPU-hours and money."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ablations.design.budgets.prices import Prices, make_prices, read_prices
from ablations.errors import StudyError

UNITS = ("hours", "gpu_hours", "cost")
"""What is counted: hours in which a trial runs, GPU-hours of all trials, and what the machines cost."""


@dataclass(frozen=True)
class Amounts:
    """An amount of each unit of `UNITS`."""

    hours: float = 0.0
    gpu_hours: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True)
class Budget:
    """What a study may use in all its runs together; None sets no limit.

    Attributes:
        hours: Hours in which at least one trial runs.
        gpu_hours: GPU-hours: the time of each trial times its GPUs.
        cost: Money, in the currency of the prices.
        prices: What machines cost; given where `cost` is.
    """

    hours: float | None = None
    gpu_hours: float | None = None
    cost: float | None = None
    prices: Prices | None = None

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by unit.

        >>> Budget(gpu_hours=2.0).limits
        {'gpu_hours': 2.0}
        """
        return {unit: limit for unit in UNITS if (limit := getattr(self, unit)) is not None}

    def show(self, unit: str, amount: float) -> str:
        """An amount with its unit.

        >>> Budget(hours=2).show("hours", 2), Budget(gpu_hours=1).show("gpu_hours", 0.53)
        ('2 hours', '0.53 GPU-hours')
        """
        words = {"hours": "hours", "gpu_hours": "GPU-hours", "cost": self.prices.currency if self.prices else ""}
        return f"{amount:.3g} {words[unit] or 'of cost'}"

    def __str__(self) -> str:
        """All limits in words."""
        return " and ".join(self.show(unit, limit) for unit, limit in self.limits.items())

    def plain(self) -> dict[str, Any]:
        """The budget as `study.json` holds it."""
        return {"limits": self.limits, **({"prices": self.prices.plain()} if self.prices else {})}


def make_budget(
    hours: float | None, gpu_hours: float | None, cost: float | None, prices: str | None, *, planned: bool = False
) -> Budget | None:
    """The budget that options ask for; None without any.

    Args:
        hours: Of `--max-hours`.
        gpu_hours: Of `--max-gpu-hours`.
        cost: Of `--max-cost`.
        prices: File of `--prices`.
        planned: Whether it is asked what a budget buys, where prices alone say what the trials cost.

    Raises:
        StudyError: One line for the first fault.
    """
    for unit, limit in zip(UNITS, (hours, gpu_hours, cost), strict=True):
        if limit is not None and not 0 < limit < math.inf:
            raise StudyError(f"--max-{unit.replace('_', '-')}: must be a number above 0, got {limit:g}")
    if cost is not None and prices is None:
        raise StudyError(f"--max-cost: requires --prices with a file of machine prices, got --max-cost {cost:g}")
    if prices is not None and cost is None and not planned:
        raise StudyError(f"--prices: belongs to --max-cost; give both or none, got {prices!r}")
    budget = Budget(hours, gpu_hours, cost, None if prices is None else read_prices(prices))
    return budget if budget.limits or budget.prices else None


def stored_budget(note: dict[str, Any] | None) -> Budget | None:
    """The budget that a study's `study.json` declares; None without one.

    Raises:
        StudyError: If it is damaged.
    """
    if note is None:
        return None
    limits = note.get("limits")
    if (
        not isinstance(limits, dict)
        or not all(unit in UNITS and type(limit) in (int, float) and limit > 0 for unit, limit in limits.items())
        or ("cost" in limits and "prices" not in note)
    ):
        raise StudyError(f"study.json: budget: must hold limits above 0 of {', '.join(UNITS)}, got {note!r:.80}")
    prices = make_prices(note["prices"], "study.json: budget: prices") if "prices" in note else None
    return Budget(**limits, prices=prices)
