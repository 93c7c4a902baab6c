"""What a trial takes of a cluster, and how many fit at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ablations.cluster.nodes import alive
from ablations.driver.options import RunOptions

GROWTH_SECONDS = 900.0
"""A cluster that has not grown for so long, although trials waited, has its size; a machine takes minutes to come."""


@dataclass(frozen=True)
class Share:
    """The resources of one trial.

    Attributes:
        cpus: CPUs, and so threads.
        gpus: GPUs; a fraction packs several trials on one.
        labels: What its node must wear, such as `pool=gpu`.
    """

    cpus: int
    gpus: float
    labels: Mapping[str, str]

    @property
    def amounts(self) -> dict[str, float]:
        """As Ray names resources."""
        return {"CPU": self.cpus, "GPU": self.gpus}

    def request(self) -> Any:
        """As `tune.with_resources` takes it."""
        from ray import tune

        labels = {"bundle_label_selector": [dict(self.labels)]} if self.labels else {}
        return tune.PlacementGroupFactory([self.amounts], **labels)

    def fits(self) -> int:
        """How many trials the nodes that are alive can hold."""
        return sum(node.fits(self.amounts) for node in alive() if node.wears(self.labels))

    def __str__(self) -> str:
        """For a person: `1 CPU, 0.25 GPU, pool=gpu`."""
        gpus = [f"{self.gpus:g} GPU"] if self.gpus else []
        return ", ".join([f"{self.cpus} CPU", *gpus, *(f"{key}={value}" for key, value in self.labels.items())])


def share_of_a_trial(options: RunOptions) -> Share:
    """As asked for; by default one GPU where a node that may be used has any. Needs a Ray to look at."""
    gpus = options.gpus
    if gpus is None:
        there = (node.resources.get("GPU", 0) for node in alive() if node.wears(options.labels))
        gpus = 1.0 if max(there, default=0) >= 1 else 0.0
    return Share(options.cpus, gpus, options.labels)


class Room:
    """How many settings a search may have under way at once.

    What waits for a place makes a cluster grow, but a setting that waits was proposed before its rivals' results were
    known. So as many wait as run while the cluster still grows, which doubles it each time, and one from then on.

    Args:
        share: What a setting takes.
        grows: Whether the cluster may; what runs on this machine alone never waits.
        clock: Seconds.
    """

    def __init__(self, share: Share, grows: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.share, self.grows, self.clock = share, grows, clock
        self._slots, self._grown, self._asked = share.fits(), clock(), clock()

    def __call__(self) -> int:
        """So many now; the cluster is asked at most once a second."""
        now = self.clock()
        if now - self._asked >= 1.0:
            slots, self._asked = self.share.fits(), now
            if slots > self._slots:
                self._grown = now
            self._slots = slots
        at_once = max(1, self._slots)
        if not self.grows:
            return at_once
        return at_once + (at_once if now - self._grown < GROWTH_SECONDS else 1)
