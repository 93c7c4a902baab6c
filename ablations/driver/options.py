"""How to run a study, as opposed to what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ablations.cluster.nodes import alive
from ablations.cluster.resources import TrialResources, largest_node, usable_cpus
from ablations.design.budgets.limits import Budget, make_budget
from ablations.errors import StudyError
from ablations.formatting import counted
from silhouette.location import ResultsLocation

LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_./-]{0,61}[A-Za-z0-9])?")
"""A key or a value of a label, as Ray allows them."""


@dataclass(frozen=True)
class RunOptions:
    """How to run a study. Nothing here but the thread count can change a result.

    >>> RunOptions(results="s3://key:secret@bucket/x?region=eu-west-1").results
    ResultsLocation('s3://bucket/x?region=eu-west-1')

    Attributes:
        results: Folder or URI of the results; parsed at once, so that its keys are never shown.
        cpus: CPUs, and so threads, of a trial. Where n processes train it together, they share them, and it takes at
            least n.
        gpus: GPUs of a trial; None takes one for each of its processes where the cluster has any. A number above 1
            trains each trial in so many processes, which makes other trials (`world_size`).
        labels: Labels that a node must have to run trials, such as `pool: gpu`; on a cluster only.
        address: Ray cluster to join; None starts one on this machine.
        mlflow: MLflow tracking URI; None takes the default.
        jobs: Trials at once at most; None takes as many as fit.
        allow_mixed_code: Add records to a study whose records come from other code; its report then gives no verdict.
        extend: Add seeds to a study whose results could already be seen; its report then gives no verdict.
        only: Id of the one trial to run; None runs all that have no record.
        shared: Share the study with other drivers that say so too; each takes the trials that no other has.
        checkpoint_seconds: Least time between two checkpoints of a trial; what a fault may cost it.
        max_hours: Hours in which trials of the study may run, in all its runs together; None sets no limit.
        max_gpu_hours: GPU-hours of all its trials together.
        max_cost: What its machines may cost, in the currency of `prices`.
        prices: YAML file with the price of an hour of each type of machine; needed by `max_cost`.
        command: The command line, for the resume line and the provenance; empty where Python calls `run_study`.
    """

    results: str | ResultsLocation = "results"
    cpus: int = 1
    gpus: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None
    mlflow: str | None = field(default=None, repr=False)
    jobs: int | None = None
    allow_mixed_code: bool = False
    extend: bool = False
    only: str | None = None
    shared: bool = False
    checkpoint_seconds: float = 30.0
    max_hours: float | None = None
    max_gpu_hours: float | None = None
    max_cost: float | None = None
    prices: str | None = None
    command: str = ""

    def __post_init__(self) -> None:
        """Parse the results location."""
        if not isinstance(self.results, ResultsLocation):
            object.__setattr__(self, "results", ResultsLocation(self.results))

    @property
    def _location(self) -> ResultsLocation:
        return self.results if isinstance(self.results, ResultsLocation) else ResultsLocation(self.results)

    @property
    def again(self) -> str:
        """What continues the run, as messages say it.

        >>> RunOptions().again, RunOptions(command="ablate run demo").again
        ('call run_study again with the same study', 'ablate run demo')
        """
        return self.command or "call run_study again with the same study"

    @cached_property
    def budget(self) -> Budget | None:
        """The limits of the study over all its runs; None keeps those that its plan declares.

        Raises:
            StudyError: One line for the first fault.
        """
        return make_budget(self.max_hours, self.max_gpu_hours, self.max_cost, self.prices)

    def check(self) -> None:
        """Refuse resources that no machine has.

        Raises:
            StudyError: If a number is out of range.
        """
        if self.cpus < 1:
            raise StudyError(f"--cpus-per-trial: must be at least 1, got {self.cpus}")
        if self.gpus is not None and not (0 <= self.gpus <= 1 or (self.gpus > 1 and float(self.gpus).is_integer())):
            raise StudyError(f"--gpus-per-trial: must be from 0 to 1, or a whole number above, got {self.gpus:g}")
        if self.address is None and self.cpus > usable_cpus():
            raise StudyError(f"--cpus-per-trial: this process may use {counted(usable_cpus(), 'CPU')}, got {self.cpus}")
        if self.jobs is not None and self.jobs < 1:
            raise StudyError(f"--jobs: must be at least 1, got {self.jobs}")
        if self.shared and not (self.address is None and self._location.local):
            detail = "needs a folder that all machines mount, and a Ray on each of them"
            raise StudyError(f"--shared: {detail}, got {self.address or self._location}")
        if self.shared and self.only is not None:
            raise StudyError(f"--shared: one trial needs no sharing; drop one of the two, got --only {self.only}")
        if self.budget is not None and self.only is not None:
            raise StudyError(f"--only: one trial is run without a budget; drop one of the two, got {self.budget}")
        if self.labels and self.address is None:
            raise StudyError(f"--label: requires --address (a local Ray has no node labels), got {self._label_text()}")
        for pair in self.labels.items():
            if not all(LABEL.fullmatch(part) for part in pair):
                raise StudyError(f"--label: must be KEY=VALUE of letters, digits and '-_./', got {'='.join(pair)!r}")
        if not 0 <= self.checkpoint_seconds <= 86_400:
            raise StudyError(f"--checkpoint-seconds: must be from 0 to 86400, got {self.checkpoint_seconds:g}")

    def _label_text(self) -> str:
        return " ".join(f"{key}={value}" for key, value in self.labels.items())


def trial_resources(options: RunOptions, processes: int = 1) -> TrialResources:
    """Return the resources of a trial: as given, or a GPU for each process if a usable node has any.

    Needs a Ray session.

    Args:
        options: How to run.
        processes: How many train a trial together.

    Raises:
        StudyError: If nodes have GPUs, but none has so many.
    """
    gpus = options.gpus
    if gpus is None:
        found = max((node.resources.get("GPU", 0) for node in alive() if node.has_labels(options.labels)), default=0)
        gpus = float(processes) if found >= 1 else 0.0
    if gpus > 1 and 1 <= (largest := largest_node(options.labels)) < gpus:
        option = "--gpus-per-trial" if options.gpus else "world_size"
        detail = f"the GPUs of a trial are on one node, and the largest has {largest:g}"
        raise StudyError(f"{option}: {detail}; lower it, got {gpus:g}")
    return TrialResources(max(options.cpus, processes), gpus, options.labels)


def threads_of(options: RunOptions, processes: int) -> int:
    """Return the threads of each process of a trial."""
    return max(1, options.cpus // processes)


def labels_of(given: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` strings as labels.

    Raises:
        StudyError: If one has no `=`, or a key comes twice.
    """
    labels: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or key in labels:
            raise StudyError(f"--label: must be KEY=VALUE, each key once, got {text!r}")
        labels[key] = value
    return labels
