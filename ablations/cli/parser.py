"""The `ablate` command. Nothing heavy is imported before a subcommand needs it."""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

from ablations.cli.cluster import cluster_commands
from ablations.cli.sharing_options import bundle_options, merge_options, verify_options
from ablations.cli.slurm import job_options, slurm_options
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


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ablate",
        description="Ablation studies of the Soft Silhouette Loss: seeds, paired tests, a report.",
        epilog="Exit codes: 0 every planned trial has a complete record; 1 some failed; 2 bad input; "
        "128 + signal number if interrupted (130: Ctrl-C).",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: str, summary: str, *options: Callable[[argparse.ArgumentParser], None]) -> None:
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.set_defaults(command=command)
        for option in options:
            option(sub)

    add("list", "commands.list_studies", "built-in studies, or with --spaces what may vary", _spaces_option)
    add("init", "commands.init", "write a study or cluster files to start from", _init_options)
    add(
        "plan",
        "commands.plan",
        "arms, trials planned, finished and to run; runs nothing",
        _study_options,
        _trial_options,
    )
    add("run", "commands.run", "run every trial that has no record", _study_options, _trial_options, _run_options)
    add("status", "results.status", "the status of every trial, by arm and seed", _study_options)
    add(
        "report",
        "results.report",
        "write the report of the finished trials, and print its verdicts",
        _report_options,
        _results_option,
    )
    add(
        "evaluate",
        "trials.evaluate",
        "measure a further metric on trials that kept weights or embeddings; reports call it exploratory",
        _study_options,
        _evaluate_options,
        _trial_options,
        _cluster_options,
    )
    add("data", "commands.data", "fetch and decode a data set ahead of time", _data_option)
    add(
        "sync",
        "commands.sync",
        "rebuild the MLflow view from the records",
        _name_option,
        _results_option,
        _mlflow_option,
    )
    add("ui", "commands.ui", "show the MLflow view on 127.0.0.1", _results_option, _mlflow_option, _port_option)
    add(
        "doctor",
        "commands.doctor",
        "check this machine, and a cluster; say what to do",
        _results_option,
        _doctor_options,
    )
    add("compact", "results.compact", "copy the records into one file, as each run does", _name_option, _results_option)
    summary = "remove the records of trials, so that they run again"
    add("forget", "results.forget", summary, _name_option, _trial_ids_option, _results_option)
    summary = "run a study as a Slurm job: write its sbatch file and submit it"
    epilog = "All other options are those of `ablate run`; STUDY comes first."
    slurm = commands.add_parser("slurm", help=summary, description=summary, epilog=epilog, allow_abbrev=False)
    slurm.set_defaults(command="slurm.slurm")
    slurm_options(slurm)
    add("merge", "sharing.merge", "one set of records from those of several results locations", merge_options)
    summary = "one zip with everything behind a report: records, plan, sources, environment, metadata for an archive"
    add("bundle", "sharing.bundle", summary, _study_options, bundle_options)
    summary = "check a bundle: every file, and the report, rebuilt byte for byte; runs no code of the bundle"
    add("verify", "sharing.verify", summary, verify_options)
    cluster_commands(commands)
    return parser


def _init_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "kind", nargs="?", metavar="KIND", help="study, aws, gcp, local, kuberay, slurm; none lists them"
    )
    parser.add_argument("--to", default=".", metavar="PATH", help="folder, or for a study a .py file (this folder)")


def _name_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="a built-in study's name or a path to a .py file")


def _trial_ids_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "trial_ids",
        nargs="+",
        metavar="TRIAL_ID",
        help="from the records, `report.json`, or for failed trials `ablate status`",
    )


def _data_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="STUDY|DATASET", help="a study, whose data sets are meant, or a data set")


