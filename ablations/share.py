"""What a trial takes of a cluster, and how many fit at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ablations.nodes import alive
from ablations.options import Options


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


def share_of_a_trial(options: Options) -> Share:
    """As asked for; by default one GPU where a node that may be used has any. Needs a Ray to look at."""
    gpus = options.gpus
    if gpus is None:
        there = (node.resources.get("GPU", 0) for node in alive() if node.wears(options.labels))
        gpus = 1.0 if max(there, default=0) >= 1 else 0.0
    return Share(options.cpus, gpus, options.labels)
