"""Subcommands that read or change the results of a study: status, report, compact, forget."""

from __future__ import annotations

import json
import re
import shlex
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.errors import StudyError
from ablations.formatting import counted

if TYPE_CHECKING:
    from ablations.design.study import Study
    from ablations.state.pending import StudyState
    from silhouette.results import Store

TABLE_OPTIONS = ("arm", "seed", "metric", "baseline", "out", "block", "sesoi")
"""Of `ablate report --table`; the first five are needed."""
MAX_VERDICTS = 20
"""Verdicts that the terminal shows; the report has all of them."""


def read_study(given: Namespace) -> Study:
    """The study that a command line names, with its changes applied."""
    from ablations.design.loading import load_changed_study
    from ablations.design.processes import on_gpus

    extra = {"epochs": given.epochs, "dataset": given.dataset}
    study = load_changed_study(
        given.study, given.set, given.seeds, extra, until_decided=given.until_decided, max_seeds=given.max_seeds
    )
    return on_gpus(study, getattr(given, "gpus_per_trial", None))


def study_name(given: str) -> str:
    """Name of a study from what the command line says: a name or a `.py` file.

    >>> study_name("demo"), study_name("my/own.py")
    ('demo', 'own')
    """
    return Path(given).stem if given.endswith(".py") else given


def open_store(given: Namespace, name: str) -> Store:
    """The records of a study at `--results`."""
    from silhouette.location import ResultsLocation
    from silhouette.results import Store

    return Store(ResultsLocation(given.results), name)


def next_command(name: str, given: Namespace) -> str:
    """A subcommand on the same study and results, as a line to paste; without the keys of the location."""
    from silhouette.location import ResultsLocation

    place = [] if given.results == "results" else ["--results", str(ResultsLocation(given.results))]
    return shlex.join(["ablate", name, given.study, *place])


def status(given: Namespace) -> int:
    """Print the status of every trial, by arm and seed; means on test data once the plan is complete."""
    from rich.console import Console

    from ablations.cli.decided import decided_lines, decisions_now
    from ablations.console.status import StatusTable, failures, legend
    from ablations.state.kept import kept_line
    from ablations.state.lock import living_driver, living_sharers, running_trials
    from ablations.state.pending import may_see_test_values
    from silhouette.schema import FINISHED

    study, state, store, notes = _stored_state(given)
    drivers = [*filter(None, [living_driver(store)]), *living_sharers(store)]
    running = dict.fromkeys(running_trials(store), "running")
    ended = {trial_id: status for trial_id, status in state.status.items() if status in FINISHED}
    shown = {**state.status, **running, **ended}  # a failed trial that runs again is running
    metric = study.metric if may_see_test_values(store) else study.watched
    decisions = decisions_now(study, store)
    table = StatusTable(state.wanted, shown, state.values(metric, store), metric, at_most=study.stop is not None)
    if decisions is not None:
        state = state.needed(decisions.wanted, study.seeds)
        table.narrow(decisions.wanted, study.seeds)
    console = Console()
    _print_search(console, study, store, running)
    for part in (table.table(), table.line(), legend()):
        console.print(part)
    for line in decided_lines(decisions) if decisions else ():
        print(line)
    if line := kept_line(store, {i for i, status in state.status.items() if status == "complete"}, study.keep):
        print(line)
    for driver in drivers:
        print(f"running: process {driver['pid']} on {driver['host']} since {driver['started_at']}")
    for line in (*failures(state.incomplete, state.status, state.errors), *notes):
        print(line)
    return 0


def _stored_state(given: Namespace) -> tuple[Study, StudyState, Store, list[str]]:
    """The study as the report will see it, the state of its trials, its store, and what a reader should know."""
    from ablations.design.budgets.declared import ended_line
    from ablations.design.plan import as_stored
    from ablations.search.selection import load_selection
    from ablations.state.pending import read_study_state

    study = read_study(given)
    store = open_store(given, study.name)
    if not store.exists():
        notes = [f"no records yet: there is no {store.location}/{study.name}; `ablate run` makes it"]
    else:
        stored, notes = as_stored(study, store)
        study = stored if given.seeds is None and given.max_seeds is None else study
        notes += filter(None, [ended_line(store)])
    study = load_selection(study, store)
    return study, read_study_state(study, store), store, notes


def _print_search(console: Any, study: Study, store: Store, running: Mapping[str, str]) -> None:
    from ablations.console.candidates import candidate_table, candidates_by_arm, tune_line

    if study.tuning is None:
        return
    table = candidate_table(study, candidates_by_arm(study, store))
    table.status |= {place: "running" for place in running if place not in table.status}
    for part in (tune_line(study, store), table.table(), table.line(), ""):
        console.print(part)


def report(given: Namespace) -> int:
    """Write the report of a study, or of a plain table, and print its verdicts."""
    if given.table:
        return _report_table(given)
    stray = [f"--{name}" for name in TABLE_OPTIONS if getattr(given, name) is not None]
    if stray:
        raise StudyError(f"{stray[0]}: requires --table")
    if given.study is None:
        raise StudyError("STUDY: give a study, or --table with a CSV or Parquet file, got neither")
    from analysis.report.write import write_report

    store = open_store(given, study_name(given.study))
    path = write_report(given.results, store.study)
    _print_report(store.read_json("report/report.json"), path)
    return 0


