"""How many processes train a trial together, and what `--gpus-per-trial` says of it."""

from __future__ import annotations

from ablations.design.study import Study
from ablations.errors import StudyError
from silhouette.config import TrialConfig


def processes(study: Study) -> int:
    """Return the largest `world_size` of a study's arms; 1 for an experiment of a person's own."""
    if study.experiment:
        return 1
    return max((arm.config.world_size for arm in study.start_arms if isinstance(arm.config, TrialConfig)), default=1)


def on_gpus(study: Study, gpus: float | None) -> Study:
    """The study as `--gpus-per-trial` makes it: with n above 1, n processes train each trial, which sets `world_size`.

    An experiment of a person's own gets the devices, and does with them what it wants.

    Args:
        study: The study.
        gpus: GPUs of a trial; None where nothing is said.

    Raises:
        StudyError: If the study says another number, or the number cannot be used with its other settings.
    """
    if study.experiment or gpus is None:
        return study
    size = processes(study)
    if size == 1 and gpus > 1:
        if "world_size" in study.factors:
            raise StudyError(f"--gpus-per-trial: world_size is a factor of {study.name}; drop the option, got {gpus:g}")
        return study.replaced(fixed={**study.fixed, "world_size": int(gpus)})
    if size > 1 and gpus not in (0, size):
        detail = f"must be {size}, or 0 for CPUs, since {study.name} has world_size={size}"
        raise StudyError(f"--gpus-per-trial: {detail}, got {gpus:g}")
    return study
