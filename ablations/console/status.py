"""What a person sees while a study runs, and what `ablate status` prints."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ablations.design.arms import Trial

SYMBOLS = {
    "complete": ("●", "green"),
    "stopped": ("◐", "cyan"),
    "running": ("▶", "yellow"),
    "diverged": ("!", "magenta"),
    "failed": ("✗", "red"),
    "missing": ("·", "dim"),
}
PLAIN_SECONDS = 10.0
LIVE_SECONDS = 0.25
LIVE_SHARE = 20.0
"""Drawing takes a twentieth of the driver's time at most, however large the study."""


class Board:
    """Arms × seeds: the status of every trial, and how fast they come.

    Args:
        trials: All trials of the study.
        status: Status by trial_id; what is not there is missing.
        values: Metric by trial_id of complete trials.
        metric: Name of the metric shown.
        unit: What stands side by side in a row.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        status: Mapping[str, str],
        values: Mapping[str, float],
        metric: str,
        unit: str = "seeds",
    ) -> None:
        self.trials, self.metric, self.unit = trials, metric, unit
        self.status, self.values = dict(status), dict(values)
        self.ended = 0
        self.start = time.monotonic()

    def update(self, report: Mapping[str, Any]) -> None:
        """Take what a trial reports."""
        trial_id, record = report["trial_id"], report.get("record")
        self.status[trial_id] = record["status"] if record else "running"
        if record:
            self.ended += 1
            if record["status"] == "complete" and record.get(self.metric) is not None:
                self.values[trial_id] = record[self.metric]

    def running(self) -> list[str]:
        """Ids of the trials that are running."""
        return [trial_id for trial_id, status in list(self.status.items()) if status == "running"]

    def counts(self) -> Counter[str]:
        """Number of trials by status."""
        return Counter(self.status.get(trial.trial_id, "missing") for trial in self.trials)

    def pace(self) -> str:
        """Trials per minute and time left, once there is something to go by."""
        minutes = (time.monotonic() - self.start) / 60
        if not self.ended or minutes <= 0:
            return "starting"
        counts = self.counts()
        rate = self.ended / minutes
        left = counts["missing"] + counts["running"]
        return f"{rate:.0f} trials/min, {duration(60 * left / rate)} left"

    def best(self) -> str:
        """The arm with the best mean so far; the mean says nothing yet about significance."""
        means = {arm: sum(v) / len(v) for arm, v in self._by_arm().items() if v}
        if not means:
            return ""
        from silhouette.metrics import METRICS

        pick = max if METRICS[self.metric].direction == "max" else min
        arm = pick(means, key=lambda name: means[name])
        return f"best so far: {arm} ({self.metric} {means[arm]:.4f}, mean of {len(self._by_arm()[arm])})"

    def _by_arm(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for trial in self.trials:
            if trial.trial_id in self.values:
                found.setdefault(trial.arm.label, []).append(self.values[trial.trial_id])
        return found

    def line(self) -> str:
        """All of it in one line."""
        counts = self.counts()
        shown = ", ".join(f"{counts[name]} {name}" for name in SYMBOLS if counts[name])
        return f"{counts['complete']}/{len(self.trials)} complete ({shown})"

    def table(self) -> Table:
        """One row per arm, one mark per seed."""
        table = Table(box=None, pad_edge=False)
        table.add_column("arm")
        table.add_column(self.unit)
        table.add_column(f"mean {self.metric}", justify="right")
        statuses: dict[str, list[str]] = {}
        for trial in self.trials:
            statuses.setdefault(trial.arm.label, []).append(self.status.get(trial.trial_id, "missing"))
        values = self._by_arm()
        for arm, found in statuses.items():
            seen = values.get(arm, [])
            table.add_row(Text(arm), _marks(found), f"{sum(seen) / len(seen):.4f}" if seen else "")
        return table


def _marks(statuses: Sequence[str]) -> Text:
    """A mark for each; equal neighbours are one piece of text, which a study of 100,000 trials can tell."""
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


class Progress:
    """Shows a `Board`: live on a terminal, else a plain line from time to time."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.console = Console()
        self.live = Live(console=self.console, refresh_per_second=4) if self.console.is_terminal else None
        self._last = time.monotonic()
        self._next = 0.0

    def __enter__(self) -> Progress:
        """Begin to show."""
        if self.live:
            self.live.start()
        self.show()
        return self

    def __exit__(self, *exc: object) -> None:
        """Show the last state and stop."""
        self.show(force=True)
        if self.live:
            with _unheard(sys.stdout):
                self.live.stop()

    def update(self, report: Mapping[str, Any]) -> None:
        """Take a trial's report and show it."""
        self.board.update(report)
        self.show()

    def show(self, force: bool = False) -> None:
        """Draw, or print a line if the last one is old enough."""
        now = time.monotonic()
        if self.live:
            if now < self._next and not force:
                return
            status = Text(f"{self.board.line()}; {self.board.pace()}")
            with _unheard(sys.stdout):
                self.live.update(Group(self.board.table(), status, Text(self.board.best()), legend()))
            self._next = now + max(LIVE_SECONDS, LIVE_SHARE * (time.monotonic() - now))
        elif force or now - self._last >= PLAIN_SECONDS:
            self._last = now
            say("; ".join(part for part in (self.board.line(), self.board.pace(), self.board.best()) if part))

    def note(self, text: str) -> None:
        """A line of its own, above the live display."""
        if self.live:
            with _unheard(sys.stdout):
                self.console.print(Text(text))
        else:
            say(text)


def say(*lines: str) -> None:
    """Print plain lines at once."""
    with _unheard(sys.stdout):
        print(*lines, sep="\n", flush=True)


def complain(text: str) -> None:
    """Print one line to standard error."""
    with _unheard(sys.stderr):
        print(text, file=sys.stderr, flush=True)


@contextmanager
def _unheard(stream: TextIO) -> Iterator[None]:
    """A study outlives its listener: a closed terminal, or `| head`. What nobody reads goes nowhere from then on."""
    try:
        yield
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def failures(trials: Iterable[Trial], status: Mapping[str, str], errors: Mapping[str, str]) -> list[str]:
    """One line per trial that failed or diverged."""
    lines = []
    for trial in trials:
        state = status.get(trial.trial_id)
        if state in ("failed", "diverged"):
            last = (errors.get(trial.trial_id, "").strip().splitlines() or ["no message"])[-1]
            lines.append(f"  {state}: {trial.arm.label}, seed {trial.seed} ({trial.trial_id}): {last[:160]}")
    return lines


def duration(seconds: float) -> str:
    """A time as a person says it.

    >>> duration(42), duration(600), duration(9000)
    ('42 s', '10 min', '2 h 30 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
