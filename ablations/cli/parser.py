"""The `ablate` command. Nothing heavy is imported before a subcommand needs it."""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

from ablations.cli.cluster import cluster_commands
from ablations.cli.options import (
    budget_options,
    cluster_options,
    data_option,
    doctor_options,
    evaluate_options,
    init_options,
    mlflow_option,
    name_option,
    port_option,
    report_options,
    results_option,
    run_options,
    spaces_option,
    study_options,
    trial_ids_option,
    trial_options,
)
from ablations.cli.sharing_options import bundle_options, merge_options, verify_options
from ablations.cli.slurm import slurm_options
from silhouette.errors import InputError, without_secret


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 done, 1 some trials failed (doctor: a fault was found), 2 bad input (one line on standard error), 130
        interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    parsed = _parse(given)
    parsed.given = given
    try:
        module, _, name = parsed.command.partition(".")
        return int(getattr(import_module(f"ablations.cli.{module}"), name)(parsed))
    except InputError as error:
        _print_error(str(error))
        return 2
    except BrokenPipeError:  # `ablate list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        _print_error(_with_option(error, parsed))
        return 2 if error.errno in BAD_PATH else 1
    except KeyboardInterrupt:
        return 130


def _parse(given: list[str]) -> argparse.Namespace:
    """The options of a command. What `ablate slurm` does not know is an option of `ablate run`, in the job."""
    parser = _parser()
    if given[:1] != ["slurm"]:
        return parser.parse_args(given)
    parsed, options = parser.parse_known_args(given)
    parsed.rest = [parsed.study, *options]
    parsed.run = parser.parse_args(["run", *parsed.rest])
    return parsed


def _print_error(text: str) -> None:
    """One line on standard error. A results location or an error of a library may contain keys: they are hidden."""
    print(f"ablate: {without_secret(text)}", file=sys.stderr)


def _with_option(error: OSError, parsed: argparse.Namespace) -> str:
    """The error of a file system, with the option that named the folder."""
    named = re.search(r"'([^']+)'", str(error))  # Arrow gives the path in its message only
    if error.errno not in BAD_PATH or not (named or error.filename):
        return str(error)
    # files are written under a temporary name first
    path = re.sub(r"\.[0-9a-f]{8}\.tmp$", "", str(error.filename or (named and named[1])))
    for option in ("to", "out", "into", "results"):
        value = getattr(parsed, option, None)
        if value is not None and os.path.abspath(path).startswith(os.path.abspath(value)):
            advice = "give a folder that can be written"
            return f"--{option}: {path}: {os.strerror(error.errno)}; {advice}, got {value!r}"
    return str(error)


BAD_PATH = (
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)
"""Errors of a path that cannot be used: bad input. Other errors of a file system are not."""


class _Parser(argparse.ArgumentParser):
    """Reports a fault in one line, without the usage above it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {without_secret(message)}; `{self.prog} --help` shows the usage\n")


class Command(NamedTuple):
    """A subcommand: its name, the function that it calls, one line for the help, and what adds its options."""

    name: str
    calls: str
    summary: str
    options: tuple[Callable[[argparse.ArgumentParser], None], ...]
    settings: dict[str, Any] = {}  # noqa: RUF012 - further arguments of its parser


COMMANDS = (
    Command("list", "commands.list_studies", "built-in studies, or with --spaces what may vary", (spaces_option,)),
    Command("init", "commands.init", "write a study or cluster files to start from", (init_options,)),
    Command(
        "plan", "commands.plan", "arms, trials planned, finished and to run; runs nothing",
        (study_options, trial_options, budget_options),
    ),
    Command(
        "run", "commands.run", "run every trial that has no record",
        (study_options, trial_options, run_options, budget_options),
    ),
    Command("status", "results.status", "the status of every trial, by arm and seed", (study_options,)),
    Command(
        "report", "results.report", "write the report of the finished trials, and print its verdicts",
        (report_options, results_option),
    ),
    Command(
        "evaluate", "trials.evaluate",
        "measure a further metric on trials that kept weights or embeddings; reports call it exploratory",
        (study_options, evaluate_options, trial_options, cluster_options),
    ),
    Command("data", "commands.data", "fetch and decode a data set ahead of time", (data_option,)),
    Command(
        "sync", "commands.sync", "rebuild the MLflow view from the records",
        (name_option, results_option, mlflow_option),
    ),
    Command("ui", "commands.ui", "show the MLflow view on 127.0.0.1", (results_option, mlflow_option, port_option)),
    Command(
        "doctor", "commands.doctor", "check this machine, and a cluster; say what to do",
        (results_option, doctor_options),
    ),
    Command(
        "compact", "results.compact", "copy the records into one file, as each run does",
        (name_option, results_option),
    ),
    Command(
        "forget", "results.forget", "remove the records of trials, so that they run again",
        (name_option, trial_ids_option, results_option),
    ),
    Command(
        "slurm", "slurm.slurm", "run a study as a Slurm job: write its sbatch file and submit it", (slurm_options,),
        {"epilog": "All other options are those of `ablate run`; STUDY comes first.", "allow_abbrev": False},
    ),
    Command(
        "merge", "sharing.merge", "one set of records from those of several results locations", (merge_options,)
    ),
    Command(
        "bundle", "sharing.bundle",
        "one zip with everything behind a report: records, plan, sources, environment, metadata for an archive",
        (study_options, bundle_options),
    ),
    Command(
        "verify", "sharing.verify",
        "check a bundle: every file, and the report, rebuilt byte for byte; runs no code of the bundle",
        (verify_options,),
    ),
)  # fmt: skip
"""The subcommands in the order of the help; `ablate cluster` has subcommands of its own."""


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ablate",
        description="Ablation studies of the Soft Silhouette Loss: seeds, paired tests, a report.",
        epilog="Exit codes: 0 every planned trial has a complete record; 1 some failed; 2 bad input; "
        "128 + signal number if interrupted (130: Ctrl-C).",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for one in COMMANDS:
        sub = commands.add_parser(one.name, help=one.summary, description=one.summary, **one.settings)
        sub.set_defaults(command=one.calls)
        for option in one.options:
            option(sub)
    cluster_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
