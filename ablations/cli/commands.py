"""What each subcommand of `ablate` does; what is heavy is imported where it is needed."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ablations.errors import StudyError

if TYPE_CHECKING:
    from ablations.design.study import Study

TABLE_OPTIONS = ("arm", "seed", "metric", "baseline", "out", "block", "sesoi")
"""Of `ablate report --table`; the first five are needed."""


def list_studies(given: Namespace) -> int:
    """Names of the studies that ship, or the factors that may vary."""
    from ablations.design.loading import question, shipped

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


def plan(given: Namespace) -> int:
    """What a study wants, has and lacks; runs nothing."""
    from ablations.console.candidates import tune_line, tune_pace, tune_seconds
    from ablations.design.plan import check_plan
    from ablations.search.selection import thaw
    from ablations.state.pending import read_study_state
    from silhouette.results import Store

    study = _study(given)
    store = Store(given.results, study.name)
    study = thaw(study, store)
    check_plan(study, store)
    plan = read_study_state(study, store)
    print(f"{study.name}: {study.question}\n")
    for arm in study.arms:
        print(f"  {arm.label}{'   (baseline)' if arm.baseline else ''}")
    wanted, left = len(plan.wanted), len(plan.to_run)
    size = f"{len(study.arms)} arms × {len(study.seeds)} seeds = {wanted} trials wanted"
    print("", *filter(None, [tune_line(study, store)]), sep="\n")
    print(f"{size}, {wanted - left} present, {left} to run")
    plan = plan if plan.pace else replace(plan, pace=tune_pace(store))
    seconds = plan.expected_seconds()
    print(_expectation(given, None if seconds is None else seconds + tune_seconds(study, store, plan.pace), plan.gpu))
    return 0


def _expectation(given: Namespace, seconds: float | None, gpu: bool) -> str:
    """Time on this machine, and GPU-hours if trials take a GPU, in one line."""
    from ablations.console.format import duration
    from ablations.state.pending import slots

    if seconds is None:
        return "expected time: unknown, there are no records of similar trials"
    at_once = slots(given.cpus_per_trial, os.cpu_count() or 1)
    line = f"expected time: about {duration(seconds / at_once)}, {at_once} at once on this machine"
    gpus = float(gpu) if given.gpus_per_trial is None else given.gpus_per_trial
    return line + (f"; {seconds * gpus / 3600:.2g} GPU-hours" if gpus else "")


def run(given: Namespace) -> int:
    """Run what has no record."""
    import shlex

    from ablations import RunOptions, run_study
    from ablations.driver.options import labels_of
    from silhouette.errors import without_secret

    options = RunOptions(
        results=given.results,
        cpus=given.cpus_per_trial,
        gpus=given.gpus_per_trial,
        labels=labels_of(given.label),
        address=given.address,
        mlflow=given.mlflow,
        checkpoint_seconds=given.checkpoint_seconds,
        command=without_secret(shlex.join(["ablate", *given.given])),
    )
    return run_study(_study(given), options)


def status(given: Namespace) -> int:
    """Arms × seeds at a glance."""
    from rich.console import Console

    from ablations.console.candidates import candidate_table, candidates_by_arm, tune_line
    from ablations.console.status import StatusTable, failures, legend
    from ablations.search.selection import thaw
    from ablations.state.lock import living_driver
    from ablations.state.pending import read_study_state
    from silhouette.results import Store

    study = _study(given)
    store = Store(given.results, study.name)
    study = thaw(study, store)
    plan = read_study_state(study, store)
    driver = living_driver(store) or {}
    running = dict.fromkeys(driver.get("running", ()), "running")
    board = StatusTable(plan.wanted, {**running, **plan.status}, plan.values(study.metric, store), study.metric)
    console = Console()
    if study.tuning is not None:
        searched = candidate_table(study, candidates_by_arm(study, store))
        searched.status |= {place: "running" for place in running if place not in searched.status}
        console.print(tune_line(study, store), searched.table(), searched.line(), "")
    console.print(board.table(), board.line(), legend())
    if driver:
        print(f"running: process {driver['pid']} on {driver['host']} since {driver['started_at']}")
    for line in failures(plan.incomplete, plan.status, plan.errors):
        print(line)
    return 0


def report(given: Namespace) -> int:
    """Write the report of a study, or of a plain table."""
    if given.table:
        return _report_table(given)
    stray = [f"--{name}" for name in TABLE_OPTIONS if getattr(given, name) is not None]
    if stray:
        raise StudyError(f"{stray[0]}: goes with --table, which was not given")
    if given.study is None:
        raise StudyError("STUDY: give a study, or --table with a CSV or Parquet file, got neither")
    from analysis.report.write import write_report

    print(f"report: {write_report(given.results, _study_name(given.study))}")
    return 0


def _report_table(given: Namespace) -> int:
    from analysis.report.write import write_table_report

    missing = [f"--{name}" for name in TABLE_OPTIONS[:5] if getattr(given, name) is None]
    if missing or given.study is not None:
        what = f"{', '.join(missing)} as well" if missing else f"no STUDY, got {given.study!r}"
        raise StudyError(f"--table: needs {what}")
    options = {name: getattr(given, name) for name in (*TABLE_OPTIONS, "direction", "alpha", "unpaired")}
    print(f"report: {write_table_report(given.table, **options)}")
    return 0


def data(given: Namespace) -> int:
    """Fetch and decode a data set, or those of a study, ahead of time."""
    from rich.progress import Progress

    from ablations.design.loading import load_study, shipped
    from silhouette.config import make_config
    from silhouette.data.cache import cache_folder
    from silhouette.data.splits import load

    of_study = given.what in shipped() or given.what.endswith(".py")
    configs = (
        [arm.config for arm in load_study(given.what).arms] if of_study else [make_config({"dataset": given.what})]
    )
    for name in dict.fromkeys(config.dataset for config in configs):
        with Progress(transient=True) as bar:
            update = partial(bar.update, bar.add_task(name))
            for config in configs:  # an entry that is there already takes no time
                if config.dataset == name:
                    load(config, partial(_decoded, update))
        print(f"{name}: ready (cache: {cache_folder()})")
    return 0


def _decoded(update: Callable[..., None], done: int, total: int) -> None:
    update(completed=done, total=total)


def sync(given: Namespace) -> int:
    """Rebuild the MLflow view from the records."""
    from ablations.tracking.mlflow_runs import MLFLOW_ENV, MlflowRuns, tracking_uri

    os.environ.update(MLFLOW_ENV)
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    from ablations.tracking.mirror import sync
    from silhouette.errors import without_secret
    from silhouette.results import Store

    store = Store(given.results, _study_name(given.study))
    description = store.read_json("study.json")
    if description is None:
        raise StudyError(f"STUDY: must have run; {given.results} holds nothing of it, got {given.study!r}")
    view = MlflowRuns(tracking_uri(given.results, given.mlflow), store, description)
    try:
        shown = sync(view)
    except (MlflowException, SQLAlchemyError) as error:
        why = (str(error).strip().splitlines() or [""])[0][:160]
        line = f"--mlflow: must be an MLflow server or database that answers ({why}), got {view.uri}"
        raise StudyError(without_secret(line)) from None  # an error too may hold the URI
    print(f"{store.study}: {shown} trials shown at {without_secret(view.uri)}")
    return 0


def ui(given: Namespace) -> int:
    """Become the MLflow UI, on 127.0.0.1."""
    from ablations.tracking.mlflow_runs import MLFLOW_ENV, make_folder, tracking_uri
    from silhouette.errors import without_secret

    if not 1 <= given.port <= 65_535:
        raise StudyError(f"--port: must be from 1 to 65535, got {given.port}")

    uri = tracking_uri(given.results, given.mlflow)
    make_folder(uri)
    print(f"MLflow UI of {without_secret(uri)} at http://127.0.0.1:{given.port} (Ctrl-C ends it)", flush=True)
    os.environ.update(MLFLOW_ENV)
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--backend-store-uri", uri]
    os.execv(sys.executable, [*command, "--host", "127.0.0.1", "--port", str(given.port)])


def doctor(given: Namespace) -> int:
    """Examine this machine and a cluster; 1 if a study could not run."""
    from ablations.doctor.examine import examine

    faults = 0
    for finding in examine(given.results, given.mlflow, given.address):
        print(finding, flush=True)
        faults += finding.state == "fault"
    print(f"{faults} fault{'s' * (faults != 1)}" if faults else "ready to run")
    return 1 if faults else 0


def compact(given: Namespace) -> int:
    """Copy the per-trial records into `records.parquet`, while nothing else works on the study."""
    from ablations.state.lock import DriverLock
    from silhouette.results import Store

    store = Store(given.results, _study_name(given.study))
    if not store.trial_ids():
        raise StudyError(f"STUDY: {given.results} holds no records of it, got {given.study!r}")
    with DriverLock(store, "ablate compact"):
        print(f"{store.study}: {store.compact()} records in {store.path('records.parquet')}")
    return 0


def cluster_watch(given: Namespace) -> int:
    """Wait for the notice that this spot machine is taken back, and drain its node."""
    from ablations.cluster.preemption import watch

    return watch(partial(print, flush=True))


def _study(given: Namespace) -> Study:
    from ablations.design.loading import change_study, load_study

    extra = {"epochs": given.epochs, "dataset": given.dataset}
    return change_study(load_study(given.study), given.set, given.seeds, extra)


def _study_name(given: str) -> str:
    from pathlib import Path

    return Path(given).stem if given.endswith(".py") else given


def cluster_check(given: Namespace) -> int:
    """What is left to fill in and what is wrong in cluster files."""
    from ablations.cluster_file.check import check

    return check(given.files, own=given.own)
