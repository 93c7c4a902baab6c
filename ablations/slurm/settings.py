"""What a study asks of Slurm, as data: the options of `ablate slurm` over the defaults of a site's YAML."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ablations.errors import StudyError, first_line

SITE_FILES = ("slurm.yaml", "~/.config/ablate/slurm.yaml")
"""Where a site's defaults are looked for: beside the person first, then in the home."""
TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
UNLIMITED = ("unlimited", "infinite")
WARNING_SECONDS = 120
"""Least time from the warning to the limit. Slurm may be a minute early with it."""
EARLY_SECONDS = 60


class SlurmSettings(BaseModel):
    """One Slurm job.

    Attributes:
        nodes: Nodes of the job.
        cpus_per_node: CPUs that the job gets on each node.
        gpus_per_node: GPUs that the job gets on each node.
        mem: Memory on each node, as Slurm writes it (`16G`); None takes the site's default.
        time: Time limit, as Slurm writes it; None takes the partition's.
        partition: Partition; None takes the default one.
        account: Account that pays.
        qos: Quality of service.
        constraint: Features that nodes must have.
        reservation: Reservation to use.
        array: Tasks of a job array without a Ray cluster; None for one job.
        python: Python of the environment on the nodes; None takes the one that runs `ablate slurm`.
        setup: Lines of shell that a node needs before Python starts, such as `module load`.
        sbatch: Further options of sbatch, one a line, such as `--mail-type=END`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    nodes: int = 1
    cpus_per_node: int = 1
    gpus_per_node: int = 0
    mem: str | None = None
    time: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    reservation: str | None = None
    array: int | None = None
    python: str | None = None
    setup: tuple[str, ...] = ()
    sbatch: tuple[str, ...] = ()

    def seconds(self) -> float | None:
        """Return the time limit in seconds; None without one."""
        return None if self.time is None else limit_seconds(self.time)


def limit_seconds(text: str) -> float | None:
    """Seconds of a time limit as sbatch takes it; None for no limit.

    Raises:
        StudyError: If it is none of Slurm's forms.

    >>> [limit_seconds(t) for t in ("30", "10:30", "02:00:00", "1-12", "1-00:30", "UNLIMITED")]
    [1800.0, 630.0, 7200.0, 129600.0, 88200.0, None]
    """
    if text.lower() in UNLIMITED:
        return None
    found = TIME.fullmatch(text)
    if found is None:
        raise StudyError(f"--time: must be minutes, MM:SS, HH:MM:SS or D-HH:MM:SS, got {text!r}")
    days, *parts = found.groups()
    numbers = [int(part) for part in parts if part is not None]
    if days is not None:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    elif len(numbers) == 1:
        hours, minutes, seconds = 0, numbers[0], 0
    else:
        hours, minutes, seconds = [0, *numbers][-3:]
    return float(((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds)


def warning_seconds(checkpoint_seconds: float) -> int:
    """Seconds before the time limit at which Slurm warns the job: enough for two checkpoint intervals."""
    return max(WARNING_SECONDS, int(2 * checkpoint_seconds))


def find_site(given: str | None) -> Path | None:
    """The file with the site's defaults; None where there is none.

    Raises:
        StudyError: If a file was given that does not exist.
    """
    if given is not None:
        if not Path(given).is_file():
            raise StudyError(f"--site: must be a file; `ablate init slurm` writes one, got {given!r}")
        return Path(given)
    return next((path for name in SITE_FILES if (path := Path(name).expanduser()).is_file()), None)


def read_site(path: Path | None) -> dict[str, Any]:
    """The defaults of a site; empty without a file.

    Raises:
        StudyError: If the file is no mapping of known names.
    """
    if path is None:
        return {}
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise StudyError(f"--site: {path} must be valid YAML ({reason})") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise StudyError(f"--site: {path} must hold `name: value` lines, got {type(found).__name__}")
    given = {name: value for name, value in found.items() if value is not None}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def make_settings(site: dict[str, Any], options: dict[str, Any], where: str = "") -> SlurmSettings:
    """The settings of a job.

    Args:
        site: Defaults of the site.
        options: Options of the command line; what is None was not given.
        where: The site's file, for messages.

    Raises:
        StudyError: If a value is of the wrong type or out of range, or a name is unknown.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        settings = SlurmSettings(**{**site, **given})
    except ValidationError as error:
        raise StudyError(_first_fault(error, given, where)) from None
    for name, least in (("nodes", 1), ("cpus_per_node", 1), ("gpus_per_node", 0), ("array", 1)):
        value = getattr(settings, name)
        if value is not None and value < least:
            raise StudyError(f"{_option(name)}: must be at least {least}, got {value}")
    if settings.array is not None and settings.nodes > 1:
        raise StudyError(f"--array: each task has one node of its own; drop --nodes, got {settings.nodes} nodes")
    _check_lines(settings)
    settings.seconds()
    return settings


def _check_lines(settings: SlurmSettings) -> None:
    """A value ends up in the file of a job: one that breaks its line would be a command there."""
    texts = {name: value for name, value in settings.model_dump().items() if isinstance(value, str)}
    for name, value in texts.items():
        if not value or re.search(r"[\s'\"`$\\;#]", value):
            raise StudyError(f"{_option(name)}: must be one word without quotes, got {value!r}")
    for line in (*settings.setup, *settings.sbatch):
        if "\n" in line:
            raise StudyError(f"--site: each line of setup and sbatch must be one line, got {line!r}")
    for line in settings.sbatch:
        if not line.startswith("-"):
            raise StudyError(f"--site: sbatch: must be options such as '--mail-type=END', got {line!r}")


def _first_fault(error: ValidationError, given: dict[str, Any], where: str) -> str:
    fault = error.errors()[0]
    name = str(fault["loc"][0])
    option = _option(name) if name in given else f"{where}: {name}"
    if fault["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, SlurmSettings.model_fields, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(SlurmSettings.model_fields)}"
        return f"{option}: there is no such setting; {hint}"
    advice = " (write times and numbers of text in quotes)" if fault["type"] == "string_type" else ""
    return f"{option}: {first_line(ValueError(fault['msg'])).lower()}{advice}, got {fault['input']!r}"


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
