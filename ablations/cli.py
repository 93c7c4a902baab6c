"""The `ablate` command. Nothing heavy is imported before a subcommand needs it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from silhouette.errors import InputError

if TYPE_CHECKING:
    from ablations.study import Study

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 done, 1 some trials failed, 2 bad input (one line on standard error), 130 interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    parsed = _parser().parse_args(given)
    parsed.given = given
    try:
        return int(parsed.command(parsed))
    except InputError as error:
        print(f"ablate: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `ablate list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"ablate: {error}", file=sys.stderr)
        return 2 if isinstance(error, PermissionError | NotADirectoryError | FileExistsError) else 1
    except KeyboardInterrupt:
        return 130


def _list(given: argparse.Namespace) -> int:
    from ablations.catalog import question, shipped

    if given.spaces:
        _print_spaces()
        return 0
    for name, path in shipped().items():
        print(f"{name:16s} {question(path)}")
    return 0


def _print_spaces() -> None:
    from search_spaces import SEARCHABLE, listing

    for line in listing(SEARCHABLE):
        print(line)


def _plan(given: argparse.Namespace) -> int:
    from ablations.catalog import compare_plans
    from ablations.planner import make_plan
    from silhouette.results import Store

    study = _study(given)
    store = Store(given.results, study.name)
    compare_plans(store.read_json("study.json"), study.describe(), store.root)
    plan = make_plan(study, store)
    print(f"{study.name}: {study.question}\n")
    for arm in study.arms:
        print(f"  {arm.label}{'   (baseline)' if arm.baseline else ''}")
    wanted, left = len(plan.wanted), len(plan.to_run)
    size = f"{len(study.arms)} arms × {len(study.seeds)} seeds = {wanted} trials wanted"
    print(f"\n{size}, {wanted - left} present, {left} to run")
    print(_expectation(given, plan.expected_seconds()))
    return 0


def _expectation(given: argparse.Namespace, seconds: float | None) -> str:
    """Time on this machine, and GPU-hours if trials take a GPU, in one line."""
    from ablations.planner import slots
    from ablations.progress import duration

    if seconds is None:
        return "expected time: unknown, there are no records of similar trials"
    at_once = slots(given.cpus_per_trial, os.cpu_count() or 1)
    line = f"expected time: about {duration(seconds / at_once)}, {at_once} at once on this machine"
    gpus = given.gpus_per_trial or 0.0
    return line + (f"; {seconds * gpus / 3600:.2g} GPU-hours" if gpus else "")


def _run(given: argparse.Namespace) -> int:
    import shlex

    from ablations.runner import Options, run_study

    options = Options(
        results=given.results,
        cpus=given.cpus_per_trial,
        gpus=given.gpus_per_trial,
        address=given.address,
        mlflow=given.mlflow,
        checkpoint_seconds=given.checkpoint_seconds,
        command=shlex.join(["ablate", *given.given]),
    )
    return run_study(_study(given), options)


def _status(given: argparse.Namespace) -> int:
    from rich.console import Console

    from ablations.lock import living_driver
    from ablations.planner import make_plan
    from ablations.progress import Board, failures, legend
    from silhouette.results import Store

    study = _study(given)
    store = Store(given.results, study.name)
    plan = make_plan(study, store)
    driver = living_driver(store) or {}
    running = dict.fromkeys(driver.get("running", ()), "running")
    board = Board(plan.wanted, {**running, **plan.status}, plan.values(study.metric, store), study.metric)
    console = Console()
    console.print(board.table(), board.line(), legend())
    if driver:
        print(f"running: process {driver['pid']} on {driver['host']} since {driver['started_at']}")
    for line in failures(plan.incomplete, plan.status, plan.errors):
        print(line)
    return 0


def _report(given: argparse.Namespace) -> int:
    from analysis.report import write_report
    from silhouette.results import Store

    study = Store(given.results, _study_name(given.study)).study
    print(f"report: {write_report(given.results, study)}")
    return 0


def _sync(given: argparse.Namespace) -> int:
    from ablations.errors import StudyError
    from ablations.mlflow_view import View, tracking_uri
    from ablations.tracking import sync
    from silhouette.results import Store

    store = Store(given.results, _study_name(given.study))
    description = store.read_json("study.json")
    if description is None:
        raise StudyError(f"STUDY: must have run; {given.results} holds nothing of it, got {given.study!r}")
    view = View(tracking_uri(given.results, given.mlflow), store, description)
    print(f"{store.study}: {sync(view)} trials shown at {view.uri}")
    return 0


def _ui(given: argparse.Namespace) -> int:
    from ablations.mlflow_view import QUIET, tracking_uri

    uri = tracking_uri(given.results, given.mlflow)
    print(f"MLflow UI of {uri} at http://127.0.0.1:{given.port} (Ctrl-C ends it)", flush=True)
    os.environ.update(QUIET)
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--backend-store-uri", uri]
    os.execv(sys.executable, [*command, "--host", "127.0.0.1", "--port", str(given.port)])


def _study(given: argparse.Namespace) -> Study:
    from ablations.catalog import change_study, load_study

    extra = {"epochs": given.epochs, "dataset": given.dataset}
    return change_study(load_study(given.study), given.set, given.seeds, extra)


def _study_name(given: str) -> str:
    from pathlib import Path

    return Path(given).stem if given.endswith(".py") else given


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage above it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; `{self.prog} --help` shows the usage\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ablate",
        description="Ablation studies of the Soft Silhouette Loss: seeds, paired tests, a report.",
        epilog="Exit codes: 0 every wanted trial has a complete record; 1 some failed; 2 bad input; 130 interrupted.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, summary: str, *options: Callable[[argparse.ArgumentParser], None]) -> None:
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.set_defaults(command=command)
        for option in options:
            option(sub)

    add("list", _list, "studies that ship", _spaces_option)
    add("plan", _plan, "arms, trials wanted, present and to run; runs nothing", _study_options, _trial_options)
    add("run", _run, "run every trial that has no record", _study_options, _trial_options, _run_options)
    add("status", _status, "arms × seeds at a glance", _study_options)
    add("report", _report, "write the report of what is there", _name_option, _results_option)
    add(
        "sync",
        _sync,
        "rebuild the MLflow view from the records",
        _name_option,
        _results_option,
        _mlflow_option,
    )
    add("ui", _ui, "MLflow UI on 127.0.0.1", _results_option, _mlflow_option, _port_option)
    return parser


def _name_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="a shipped study's name or a path to a .py file")


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
        help="fix a setting, or give a factor other values: K=V1,V2",
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


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint-seconds", type=float, default=30.0, metavar="N", help="least time between checkpoints (30)"
    )
    parser.add_argument("--address", metavar="A", help="Ray cluster to join (auto: the one on this machine)")
    _mlflow_option(parser)


def _spaces_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--spaces", action="store_true", help="the factors that may vary, with their grids")


def _port_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=5000, metavar="P", help="port on 127.0.0.1 (5000)")


if __name__ == "__main__":
    sys.exit(main())
