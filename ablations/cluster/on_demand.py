"""While trials wait for machines: say why none come, and turn to on-demand ones where spot has none.

Ray 2.60 asks a cloud that has no spot machine for one again and again: a refused launch does not lower the rank of its
type. A placement group that only an on-demand machine can hold makes the autoscaler start one. One group is enough: to
the autoscaler a machine that boots holds a trial that waits, so the group needs the next one, until there is a machine
for each trial or the bound of the cluster file is met. It is given up as soon as it has its place, which a waiting
trial then takes, and Ray drops it with the driver, however that ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ablations.cluster import head_logs
from ablations.cluster.autoscaler import ask, elastic, for_want_of_machines, missing, refused, waiting
from ablations.cluster.resources import Share

if TYPE_CHECKING:
    from ray.autoscaler.v2.schema import ClusterStatus

POLL_SECONDS = 5.0
EXPLAIN_SECONDS = 30.0
"""Reading the logs of the head takes tens of milliseconds of the driver's time."""
REFUSED_SECONDS = 60.0
"""Launches that fail for so long, with none of them older, mean that there is no spot machine to be had."""
LINES = 20
"""Faults that are said at most: where each new machine fails, the first ones tell it all."""
SPOT, ON_DEMAND = "spot", "on-demand"
"""The values of the label `market` in our cluster files."""


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
    with suppress(Exception):
        growth.turn(False)


class Growth:
    """What was said, and what is asked for.

    Args:
        share: What a trial takes.
        note: Shows a line to a person.
        types: The cluster file's types of workers, as `head_logs.worker_types` gives them.
    """

    def __init__(
        self, share: Share, note: Callable[[str], None], types: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        import ray

        self.share, self.note = share, note
        kinds = head_logs.worker_types() if types is None else types
        self.spot = [name for name, kind in kinds.items() if self._holds(kind, SPOT)]
        self.twins = [name for name, kind in kinds.items() if self._holds(kind, ON_DEMAND)]
        self.job = ray.get_runtime_context().get_job_id()
        self.said: set[tuple[str, str]] = set()
        self.explained = -EXPLAIN_SECONDS
        self.since: float | None = None
        self.asked: Any = None
        self.told = False

    def look(self, status: ClusterStatus, now: float) -> None:
        """Take one look.

        Args:
            status: What the autoscaler reports.
            now: Seconds since the epoch.
        """
        mine = None if self.asked is None else self.asked.id.hex()
        trials = len([group for group in waiting(status, self.job) if group != mine])
        if trials and now - self.explained >= EXPLAIN_SECONDS:
            self._explain(status, now)
        out = bool(self.twins) and elastic(status) and self._spot_has_none(status, now)
        self.turn(out and trials > len(status.pending_nodes))

    def turn(self, on_demand: bool) -> None:
        """Ask for an on-demand place, or give up the one that was asked for or found: it is for the trials."""
        from ray.util import placement_group, placement_group_table, remove_placement_group

        if self.asked is not None and (not on_demand or placement_group_table(self.asked)["state"] == "CREATED"):
            remove_placement_group(self.asked)
            self.asked = None
        elif on_demand and self.asked is None:
            labels = {**self.share.labels, "market": ON_DEMAND}
            self.asked = placement_group([self.share.amounts], bundle_label_selector=[labels])
            if not self.told:
                self.told = True
                here, there = " or ".join(self.spot), " or ".join(self.twins)
                why = f"no {here} to be had for {REFUSED_SECONDS:.0f} s: asking for {there} as well"
                self.note(f"cluster: {why} (--label market=spot forbids it)")

    def _explain(self, status: ClusterStatus, now: float) -> None:
        """Say each fault once; what changes from look to look are numbers."""
        self.explained = now
        for finding in missing(status):
            kind = (finding.detail.split()[0], finding.advice)
            if finding.state == "fault" and kind not in self.said and len(self.said) < LINES:
                self.said.add(kind)
                self.note(f"cluster: {finding.said()}")

    def _spot_has_none(self, status: ClusterStatus, now: float) -> bool:
        """Whether launches of spot machines that trials could use have been failing for a minute, for want of them."""
        failed = [name for name in refused(status, now - REFUSED_SECONDS) if name in self.spot]
        reasons = head_logs.reasons() if failed else {}
        if not any(for_want_of_machines(reasons.get(name, "")) for name in failed):
            self.since = None
            return False
        self.since = self.since or now
        return now - self.since >= REFUSED_SECONDS

    def _holds(self, kind: Mapping[str, Any], market: str) -> bool:
        """Whether trials may run on such a machine of this market; those without a GPU not on dear ones with one."""
        labels = {**self.share.labels, "market": self.share.labels.get("market", market)}
        worn, gpus = kind.get("labels") or {}, (kind.get("resources") or {}).get("GPU", 0)
        fits = labels.items() <= worn.items() and worn["market"] == market
        return fits and bool(gpus) == bool(self.share.gpus) and kind.get("max_workers", 1) > 0
