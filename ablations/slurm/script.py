"""The sbatch file of a study: its header says what the job asks for; one command of ours does the rest."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ablations.slurm.settings import SlurmSettings, warning_seconds

HEADER = """\
#!/bin/bash
# Written by `ablate slurm`. It may be edited, and submitted again with `sbatch FILE`.
"""
RUN = """
# Python takes the place of this shell, since Slurm sends its signals to this process alone. It starts Ray on the nodes
# of the job, runs the study, hands signals on, and ends what it started. Its exit code is that of the study."""


def render(settings: SlurmSettings, command: Sequence[str], logs: Path, name: str, checkpoint_seconds: float) -> str:
    """The text of an sbatch file.

    Args:
        settings: What the job asks for.
        command: What runs in the job, as arguments of `ablate`: `run STUDY …` or `doctor …`.
        logs: Folder of the job's output; all nodes see it.
        name: Name of the job.
        checkpoint_seconds: Least time between two checkpoints of a trial; the warning before the limit depends on it.
    """
    lines = [f"#SBATCH {option:<34} # {why}" if why else f"#SBATCH {option}" for option, why in _options(settings)]
    pattern = "%A_%a.out" if settings.array else "%j.out"
    lines += [f"#SBATCH --job-name={name}", f"#SBATCH --output={shlex.quote(f'{logs}/{pattern}')}"]
    lines.append(f"#SBATCH --chdir={shlex.quote(str(Path.cwd()))}")
    lines += _restart_options(settings, checkpoint_seconds)
    lines += [f"#SBATCH {line}" for line in settings.sbatch]
    setup = ["", "# of the site", *settings.setup] if settings.setup else []
    python = settings.python or sys.executable
    job = shlex.join([python, "-m", "ablations", "cluster", "job", *command])
    # a signal that comes before Python listens must not end the shell: it would be lost, which costs less
    return "\n".join([HEADER, *lines, *setup, RUN, "trap '' USR1", f"exec {job}", ""])


def _options(settings: SlurmSettings) -> list[tuple[str, str]]:
    """What is asked for, with the reason where there is one."""
    found = [
        (f"--nodes={settings.nodes}", ""),
        ("--ntasks-per-node=1", "one Ray on each node"),
        (f"--cpus-per-task={settings.cpus_per_node}", "all CPUs of the job on a node are Ray's"),
    ]
    if settings.array:
        found.append((f"--array=0-{settings.array - 1}", "tasks share the study by claims in its folder"))
    if settings.gpus_per_node:
        found.append((f"--gpus-per-node={settings.gpus_per_node}", ""))
    for name in ("mem", "time", "partition", "account", "qos", "constraint", "reservation"):
        value = getattr(settings, name)
        if value is not None:
            found.append((f"--{name}={value}", ""))
    return found


def _restart_options(settings: SlurmSettings, checkpoint_seconds: float) -> list[str]:
    """How the job survives its limit and the loss of a node."""
    found = [
        (f"--signal=B:USR1@{warning_seconds(checkpoint_seconds)}", "s before the limit: the study ends in order"),
        ("--requeue", "and begins again where it was; also after this node is lost"),
        ("--open-mode=append", "a requeued job keeps its log"),
    ]
    if settings.nodes > 1:
        found.append(("--no-kill", "it goes on after the loss of another node"))
    return [f"#SBATCH {option:<34} # {why}" for option, why in found]
