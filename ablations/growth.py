"""While trials wait for machines: say why none come, and turn to on-demand ones where spot has none.

Ray 2.60 asks a cloud that has no spot machine for one again and again: a refused launch does not lower the rank of its
type. A placement group that only an on-demand machine can hold makes the autoscaler start one. It is given up as soon
as it has its place, which a waiting trial then takes, and Ray drops it with the driver, however that ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ablations.machines import ask, elastic, missing, refused, waiting
from ablations.share import Share

if TYPE_CHECKING:
    from ray.autoscaler.v2.schema import ClusterStatus

POLL_SECONDS = 5.0
REFUSED_SECONDS = 60.0
"""Launches that fail for so long, with none of them older, mean that there is no spot machine to be had."""
MARKET = "market"
ON_DEMAND = {MARKET: "on-demand"}
"""The label of our cluster files."""


@contextmanager
def growing(share: Share, note: Callable[[str], None]) -> Iterator[None]:
    """Look after the growth of the cluster that this process is connected to.

    Args:
        share: What a trial takes.
        note: Shows a line to a person.
    """
    stop = threading.Event()
    thread = threading.Thread(target=_look, args=(Growth(share, note), stop), name="growth", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(POLL_SECONDS)


def _look(growth: Growth, stop: threading.Event) -> None:
    while not stop.wait(POLL_SECONDS):
        try:
            growth.look(ask(), time.time())
        except Exception:  # the head is away for a moment, or Ray ends: a study does not hang on this
            continue


class Growth:
    """What was said, and what is asked for.

    Args:
        share: What a trial takes.
        note: Shows a line to a person.
    """

    def __init__(self, share: Share, note: Callable[[str], None]) -> None:
        self.share, self.note = share, note
        self.said: set[str] = set()
        self.since: float | None = None
        self.asked: list[Any] = []

    def look(self, status: ClusterStatus, now: float) -> None:
        """Take one look.

        Args:
            status: What the autoscaler reports.
            now: Seconds since the epoch.
        """
        self._drop_placed()
        trials = waiting(status) - len(self.asked)
        if trials > 0:
            self._explain(status)
        self._turn(trials if self._spot_has_none(status, now) else 0)

    def _explain(self, status: ClusterStatus) -> None:
        """Say each kind of fault once; what changes from look to look are numbers."""
        for finding in missing(status):
            kind = "".join(letter for letter in finding.detail if not letter.isdigit())
            if finding.state == "fault" and kind not in self.said:
                self.said.add(kind)
                self.note(f"cluster: {finding.said()}")

    def _spot_has_none(self, status: ClusterStatus, now: float) -> bool:
        """Whether launches have been failing for a minute; only where on-demand machines are allowed, and for GPUs.

        Our cluster files have no on-demand twin for CPUs, and a machine with a GPU would be a dear one.
        """
        if not elastic(status) or not self.share.gpus or MARKET in self.share.labels:
            return False
        if not refused(status, now - REFUSED_SECONDS):
            self.since = None
            return bool(self.asked)
        self.since = self.since or now
        return now - self.since >= REFUSED_SECONDS

    def _turn(self, wanted: int) -> None:
        """Ask for on-demand places for so many trials, all in all."""
        from ray.util import placement_group, remove_placement_group

        if wanted and not self.asked:
            self.note(
                "cluster: no spot machine for a minute: asking for on-demand ones (--label market=spot forbids it)"
            )
        labels = {**self.share.labels, **ON_DEMAND}
        while len(self.asked) < wanted:
            self.asked.append(placement_group([self.share.amounts], bundle_label_selector=[labels]))
        while len(self.asked) > max(0, wanted):
            remove_placement_group(self.asked.pop())

    def _drop_placed(self) -> None:
        """Give up the places that were found: they are for the trials."""
        from ray.util import placement_group_table, remove_placement_group

        for group in [group for group in self.asked if placement_group_table(group)["state"] == "CREATED"]:
            remove_placement_group(group)
            self.asked.remove(group)
