"""The tune phase: search every arm, freeze the winners, return the study to confirm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ablations.cluster.resources import ConcurrencyLimit, TrialResources
from ablations.console.candidates import candidate_table
from ablations.console.live import print_error
from ablations.design.plan import note_winners
from ablations.design.study import Study
from ablations.driver.budget.hold import may_begin_candidate
from ablations.driver.controller import SearchController, make_controller
from ablations.driver.options import RunOptions
from ablations.driver.session import RunSession
from ablations.formatting import counted, setting
from ablations.search.candidates import OPEN
from ablations.search.selection import FILE, freeze, load_selection, too_many_failed


def tune_and_freeze(study: Study, session: RunSession, description: Mapping[str, Any]) -> Study | None:
    """Search and freeze, if that has not been done.

    Args:
        study: A study with `tuning`.
        session: Runs the candidates.
        description: The content of `study.json`, to which the winners are added.

    Returns:
        The study to confirm; None if too many candidates failed.
    """
    store = session.store
    if store.read_json(FILE) is None:
        controller = make_controller(study, store, session.context())
        if study.tuning is not None:
            controller.may_begin = may_begin_candidate(session.budget, store, len(study.tuning.seeds))
        _announce(study, controller, session)
        if controller.left:
            run_candidates(study, controller, session)
        if not _is_finished(study, controller, session.options):
            return None
        frozen = freeze(study, controller.searches, store)
        store.delete(OPEN)
        _show(study, frozen, session)
    confirmed = load_selection(study, store)
    note_winners(confirmed, store.read_json(FILE)["hash"], description, store)
    return confirmed


def run_candidates(study: Study, controller: SearchController, session: RunSession) -> None:
    """Train the candidates that a controller hands out."""
    table = candidate_table(study, {arm: s.candidates.values() for arm, s in controller.searches.items()})
    session.run(controller, table, lambda resources: _limit(session.options, resources))
    session.print_state()


def _limit(options: RunOptions, resources: TrialResources) -> Callable[[], int]:
    limit, jobs = ConcurrencyLimit(resources, grows=options.address is not None), options.jobs
    return limit if jobs is None else lambda: min(limit(), jobs)


def _announce(study: Study, controller: SearchController, session: RunSession) -> None:
    wanted = sum(search.tuning.settings for search in controller.searches.values())
    size = f"{counted(wanted, 'candidate')} × {counted(len(controller.seeds), 'seed')}"
    session.print(f"{study.name}: tune phase: {size}, {wanted - controller.left} finished, {controller.left} to run")


def _is_finished(study: Study, controller: SearchController, options: RunOptions) -> bool:
    """Return True if every candidate has ended and few of them failed. Print why not."""
    if left := controller.left + len(controller.open):
        print_error(
            f"{study.name}: {counted(left, 'candidate')} left, so nothing is frozen. To resume: {options.again}"
        )
        return False
    failed = too_many_failed(controller.searches)
    if failed:
        print_error(f"{study.name}: the search is not finished, so nothing is frozen")
        for line in failed:
            print_error(line)
        print_error(f"to retry the failed trials: {options.again}")
    return not failed


def _show(study: Study, frozen: Mapping[str, Any], session: RunSession) -> None:
    session.print(f"{study.name}: frozen as {frozen['hash']}")
    for arm in frozen["arms"]:
        values = ", ".join(f"{name}={setting(value)}" for name, value in arm["values"].items())
        session.print(f"  {arm['arm']}: {values}", *(f"    note: {flag}" for flag in arm["flags"]))
