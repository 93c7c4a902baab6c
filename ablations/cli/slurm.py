"""`ablate slurm`, and the commands that its jobs run on their nodes."""

from __future__ import annotations

import shlex
from argparse import REMAINDER, ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ablations.errors import StudyError

if TYPE_CHECKING:
    from ablations.slurm.settings import SlurmSettings
    from silhouette.location import ResultsLocation

DOCTOR_TIME = "00:10:00"
TEXTS = {
    "time": ("T", "time limit of one start, such as 04:00:00; the job requeues itself before it"),
    "partition": ("P", "partition"),
    "account": ("A", "account that pays"),
    "qos": ("Q", "quality of service"),
    "constraint": ("C", "features that nodes must have"),
    "reservation": ("R", "reservation to use"),
    "mem": ("M", "memory on each node, such as 16G"),
}
NUMBERS = {
    "nodes": "nodes of the job; more than one are joined to a Ray cluster (1)",
    "cpus-per-node": "CPUs on each node (1)",
    "gpus-per-node": "GPUs on each node (0)",
    "array": "N tasks of a job array instead, without a Ray cluster: each takes trials of the study",
}


def slurm_options(parser: ArgumentParser) -> None:
    """Add what a job asks for; all other options are those of `ablate run`."""
    parser.add_argument("study", metavar="STUDY", help="a built-in study's name or a path to a .py file; comes first")
    job_options(parser)
    parser.add_argument("--print", action="store_true", help="show the sbatch file; submit nothing")


def job_options(parser: ArgumentParser) -> None:
    """Add what a job asks for."""
    for name, text in NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, metavar="N", help=text)
    for name, (letter, text) in TEXTS.items():
        parser.add_argument(f"--{name}", metavar=letter, help=text)
    parser.add_argument("--site", metavar="FILE", help="defaults of the site (slurm.yaml; `ablate init slurm`)")


def command_option(parser: ArgumentParser) -> None:
    """Add the command that runs in a job."""
    parser.add_argument("command_line", nargs=REMAINDER, metavar="COMMAND", help="run STUDY …, or doctor …")


def slurm(given: Namespace) -> int:
    """Write the sbatch file of a study and submit it."""
    from ablations.cli.results import next_command, read_study
    from ablations.cluster.node_check import on_local_disk
    from ablations.slurm.submit import log_folder, submit
    from silhouette.location import ResultsLocation

    settings, run = settings_of(given), given.run
    _check_no_keys(given.rest)
    location = ResultsLocation(run.results)
    _check(given, settings, location)
    study = read_study(run).name
    logs = log_folder(location, study)
    text = script_text(settings, ["run", *given.rest, *(["--shared"] if settings.array else [])], logs, study, run)
    if given.print:
        print(text, end="")
        return 0
    script = write_script(text, logs)
    job = submit(script)
    print(f"job {job}: {script}")
    print(f"log: {logs}/{job}{'_*' if settings.array else ''}.out")
    if location.local and on_local_disk(location.path, Path("/proc/mounts").read_text()):
        print(f"note: {location.path} is on a disk of this machine; `ablate doctor --slurm` checks that nodes mount it")
    print(f"next: {next_command('status', run)}; to end it: scancel {job}")
    return 0


def settings_of(given: Namespace) -> SlurmSettings:
    """What a job asks for, by the site's file and the command line."""
    from ablations.slurm.settings import find_site, make_settings, read_site

    site = find_site(given.site)
    names = [name.replace("-", "_") for name in (*NUMBERS, *TEXTS)]
    return make_settings(read_site(site), {name: getattr(given, name) for name in names}, str(site or ""))


def _check(given: Namespace, settings: SlurmSettings, location: ResultsLocation) -> None:
    """Refuse what cannot run before anything is written."""
    from ablations.driver.options import RunOptions, labels_of
    from ablations.slurm.submit import TrialNeeds, check

    run = given.run
    if run.address:
        raise StudyError(f"--address: a job has a cluster of its own; drop the option, got {run.address!r}")
    RunOptions(
        results=location,
        cpus=run.cpus_per_trial,
        gpus=run.gpus_per_trial,
        labels=labels_of(run.label),
        address="auto",
        jobs=run.jobs,
        checkpoint_seconds=run.checkpoint_seconds,
        max_hours=run.max_hours,
        max_gpu_hours=run.max_gpu_hours,
        max_cost=run.max_cost,
        prices=run.prices,
    ).check()
    check(settings, TrialNeeds(run.cpus_per_trial, run.gpus_per_trial, run.checkpoint_seconds), location)


def _check_no_keys(arguments: list[str]) -> None:
    from silhouette.errors import without_secret

    if any(without_secret(text) != text for text in arguments):
        raise StudyError("--results: the file of a job must hold no keys; set them in the environment, got keys")


def script_text(settings: SlurmSettings, command: list[str], logs: Path, name: str, run: Namespace) -> str:
    """The text of an sbatch file."""
    from ablations.slurm.script import render

    return render(settings, command, logs, f"ablate-{name}", getattr(run, "checkpoint_seconds", 30.0))


def write_script(text: str, logs: Path) -> Path:
    """Write an sbatch file beside the logs of its job; Slurm makes no folder for them."""
    from datetime import datetime

    logs.mkdir(parents=True, exist_ok=True)
    script = logs / f"{datetime.now():%Y%m%d-%H%M%S}.sbatch"
    script.write_text(text)
    return script


def job(given: Namespace) -> int:
    """Run a study in the job that this process is the batch script of."""
    from ablations.slurm.job import run_job

    if given.command_line[:1] not in (["run"], ["doctor"]):
        raise StudyError(f"COMMAND: must be run or doctor with its options, got {shlex.join(given.command_line)!r}")
    return run_job(given.command_line)


def node(given: Namespace) -> int:
    """Join this node to the cluster of its job."""
    from ablations.slurm.worker_node import run_worker_node

    return run_worker_node()


def doctor(given: Namespace) -> int:
    """Check Slurm on this machine, and every node of a short job; 1 if a study could not run."""
    from ablations.doctor.slurm import commands, follow, verdict
    from ablations.finding import PROBE
    from ablations.formatting import counted
    from ablations.slurm.submit import TrialNeeds, check, log_folder, submit
    from silhouette.location import ResultsLocation

    settings = settings_of(given).model_copy(update={"array": None, "time": DOCTOR_TIME})
    location = ResultsLocation(given.results)
    check(settings, TrialNeeds(1, None, 30.0), location)
    found = list(commands())
    print(*found, sep="\n", flush=True)
    if any(finding.state == "fault" for finding in found):
        return 1
    logs = log_folder(location, f"{PROBE}-slurm")
    command = ["doctor", "--results", given.results, *(["--mlflow", given.mlflow] if given.mlflow else [])]
    _check_no_keys(command)
    script = write_script(script_text(settings, command, logs, "doctor", given), logs)
    job = submit(script)
    print(f"note   slurm       job {job} on {counted(settings.nodes, 'node')}; its lines follow", flush=True)
    log, faults = logs / f"{job}.out", 0
    for line in follow(job, log):
        print(line, flush=True)
        faults += line.startswith("fault ")
    for finding in verdict(job, log):
        print(finding, flush=True)
        faults += finding.state == "fault"
    _remove(logs)
    return 1 if faults else 0


def _remove(logs: Path) -> None:
    """The files of a check; a folder that holds more stays."""
    import shutil
    from contextlib import suppress

    shutil.rmtree(logs, ignore_errors=True)
    with suppress(OSError):
        logs.parent.rmdir()
