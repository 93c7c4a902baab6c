"""How to run a study, as opposed to what it is."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ablations.errors import StudyError


@dataclass(frozen=True)
class Options:
    """Nothing here but the thread count can change a result.

    Attributes:
        results: Folder or URI of the results.
        cpus: CPUs, and so threads, of a trial.
        gpus: GPUs of a trial; None takes one where the cluster has any.
        address: Ray cluster to join; None starts one on this machine.
        mlflow: MLflow tracking URI; None takes the default.
        checkpoint_seconds: Least time between two checkpoints of a trial; what a fault may cost it.
        command: The command line, for the resume line and the provenance.
    """

    results: str = "results"
    cpus: int = 1
    gpus: float | None = None
    address: str | None = None
    mlflow: str | None = None
    checkpoint_seconds: float = 30.0
    command: str = ""

    def check(self) -> None:
        """Refuse resources that no machine has.

        Raises:
            StudyError: If a number is out of range.
        """
        if self.cpus < 1:
            raise StudyError(f"--cpus-per-trial: must be at least 1, got {self.cpus}")
        if self.gpus is not None and not 0 <= self.gpus <= 64:
            raise StudyError(f"--gpus-per-trial: must be from 0 to 64, got {self.gpus:g}")
        if self.address is None and self.cpus > (os.cpu_count() or 1):
            raise StudyError(f"--cpus-per-trial: this machine has {os.cpu_count()}, got {self.cpus}")
        if not 0 <= self.checkpoint_seconds <= 86_400:
            raise StudyError(f"--checkpoint-seconds: must be from 0 to 86400, got {self.checkpoint_seconds:g}")
