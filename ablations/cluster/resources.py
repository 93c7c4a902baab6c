"""The resources of a trial, and how many trials run at once."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablations.cluster.autoscaler import worker_types
from ablations.cluster.nodes import alive

GROWTH_SECONDS = 900.0
"""A cluster that has not grown for so long although trials waited is at its limit. A machine takes minutes to start."""


@dataclass(frozen=True)
class TrialResources:
    """The resources of one trial.

    Attributes:
        cpus: CPUs, and so threads.
        gpus: GPUs; a fraction puts several trials on one.
        labels: Labels that its node must have, such as `pool=gpu`.
    """

    cpus: int
    gpus: float
    labels: Mapping[str, str]

    @property
    def amounts(self) -> dict[str, float]:
        """The amounts by Ray's names of the resources."""
        return {"CPU": self.cpus, "GPU": self.gpus}

    def request(self) -> Any:
        """Return them as `tune.with_resources` takes them."""
        from ray import tune

        labels = {"bundle_label_selector": [dict(self.labels)]} if self.labels else {}
        return tune.PlacementGroupFactory([self.amounts], **labels)

    def fits(self) -> int:
        """Return how many trials the nodes that are alive can hold."""
        return sum(node.fits(self.amounts) for node in alive() if node.has_labels(self.labels))

    def __str__(self) -> str:
        """The text for messages, such as `1 CPU, 0.25 GPU, pool=gpu`."""
        gpus = [f"{self.gpus:g} GPU"] if self.gpus else []
        return ", ".join([f"{self.cpus} CPU", *gpus, *(f"{key}={value}" for key, value in self.labels.items())])


def largest_node(labels: Mapping[str, str], types: Mapping[str, Mapping[str, Any]] | None = None) -> float:
    """Return the GPUs of the largest node that there is or that the cluster may start; infinite if that is not known.

    Args:
        labels: Labels that the node must have.
        types: The worker types of the cluster file; by default those of the file on this machine.
    """
    found = [node.resources.get("GPU", 0.0) for node in alive() if node.has_labels(labels)]
    for kind in (worker_types() if types is None else types).values():
        if all((kind.get("labels") or {}).get(name) == value for name, value in labels.items()):
            found.append((kind.get("resources") or {}).get("GPU", math.inf))  # the cloud may know what the file omits
    return float(max(found, default=0.0))


class ConcurrencyLimit:
    """How many candidates a search may have running or waiting at once.

    A cluster grows while something waits for resources. But a candidate that waits was proposed before the results of
    the running ones were known. So as many wait as run while the cluster still grows, which doubles it each time, and
    one after that.

    Args:
        resources: Resources of a candidate.
        grows: True if the cluster may grow. On a local Ray nothing waits.
        clock: Returns seconds.
    """

    def __init__(self, resources: TrialResources, grows: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.resources, self.grows, self.clock = resources, grows, clock
        self._slots, self._grown_at, self._updated_at = resources.fits(), clock(), clock()

    def __call__(self) -> int:
        """Return the limit now. Asks the cluster at most once a second."""
        now = self.clock()
        if now - self._updated_at >= 1.0:
            slots, self._updated_at = self.resources.fits(), now
            if slots > self._slots:
                self._grown_at = now
            self._slots = slots
        running = max(1, self._slots)
        if not self.grows:
            return running
        return running + (running if now - self._grown_at < GROWTH_SECONDS else 1)


def usable_cpus(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Return how many CPUs this process may use; at least 1.

    Its affinity (`taskset`, a Slurm job), the CPU quotas of its control groups (a container, a systemd slice) and what
    Slurm gave its task count, not what the machine has.

    Args:
        cgroups: Where the control groups are mounted, version 2.
        own: The file that names the control group of this process.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([affinity, *_cpu_quotas(cgroups, own), *_slurm_cpus()])))


def _slurm_cpus() -> list[int]:
    """CPUs that Slurm gave this task, or else its job on this node: not every site binds processes to them."""
    values = (os.environ.get(name, "") for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"))
    return [int(value) for value in values if value.isdecimal()][:1]


def _cpu_quotas(cgroups: Path, own: Path) -> list[float]:
    """CPUs that each control group above this process may use. The file `cpu.max` holds `quota period` in µs."""
    found: list[float] = []
    with suppress(OSError):
        lines = own.read_text().splitlines()
        path = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
        for group in [cgroups / path, *(cgroups / path).parents]:
            if group.is_relative_to(cgroups):
                with suppress(OSError, ValueError):  # no such file, or `max`: no quota
                    quota, period = map(int, (group / "cpu.max").read_text().split())
                    found.append(quota / period)
    return found
