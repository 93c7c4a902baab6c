"""What `ablate run` prints while it runs: a live table on a terminal, else a plain line from time to time."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ablations.console.status import StatusTable, TrialUpdate, legend
from silhouette.errors import without_secret

PLAIN_SECONDS = 10.0
"""Time between two plain lines."""
LIVE_SECONDS = 0.25
"""Least time between two drawings."""
LIVE_SHARE = 20.0
"""Drawing takes a twentieth of the driver's time at most, however large the study."""


class LiveDisplay:
    """Shows a `StatusTable`; a context manager.

    Args:
        table: What is shown. The display updates it from the reports of the trials.
    """

    def __init__(self, table: StatusTable) -> None:
        self.table = table
        self.console = Console()
        self.live = Live(console=self.console, refresh_per_second=4) if self.console.is_terminal else None
        self._last = time.monotonic()
        self._next = 0.0

    def __enter__(self) -> LiveDisplay:
        """Begin to show."""
        if self.live:
            self.live.start()
        self.show()
        return self

    def __exit__(self, *exc: object) -> None:
        """Show the last state and stop."""
        self.show(force=True)
        if self.live:
            with _ignore_closed(sys.stdout):
                self.live.stop()

    def show_table(self, table: StatusTable) -> None:
        """Show another table."""
        self.table = table
        self.show()

    def update(self, update: TrialUpdate) -> None:
        """Enter how far a trial is into the table, and show it."""
        self.table.update(update)
        self.show()

    def show(self, force: bool = False) -> None:
        """Draw, or print a line if the last one is old enough."""
        now = time.monotonic()
        if self.live:
            if now < self._next and not force:
                return
            self._draw(self.live)
            self._next = now + max(LIVE_SECONDS, LIVE_SHARE * (time.monotonic() - now))
        elif force or now - self._last >= PLAIN_SECONDS:
            self._last = now
            print_lines(self.line())

    def line(self) -> str:
        """The state of the table in one line."""
        table = self.table
        return "; ".join(filter(None, (table.line(), table.pace(), table.best())))

    def _draw(self, live: Live) -> None:
        table = self.table
        status = Text("; ".join(filter(None, (table.line(), table.pace()))))
        with _ignore_closed(sys.stdout):
            live.update(Group(table.table(), status, Text(table.best()), legend()))

    def note(self, text: str) -> None:
        """Print a line of its own, above the live table."""
        if self.live:
            with _ignore_closed(sys.stdout):
                self.console.print(Text(text))
        else:
            print_lines(text)


def print_lines(*lines: str) -> None:
    """Print plain lines at once."""
    with _ignore_closed(sys.stdout):
        print(*lines, sep="\n", flush=True)


def print_error(text: str) -> None:
    """Print one line to standard error, without the keys of a location that an error may quote."""
    with _ignore_closed(sys.stderr):
        print(without_secret(text), file=sys.stderr, flush=True)


@contextmanager
def _ignore_closed(stream: TextIO) -> Iterator[None]:
    """Let a study go on without its reader: a closed terminal, or `| head`. Later output is discarded."""
    try:
        yield
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
