"""Check a job before it is submitted, write its sbatch file, and hand it to `sbatch`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ablations.errors import StudyError
from ablations.slurm.settings import EARLY_SECONDS, SlurmSettings, warning_seconds
from silhouette.location import ResultsLocation

NODE_OWN = ("/tmp", "/var/tmp", "/dev/shm", "/run")
"""Folders that every machine has for itself."""
FOLDER = "slurm"
"""In the study's folder: the sbatch file and the logs of its jobs."""
SBATCH_SECONDS = 60.0


@dataclass(frozen=True)
class TrialNeeds:
    """What the study's options ask of a node.

    Attributes:
        cpus: CPUs of a trial.
        gpus: GPUs of a trial; None for one where there is any.
        checkpoint_seconds: Least time between two checkpoints.
    """

    cpus: int
    gpus: float | None
    checkpoint_seconds: float


def check(settings: SlurmSettings, needs: TrialNeeds, location: ResultsLocation) -> None:
    """Refuse a job that could not do its work.

    Args:
        settings: What the job asks for.
        needs: What a trial needs.
        location: Where the results are.

    Raises:
        StudyError: One line that says what to change.
    """
    if needs.cpus > settings.cpus_per_node:
        detail = f"must be at most the CPUs of a node of the job (--cpus-per-node {settings.cpus_per_node})"
        raise StudyError(f"--cpus-per-trial: {detail}, got {needs.cpus}")
    if needs.gpus is not None and needs.gpus > settings.gpus_per_node:
        detail = f"must be at most the GPUs of a node of the job (--gpus-per-node {settings.gpus_per_node})"
        raise StudyError(f"--gpus-per-trial: {detail}, got {needs.gpus:g}")
    if settings.array and not location.local:
        raise StudyError(
            f"--array: needs results in a folder that all nodes mount, since an object store has no claims; "
            f"use --nodes, got {location}"
        )
    _check_shared(location)
    _check_limit(settings, needs.checkpoint_seconds)


def _check_shared(location: ResultsLocation) -> None:
    if not location.local:
        return
    path = os.path.realpath(location.path)
    for own in NODE_OWN:
        if f"{path}/".startswith(f"{own}/"):
            advice = "give one that all nodes mount"
            raise StudyError(f"--results: {own} is a folder of this machine alone; {advice}, got {str(location)!r}")


def _check_limit(settings: SlurmSettings, checkpoint_seconds: float) -> None:
    limit, warning = settings.seconds(), warning_seconds(checkpoint_seconds)
    least = warning + EARLY_SECONDS + checkpoint_seconds
    if limit is not None and limit < least:
        raise StudyError(
            f"--time: must be at least {-int(-least // 60)} minutes: the warning comes {warning} to "
            f"{warning + EARLY_SECONDS} s before the limit, and a checkpoint takes --checkpoint-seconds "
            f"{checkpoint_seconds:g}, got {settings.time!r}"
        )


def log_folder(location: ResultsLocation, study: str) -> Path:
    """The folder of a study's sbatch files and logs: in its results, or here if those are on an object store."""
    return Path(location.path) / study / FOLDER if location.local else Path.cwd() / FOLDER


def submit(script: Path, options: Sequence[str] = ()) -> str:
    """Hand an sbatch file to Slurm.

    Args:
        script: The file.
        options: Further options of sbatch.

    Returns:
        The job's id.

    Raises:
        StudyError: If there is no sbatch, or it refuses; the line has its own words.
    """
    if shutil.which("sbatch") is None:
        raise StudyError("sbatch: there is none on this machine; run this on a login node, or use --print")
    command = ["sbatch", "--parsable", *options, str(script)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SBATCH_SECONDS)
    except subprocess.TimeoutExpired:
        raise StudyError(
            f"sbatch: did not answer within {SBATCH_SECONDS:g} s; is the controller up (`sinfo`)?"
        ) from None
    if done.returncode:
        said = " ".join(done.stderr.replace("sbatch: error: ", "").split()) or f"exit code {done.returncode}"
        raise StudyError(f"sbatch: {said}; the file is {script}")
    return done.stdout.strip().partition(";")[0]