def _report_table(given: Namespace) -> int:
    from analysis.report.write import write_report_of_table
    from analysis.study.table import TableOptions

    missing = [f"--{name}" for name in TABLE_OPTIONS[:5] if getattr(given, name) is None]
    if missing or given.study is not None:
        what = f"{', '.join(missing)} as well" if missing else f"no STUDY, got {given.study!r}"
        raise StudyError(f"--table: needs {what}")
    path = write_report_of_table(
        given.table, TableOptions(**{f.name: getattr(given, f.name) for f in fields(TableOptions)}), given.out
    )
    _print_report(json.loads(Path(given.out, "report.json").read_text(encoding="utf-8")), path)
    return 0


def _print_report(document: Mapping[str, Any], path: str) -> None:
    for notice in document["notices"]:
        print(f"note: {notice['text']}")
    if document["answer"]:
        print(f"answer: {document['answer']}")
    lines = list(verdict_lines(document))
    print(*lines[:MAX_VERDICTS], sep="\n", end="\n" if lines else "")
    if len(lines) > MAX_VERDICTS:
        print(f"the report has {counted(len(lines) - MAX_VERDICTS, 'more verdict')}")
    print(f"report: {path}")


def verdict_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """One line for each comparison of a report: its verdict with what limits it, and the first sentence on it.

    >>> found = {"verdict": "worse", "size": "size unclear", "role": "exploratory", "n": 4, "collapsed": []}
    >>> text = {"sentence": "λ=1 is below λ=0 by 9 points (p < 0.001). More follows."}
    >>> list(verdict_lines({"comparisons": [{**found, **text}]}))
    ['worse (size unclear, exploratory, fragile: 4 seeds): λ=1 is below λ=0 by 9 points (p < 0.001).']
    """
    for found in document["comparisons"]:
        first = re.match(r".*?\)\.(?= |$)", found["sentence"])
        limits = ", ".join(_limits(found))
        word = f"{found['verdict']} ({limits})" if limits else found["verdict"]
        yield f"{word}: {first.group() if first else found['sentence']}"


def _limits(found: Mapping[str, Any]) -> Iterator[str]:
    """What limits a verdict: its size against the declared effect, its role, few seeds, a collapsed one."""
    from analysis.results.verdicts import FRAGILE_BELOW, NONE

    if found["verdict"] == NONE:
        return
    if found["size"]:
        yield found["size"]
    if found["role"] == "exploratory":
        yield "exploratory"
    if found["n"] < FRAGILE_BELOW:
        yield f"fragile: {counted(found['n'], 'seed')}"
    if found["collapsed"]:
        yield "a seed collapsed"


def compact(given: Namespace) -> int:
    """Copy the per-trial records into `records.parquet`, while nothing else works on the study."""
    from ablations.state.kept import sweep_kept
    from ablations.state.lock import DriverLock

    store = _store_with_records(given)
    with DriverLock(store, "ablate compact"):
        print(f"{store.study}: {counted(store.compact(), 'record')} in {store.path('records.parquet')}")
        if kept := sweep_kept(store):
            print(f"{store.study}: weights or embeddings of {counted(kept, 'trial')} stay in {store.path('kept')}")
    return 0


def forget(given: Namespace) -> int:
    """Remove the records of trials, so that they run again."""
    from ablations.design.plan import last_command
    from ablations.state.kept import forget as forget_trials
    from ablations.state.lock import DriverLock

    store = _store_with_records(given)
    with DriverLock(store, "ablate forget"):
        rows = _records_to_forget(store, given.trial_ids)
        forget_trials(store, rows)
    for trial_id, row in rows.items():
        what = f"{row['arm']}, seed {row['seed']} ({trial_id})" if row else trial_id
        print(f"{store.study}: removed the record of {what}")
    print(f"to run again: {last_command(store) or next_command('run', given)}")
    print(f"to correct the MLflow view after that: {next_command('sync', given)}")
    return 0


def _records_to_forget(store: Store, trial_ids: list[str]) -> dict[str, dict[str, Any]]:
    """What is known of each trial; nothing of one whose file is damaged."""
    rows = {row["trial_id"]: row for row in store.load(("trial_id", "arm", "seed", "phase")).to_pylist()}
    files, frozen = store.trial_ids(), "frozen.json" in store.names()
    for trial_id in trial_ids:
        if trial_id not in rows and trial_id not in files:
            raise StudyError(f"TRIAL_ID: must have a record in {store.location}/{store.study}, got {trial_id!r}")
        if frozen and rows.get(trial_id, {}).get("phase") == "tune":
            raise StudyError(f"TRIAL_ID: its search is frozen, so it would not run again, got {trial_id!r}")
    return {trial_id: rows.get(trial_id, {}) for trial_id in trial_ids}


def _store_with_records(given: Namespace) -> Store:
    store = open_store(given, study_name(given.study))
    if not store.exists() or not (store.trial_ids() or "records.parquet" in store.names()):
        raise StudyError(f"STUDY: {store.location} holds no records of it, got {given.study!r}")
    return store
