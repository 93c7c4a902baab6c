"""What a study has used in all its runs, counted from its records, and what a further trial of an arm takes.

Trials that failed, diverged or were stopped count, and those of the tune phase. What a killed process did after its
last checkpoint is in no record, so it does not count; nor does a record that `ablate forget` has removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ablations.design.budgets.limits import Amounts
from ablations.design.budgets.prices import Prices
from ablations.errors import StudyError
from silhouette.errors import instead
from silhouette.results import Store

COLUMNS = (
    "trial_id", "arm", "seed", "phase", "status", "tune_number", "started_at", "seconds", "earlier_seconds",
    "epochs_reached", "epochs_planned", "device", "host", "machine", "machine_share", "gpus",
)  # fmt: skip
HOUR = 3600.0


@dataclass(frozen=True)
class Use:
    """What one trial has used.

    Attributes:
        arm: Label of its arm.
        phase: `tune` or `confirm`.
        complete: Whether it has trained to its end.
        group: What trained in one worker at the same time: the seeds of a candidate; a confirm trial alone.
        began: When it began, in seconds since 1970; None where the record does not say.
        seconds: Of its training, without runs of it that failed before.
        lost: Seconds of those.
        epochs: Epochs that it trained; 0 where the record does not say.
        gpus: GPUs that it had.
        rate: Price of an hour of its share of the machine.
    """

    arm: str
    phase: str
    complete: bool
    group: tuple[Any, ...]
    began: float | None
    seconds: float
    lost: float
    epochs: int
    gpus: float
    rate: float

    @property
    def own(self) -> Amounts:
        """What it took, without runs that failed before; `hours` are those of this trial alone."""
        hours = self.seconds / HOUR
        return Amounts(hours, hours * self.gpus, hours * self.rate)


class Spending:
    """The uses of all trials of a study.

    Args:
        prices: Of machines; None counts no money.
        rows: Records, with the columns `COLUMNS`.
    """

    def __init__(self, prices: Prices | None, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self.prices = prices
        self.uses: dict[str, Use] = {}
        for row in rows:
            self.add(row)

    def add(self, row: Mapping[str, Any]) -> None:
        """Count the record of a trial; it replaces an earlier one of the same trial."""
        gpus = row["gpus"]
        self.uses[row["trial_id"]] = Use(
            arm=row["arm"],
            phase=row["phase"],
            complete=row["status"] == "complete",
            group=(row["phase"], row["arm"], row["tune_number"], row["started_at"]),
            began=_moment(row["started_at"]),
            seconds=row["seconds"] or 0.0,
            lost=row["earlier_seconds"] or 0.0,
            epochs=row["epochs_reached"] or 0,
            gpus=gpus if gpus is not None else float((row["device"] or "").startswith("cuda")),
            rate=self._rate(row),
        )

    def _rate(self, row: Mapping[str, Any]) -> float:
        """Price of an hour. A type that came while the study ran and has no price counts as the dearest one."""
        if self.prices is None:
            return 0.0
        hourly = self.prices.hourly(row["machine"], row["host"])
        share = row["machine_share"]
        return (self.prices.dearest if hourly is None else hourly) * (1.0 if share is None else share)

    def used(self, running: Sequence[tuple[float, float]] = ()) -> Amounts:
        """What has been used.

        Args:
            running: Begin and end, in seconds since 1970, of what runs without a record yet; it counts in the hours.
        """
        uses = self.uses.values()
        hours = (_union([*self._times(), *running]) + sum(use.lost for use in uses)) / HOUR
        gpu = sum((use.seconds + use.lost) * use.gpus for use in uses) / HOUR
        return Amounts(hours, gpu, sum((use.seconds + use.lost) * use.rate for use in uses) / HOUR)

    def _times(self) -> list[tuple[float, float]]:
        """Begin and end of each group: its seeds took turns, so their seconds add up."""
        found: dict[tuple[Any, ...], tuple[float, float]] = {}
        for trial_id, use in self.uses.items():
            key = use.group if use.phase == "tune" else (trial_id,)
            began, seconds = found.get(key, (use.began or 0.0, 0.0))
            found[key] = (began, seconds + use.seconds)
        return [(began, began + seconds) for began, seconds in found.values()]

    def expected(self, arm: str, epochs: float | None) -> Amounts | None:
        """What a confirm trial of an arm takes; None while nothing is known.

        The mean over the complete trials of the arm; else over those of the study; else the mean of an epoch of any
        trial times the epochs of this one.

        Args:
            arm: Label of the arm.
            epochs: Epochs that it trains; None where its config does not say.
        """
        confirmed = [use for use in self.uses.values() if use.phase == "confirm" and use.complete]
        found = [use for use in confirmed if use.arm == arm] or confirmed
        if found:
            return mean_amounts([use.own for use in found], len(found))
        pace = [use for use in self.uses.values() if use.epochs]
        pace = [use for use in pace if use.arm == arm] or pace
        return (
            mean_amounts([use.own for use in pace], sum(use.epochs for use in pace) / epochs)
            if pace and epochs
            else None
        )

    def candidate(self, arm: str, seeds: int) -> Amounts | None:
        """What a candidate of the tune phase has taken on average, all its seeds; None while nothing is known."""
        tuned = [use for use in self.uses.values() if use.phase == "tune"]
        found = [use for use in tuned if use.arm == arm] or tuned
        return mean_amounts([use.own for use in found], len(found) / seeds) if found else None


def read_spending(store: Store, prices: Prices | None) -> Spending:
    """The uses of a study, from its records."""
    return Spending(prices, store.load(COLUMNS).to_pylist())


def check_priced(prices: Prices, machines: Iterable[tuple[str | None, str | None]], what: str) -> None:
    """Check that every machine has a price.

    Args:
        prices: Of machines.
        machines: Type and host name of each.
        what: Says where the machines were found.

    Raises:
        StudyError: If one has none.
    """
    for machine, host in machines:
        if prices.type_of(machine, host) is None:
            known = instead(machine or "", prices.machines) if machine else f"known are {', '.join(prices.machines)}"
            raise StudyError(
                f"--prices: no price for {what} of type {machine or 'unknown'} on host {host or 'unknown'}; {known}; "
                f"give the type a price, its host a line in hosts, or all others a price as default"
            )


def mean_amounts(amounts: Sequence[Amounts], number: float) -> Amounts:
    """The sum of some amounts over a number, which need not be how many they are, such as one of epochs."""
    return Amounts(*(sum(getattr(one, unit) for one in amounts) / number for unit in ("hours", "gpu_hours", "cost")))


def _union(times: Iterable[tuple[float, float]]) -> float:
    """Length of the time in which at least one of some intervals lies, in seconds.

    >>> _union([(5, 7), (0, 2), (1, 3)])
    5.0
    """
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(times):
        if end > reached:
            total += end - max(begin, reached)
            reached = end
    return total


def _moment(text: str | None) -> float | None:
    """Seconds since 1970 of an ISO time."""
    try:
        return None if text is None else datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
