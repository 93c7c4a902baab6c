"""While trials wait for machines: print why none come, and request on-demand machines if spot has no capacity.

Ray 2.60 requests a spot machine again and again from a cloud that has none: a failed launch does not lower the priority
of its machine type. A placement group that fits on-demand machines only makes the autoscaler start one. One group at a
time is enough: the autoscaler counts a booting machine as taken by a waiting trial, so the group needs the next
machine, until each trial has one or the limit of the cluster file is reached. The group is removed as soon as it has
its resources, and a waiting trial takes them. Ray removes it with the driver, however the driver ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ablations.cluster import autoscaler
from ablations.cluster.resources import TrialResources

if TYPE_CHECKING:
    from ray.autoscaler.v2.schema import ClusterStatus

POLL_SECONDS = 5.0
EXPLAIN_SECONDS = 30.0
"""Time between two readings of the head's logs. A reading takes tens of milliseconds of the driver's time."""
NO_CAPACITY_SECONDS = 60.0
"""Spot has no capacity if launches fail for so long and none is older than that."""
MAX_MESSAGES = 20
"""Faults printed at most: if each new machine fails, the first messages are enough."""
SPOT, ON_DEMAND = "spot", "on-demand"
"""Values of the label `market` in our cluster files."""


@contextmanager
def on_demand_fallback(
    resources: TrialResources, note: Callable[[str], None], patience: Callable[[], float] = lambda: POLL_SECONDS
) -> Iterator[None]:
    """Run an `OnDemandFallback` in a thread, on the cluster that this process is connected to.

    Args:
        resources: Resources of a trial.
        note: Prints a line.
        patience: Returns how many seconds the end may wait for the thread.
    """
    stop = threading.Event()
    arguments = OnDemandFallback(resources, note), stop
    thread = threading.Thread(target=_poll, args=arguments, name="on-demand-fallback", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(patience())


def _poll(fallback: OnDemandFallback, stop: threading.Event) -> None:
    while not stop.wait(POLL_SECONDS):
        try:
            fallback.update(autoscaler.fetch_status(), time.time())
        except Exception:  # the head may be away for a moment, or Ray may be ending; the study must continue
            continue
    with suppress(Exception):
        fallback.request(False)


class OnDemandFallback:
    """Requests on-demand machines while spot has no capacity.

    Args:
        resources: Resources of a trial.
        note: Prints a line.
        types: The cluster file's worker types, as `autoscaler.worker_types` returns them.
    """

    def __init__(
        self,
        resources: TrialResources,
        note: Callable[[str], None],
        types: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        import ray

        self.resources, self.note = resources, note
        types = autoscaler.worker_types() if types is None else types
        self.spot_types = [name for name, kind in types.items() if self._fits(kind, SPOT)]
        self.on_demand_types = [name for name, kind in types.items() if self._fits(kind, ON_DEMAND)]
        self.job = ray.get_runtime_context().get_job_id()
        self.printed: set[tuple[str, str]] = set()
        self.explained_at = -EXPLAIN_SECONDS
        self.no_capacity_since: float | None = None
        self.group: Any = None
        """The placement group that requests an on-demand machine; None if there is none."""
        self.announced = False

    def update(self, status: ClusterStatus, now: float) -> None:
        """Act on a status of the autoscaler.

        Args:
            status: What the autoscaler reports.
            now: Seconds since the epoch.
        """
        own = None if self.group is None else self.group.id.hex()
        trials = len([group for group in autoscaler.waiting_groups(status, self.job) if group != own])
        if trials and now - self.explained_at >= EXPLAIN_SECONDS:
            self._explain(status, now)
        usable = bool(self.on_demand_types) and autoscaler.is_version_2(status)
        no_spot = usable and self._spot_has_no_capacity(status, now)
        self.request(no_spot and trials > len(status.pending_nodes))

    def request(self, wanted: bool) -> None:
        """Request an on-demand machine, or remove the request if it is not wanted any more or has been met."""
        from ray.util import placement_group, placement_group_table, remove_placement_group

        if self.group is not None and (not wanted or placement_group_table(self.group)["state"] == "CREATED"):
            remove_placement_group(self.group)
            self.group = None
        elif wanted and self.group is None:
            labels = {**self.resources.labels, "market": ON_DEMAND}
            self.group = placement_group([self.resources.amounts], bundle_label_selector=[labels])
            self._announce()

    def _announce(self) -> None:
        if self.announced:
            return
        self.announced = True
        spot, on_demand = " or ".join(self.spot_types), " or ".join(self.on_demand_types)
        line = f"no capacity for {spot} for {NO_CAPACITY_SECONDS:.0f} s; also requesting {on_demand}"
        self.note(f"cluster: {line} (--label market=spot forbids it)")

    def _explain(self, status: ClusterStatus, now: float) -> None:
        """Print each fault once, although its numbers change."""
        self.explained_at = now
        for finding in autoscaler.find_missing(status):
            kind = (finding.detail.split()[0], finding.advice)
            if finding.state == "fault" and kind not in self.printed and len(self.printed) < MAX_MESSAGES:
                self.printed.add(kind)
                self.note(f"cluster: {finding.message()}")

    def _spot_has_no_capacity(self, status: ClusterStatus, now: float) -> bool:
        """True if launches of spot machines that trials could use have failed for a minute, for want of capacity."""
        launches = autoscaler.launches_failed_since(status, now - NO_CAPACITY_SECONDS)
        failed = [name for name in launches if name in self.spot_types]
        errors = autoscaler.launch_errors() if failed else {}
        if not any(autoscaler.is_capacity_error(errors.get(name, "")) for name in failed):
            self.no_capacity_since = None
            return False
        self.no_capacity_since = self.no_capacity_since or now
        return now - self.no_capacity_since >= NO_CAPACITY_SECONDS

    def _fits(self, kind: Mapping[str, Any], market: str) -> bool:
        """True if trials may run on this machine type of this market; those without a GPU need one without a GPU."""
        wanted = {**self.resources.labels, "market": self.resources.labels.get("market", market)}
        labels, gpus = kind.get("labels") or {}, (kind.get("resources") or {}).get("GPU", 0)
        fits = wanted.items() <= labels.items() and labels["market"] == market
        return fits and bool(gpus) == bool(self.resources.gpus) and kind.get("max_workers", 1) > 0