def _report_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", nargs="?", metavar="STUDY", help="a study's name or a path to its .py file")
    table = parser.add_argument_group("reports on a plain table of per-seed results")
    table.add_argument("--table", metavar="FILE", help="CSV or Parquet file, one row per method and seed")
    for name in ("arm", "seed", "metric", "block"):
        table.add_argument(f"--{name}", metavar="COLUMN", help=f"column of the {name}")
    table.add_argument("--baseline", metavar="VALUE", help="the method that the others are compared with")
    table.add_argument("--sesoi", type=float, metavar="D", help="smallest difference that matters")
    table.add_argument("--alpha", type=float, default=0.05, metavar="A", help="level of the tests (0.05)")
    table.add_argument("--direction", choices=("max", "min"), default="max", help="whether more is better (max)")
    table.add_argument(
        "--error-rate",
        choices=("study", "block"),
        default="study",
        help="correct the comparisons of all blocks together, or those of each block by themselves (study)",
    )
    table.add_argument("--unpaired", action="store_true", help="the methods were run on different seeds")
    table.add_argument("--out", metavar="DIR", help="folder for the report")


def _results_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results", default="results", metavar="DIR", help="folder or pyarrow.fs URI (default: results)"
    )


def _mlflow_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mlflow", metavar="URI", help="MLflow tracking URI (default: MLFLOW_TRACKING_URI or DIR/mlflow.db)"
    )


def _study_options(parser: argparse.ArgumentParser) -> None:
    _name_option(parser)
    _results_option(parser)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="K=V",
        help="fix a setting, or give a factor other values: K=V1,V2; recipe=NAME starts from a recipe",
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="number of seeds")
    parser.add_argument("--epochs", metavar="N", help="epochs of every trial; as --set epochs=N")
    parser.add_argument("--dataset", metavar="D", help="data set; as --set dataset=D")


def _trial_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cpus-per-trial", type=int, default=1, metavar="C", help="CPUs and threads of a trial (1)")
    parser.add_argument(
        "--gpus-per-trial",
        type=float,
        metavar="G",
        help="GPUs of a trial, may be a fraction (1 where there is one)",
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="trials at once at most (default: as many as fit)")


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", metavar="TRIAL_ID", help="run this trial alone, if it has no finished record")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="with --only: train the finished trial again, in scratch, and compare every number with its record; "
        "exit code 1 if one differs",
    )
    parser.add_argument(
        "--checkpoint-seconds", type=float, default=30.0, metavar="N", help="least time between checkpoints (30)"
    )
    _cluster_options(parser)
    parser.add_argument(
        "--shared",
        action="store_true",
        help="share the study with other runs on the same folder that say so too, on any machines that mount it",
    )
    parser.add_argument(
        "--extend",
        action="store_true",
        help="add seeds although results could be seen; the report then gives no verdict, unless looks were declared",
    )
    parser.add_argument(
        "--allow-mixed-code",
        action="store_true",
        help="add records to a study that has records of other code; the report then gives no verdict",
    )
    _mlflow_option(parser)


def _cluster_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--address", metavar="A", help="Ray cluster to join (auto: the one on this machine)")
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="K=V",
        help="run trials only on nodes of the cluster that have this label, such as pool=gpu",
    )


def _evaluate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metric",
        action="append",
        required=True,
        metavar="PKG:FN",
        help="function of (features, labels) of the test samples that returns a number; repeatable",
    )


def _doctor_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--address", metavar="A", help="Ray cluster to look at (auto: the one on this machine)")
    parser.add_argument("--study", metavar="STUDY", help="also check the own encoders, data sets and losses of a study")
    parser.add_argument(
        "--slurm",
        action="store_true",
        help="check Slurm here, and the nodes of a short job",
    )
    job_options(parser)
    _mlflow_option(parser)


def _spaces_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--spaces", action="store_true", help="the factors that may vary, with their grids")


def _port_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=5000, metavar="P", help="port on 127.0.0.1 (5000)")


if __name__ == "__main__":
    sys.exit(main())
