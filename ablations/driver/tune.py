"""From the tune phase to the confirm phase: search every arm, freeze the winners, hand the confirmed study on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ablations.cluster.resources import Room
from ablations.console.overview import make_board
from ablations.console.status import complain, say
from ablations.design.study import Study
from ablations.driver.controller import Conductor, make_conductor
from ablations.driver.options import Options
from ablations.driver.tuner import watched
from ablations.search import selection as freeze
from ablations.search.candidates import OPEN
from ablations.tracking.mlflow_runs import View, tracking_uri
from silhouette.results import Store


def tune_and_freeze(
    study: Study,
    store: Store,
    options: Options,
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


def describe_confirmed(study: Study, store: Store, description: Mapping[str, Any]) -> dict[str, Any]:
    """Write the confirmed configs, and the hash they are frozen under, into `study.json`; returns its content."""
    configs = {arm.label: arm.config.model_dump(mode="json") for arm in study.arms}
    arms = [{**arm, "config": configs.get(arm["arm"], arm["config"])} for arm in description["arms"]]
    frozen = store.read_json(freeze.FILE)
    confirmed = {**description, "arms": arms, "frozen": frozen["hash"]}
    if confirmed != description:
        store.write_json(confirmed, "study.json")
    return confirmed


def _announce(study: Study, conductor: Conductor) -> None:
    wanted = sum(search.tuning.settings for search in conductor.searches.values())
    seeds = len(conductor.work.seeds)
    present = wanted - conductor.left
    say(f"{study.name}: tune phase: {wanted} settings × {seeds} seeds, {present} present, {conductor.left} to run")


def _search(
    study: Study,
    store: Store,
    options: Options,
    conductor: Conductor,
    watch: Callable[[Callable[[], list[str]]], None],
) -> None:
    from ablations.driver.tune_phase import SettingListener, run_search

    board = make_board(study, {arm: search.settings.values() for arm, search in conductor.searches.items()})
    watch(board.running)
    specs: dict[str, Any] = {}
    view = View(tracking_uri(options.results, options.mlflow), store, study.describe())
    with watched(options, board, view, specs.__getitem__, conductor.work.common["driver"]) as (progress, mirror, share):
        listener = SettingListener(conductor, progress, mirror, specs)
        run_search(conductor, share, Room(share, grows=options.address is not None), listener)


def _finished(study: Study, conductor: Conductor, options: Options) -> bool:
    """Whether every setting has ended, but for a few failures; says so if it is failures."""
    if conductor.left or conductor.open:
        return False
    failed = freeze.too_many_failed(conductor.searches)
    if failed:
        complain(f"{study.name}: the search is not finished, so nothing is frozen")
        for line in failed:
            complain(line)
        complain(f"to try again what failed: {options.command}")
    return not failed


def _show(study: Study, frozen: Mapping[str, Any]) -> None:
    say(f"{study.name}: frozen as {frozen['hash']}")
    for arm in frozen["arms"]:
        values = ", ".join(f"{k}={v:g}" if isinstance(v, int | float) else f"{k}={v}" for k, v in arm["values"].items())
        say(f"  {arm['arm']}: {values}", *(f"    note: {flag}" for flag in arm["flags"]))
