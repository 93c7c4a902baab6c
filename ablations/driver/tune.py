"""From the tune phase to the confirm phase: search every arm, freeze the winners, hand the confirmed study on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ablations.cluster.resources import ConcurrencyLimit
from ablations.console.candidates import candidate_table
from ablations.console.live import print_error, print_lines
from ablations.design.plan import describe_study
from ablations.design.study import Study
from ablations.driver.controller import Conductor, make_conductor
from ablations.driver.options import RunOptions
from ablations.driver.tuner import watched
from ablations.formatting import counted, setting
from ablations.search import selection as freeze
from ablations.search.candidates import OPEN
from ablations.tracking.mlflow_runs import MlflowRuns, tracking_uri
from silhouette.results import Store


def tune_and_freeze(
    study: Study,
    store: Store,
    options: RunOptions,
    common: Mapping[str, Any],
    watch: Callable[[Callable[[], list[str]]], None],
) -> Study | None:
    """The study with its winners, searched for and frozen if they are not yet.

    Args:
        study: A study with `tuning`.
        store: Its records.
        options: How to run.
        common: What all workers are sent.
        watch: Told how to learn what is running.

    Returns:
        The study to confirm; None if the search has not been finished, by an interruption or by failures.
    """
    if store.read_json(freeze.FILE) is None:
        conductor = make_conductor(study, store, common)
        _announce(study, conductor)
        if conductor.left:
            _search(study, store, options, conductor, watch)
        if not _finished(study, conductor, options):
            return None
        frozen = freeze.freeze(study, conductor.searches, store)
        store.delete(OPEN)
        _show(study, frozen)
    return freeze.thaw(study, store)


def _announce(study: Study, conductor: Conductor) -> None:
    wanted = sum(search.tuning.settings for search in conductor.searches.values())
    seeds = len(conductor.work.seeds)
    present = wanted - conductor.left
    size = f"{counted(wanted, 'candidate')} × {counted(seeds, 'seed')}"
    print_lines(f"{study.name}: tune phase: {size}, {present} finished, {conductor.left} to run")


def _search(
    study: Study,
    store: Store,
    options: RunOptions,
    conductor: Conductor,
    watch: Callable[[Callable[[], list[str]]], None],
) -> None:
    from ablations.driver.tune_phase import SettingListener, run_search

    table = candidate_table(study, {arm: search.settings.values() for arm, search in conductor.searches.items()})
    watch(table.running)
    specs: dict[str, Any] = {}
    view = MlflowRuns(tracking_uri(options.results, options.mlflow), store, describe_study(study))
    with watched(options, table, view, specs.__getitem__, conductor.work.common["driver"], study.experiment) as (
        display,
        mirror,
        share,
    ):
        listener = SettingListener(conductor, display, mirror, specs)
        run_search(conductor, share, ConcurrencyLimit(share, grows=options.address is not None), listener)


def _finished(study: Study, conductor: Conductor, options: RunOptions) -> bool:
    """Whether every setting has ended, but for a few failures; says so if it is failures."""
    if conductor.left or conductor.open:
        return False
    failed = freeze.too_many_failed(conductor.searches)
    if failed:
        print_error(f"{study.name}: the search is not finished, so nothing is frozen")
        for line in failed:
            print_error(line)
        print_error(f"to retry the failed trials: {options.command}")
    return not failed


def _show(study: Study, frozen: Mapping[str, Any]) -> None:
    print_lines(f"{study.name}: frozen as {frozen['hash']}")
    for arm in frozen["arms"]:
        values = ", ".join(f"{name}={setting(value)}" for name, value in arm["values"].items())
        print_lines(f"  {arm['arm']}: {values}", *(f"    note: {flag}" for flag in arm["flags"]))
