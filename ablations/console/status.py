"""The status of every trial, by arm and seed: the table of `ablate status` and of the live display."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rich.table import Table
from rich.text import Text

from ablations.design.arms import Trial
from ablations.formatting import counted, duration, metric_value
from silhouette.measured import flat

SYMBOLS = {
    "complete": ("●", "green"),
    "stopped": ("◐", "cyan"),
    "running": ("▶", "yellow"),
    "diverged": ("!", "magenta"),
    "failed": ("✗", "red"),
    "missing": ("·", "dim"),
}


@dataclass(frozen=True)
class TrialUpdate:
    """What a table is told of a trial, or of a candidate.

    Attributes:
        trial_id: The trial_id, or the candidate's name.
        record: Its status and metrics once it has ended; None while it runs.
    """

    trial_id: str
    record: Mapping[str, Any] | None = None


class StatusTable:
    """Arms × seeds: the status of every trial, and how many end in a minute.

    While trials are missing, `metric` must be measured on validation data: whoever sees test values during a study can
    stop it, or add seeds, when they please.

    Args:
        trials: All trials of the study.
        status: Status by trial_id; what is not there is missing.
        values: Metric by trial_id of complete trials.
        metric: Name of the metric shown.
        at_most: Whether fewer trials may do, since the study stops when it is decided.
    """

    unit = "seeds"
    """What stands side by side in a row."""
    column = "mean"
    """What the last column shows of an arm's values."""

    def __init__(
        self, trials: Sequence[Trial], status: Mapping[str, str], values: Mapping[str, float], metric: str,
        at_most: bool = False,
    ) -> None:  # fmt: skip
        self.trials, self.metric, self.at_most = trials, metric, at_most
        self.status, self.values = dict(status), dict(values)
        self.ended = 0
        self.start = time.monotonic()

    def update(self, update: TrialUpdate) -> None:
        """Enter how far a trial is."""
        trial_id, record = update.trial_id, update.record
        self.status[trial_id] = record["status"] if record else "running"
        if record:
            self.ended += 1
            value = flat(record).get(self.metric)
            if record["status"] == "complete" and value is not None:
                self.values[trial_id] = value

    def narrow(self, seeds_of: Mapping[str, int], seeds: Sequence[int]) -> None:
        """Leave out the trials of seeds that an arm does not need and that have not begun.

        Args:
            seeds_of: How many of the first seeds each arm needs, by label.
            seeds: The seeds of the study, in their order.
        """
        place = {seed: n for n, seed in enumerate(seeds, 1)}
        needed = (t for t in self.trials if place[t.seed] <= seeds_of.get(t.arm.label, 0) or t.trial_id in self.status)
        self.trials = list(needed)

    def running(self) -> list[str]:
        """Ids of the trials that are running."""
        return [trial_id for trial_id, status in list(self.status.items()) if status == "running"]

    def counts(self) -> Counter[str]:
        """Number of trials by status."""
        return Counter(self.status.get(trial.trial_id, "missing") for trial in self.trials)

    def pace(self) -> str:
        """Trials in a minute and time left; without an estimate until the first trial has ended."""
        counts = self.counts()
        left = counts["missing"] + counts["running"]
        minutes = (time.monotonic() - self.start) / 60
        if not left:
            return ""
        if not self.ended or minutes <= 0:
            return f"{counts['running']} running, no time estimate yet"
        rate = self.ended / minutes
        most = "at most " if self.at_most else ""
        return f"{rate:.0f} trials/min, {most}{duration(60 * left / rate)} left"

    def best(self) -> str:
        """Nothing: which arm is best is a matter of the report, once the plan is complete."""
        return ""

    def heading(self, values: Mapping[str, Sequence[float]]) -> str:
        """Heading of the last column, with the number of seeds that every arm has."""
        seeds = len(next(iter(values.values()), ()))
        return f"{self.column} {self.metric}" + (f" of {counted(seeds, 'common seed')}" if seeds else "")

    def summarise(self, values: Sequence[float]) -> float:
        """What the last column shows of an arm: the mean over the common seeds."""
        return sum(values) / len(values)

    def values_by_arm(self) -> dict[str, list[float]]:
        """Values of each arm at the seeds that all arms have: means over different seeds cannot be compared."""
        found: dict[str, dict[int, float]] = {trial.arm.label: {} for trial in self.trials}
        for trial in self.trials:
            if trial.trial_id in self.values:
                found[trial.arm.label][trial.seed] = self.values[trial.trial_id]
        common = set.intersection(*map(set, found.values())) if found else set()
        return {arm: [own[seed] for seed in sorted(common)] for arm, own in found.items()} if common else {}

    def line(self) -> str:
        """All of it in one line."""
        counts = self.counts()
        shown = ", ".join(f"{counts[name]} {name}" for name in SYMBOLS if counts[name])
        most = "at most " if self.at_most and counts["missing"] else ""
        return f"{counts['complete']}/{most}{len(self.trials)} complete ({shown})"

    def table(self) -> Table:
        """One row per arm, one mark per seed."""
        table = Table(box=None, pad_edge=False)
        table.add_column("arm")
        table.add_column(self.unit)
        values = self.values_by_arm()
        table.add_column(self.heading(values), justify="right")
        statuses: dict[str, list[str]] = {}
        for trial in self.trials:
            statuses.setdefault(trial.arm.label, []).append(self.status.get(trial.trial_id, "missing"))
        for arm, found in statuses.items():
            shown = metric_value(self.summarise(values[arm])) if arm in values else ""
            table.add_row(Text(arm), _marks(found), shown)
        return table


def _marks(statuses: Sequence[str]) -> Text:
    """A mark for each. Equal neighbours are one piece of text, which keeps a study of 100,000 trials fast."""
    text = Text()
    for status, run in groupby(statuses):
        symbol, style = SYMBOLS[status]
        text.append(symbol * len(list(run)), style=style)
    return text


def legend() -> Text:
    """What the marks mean."""
    text = Text()
    for name, (symbol, style) in SYMBOLS.items():
        text.append(f"{symbol} ", style=style).append(f"{name}  ")
    return text


def failures(trials: Iterable[Trial], status: Mapping[str, str], errors: Mapping[str, str]) -> list[str]:
    """One line per trial that failed or diverged."""
    lines = []
    for trial in trials:
        state = status.get(trial.trial_id)
        if state in ("failed", "diverged"):
            last = (errors.get(trial.trial_id, "").strip().splitlines() or ["no message"])[-1]
            lines.append(f"  {state}: {trial.arm.label}, seed {trial.seed} ({trial.trial_id}): {last[:160]}")
    return lines
