"""The order of a run: plan, tune phase, confirm phase, compaction, exit code."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from ablations.cluster.session import HEAD_RETURN_SECONDS, check_head, in_batch_job
from ablations.console.live import print_error, print_lines
from ablations.console.status import failures
from ablations.design.budgets.declared import declare_budget
from ablations.design.budgets.limits import Budget
from ablations.design.data_use import check_own_data, own_datasets
from ablations.design.plan import adopt_plan, check_plan
from ablations.design.plugins import check_own_code
from ablations.design.processes import on_gpus
from ablations.design.study import Study
from ablations.driver.budget.hold import check_budget
from ablations.driver.confirm import confirm
from ablations.driver.interrupts import GRACE_SECONDS, Deadline, Interrupted, interruptible, raise_if_interrupted
from ablations.driver.only import only_exit_code, run_only
from ablations.driver.options import RunOptions
from ablations.driver.session import RunSession
from ablations.driver.shared import SEARCH, claim_search, confirm_shared
from ablations.driver.supervisor import predecessor
from ablations.driver.tune import tune_and_freeze
from ablations.formatting import counted
from ablations.search.selection import FILE as FROZEN
from ablations.search.selection import load_selection
from ablations.state.additions import check_additions
from ablations.state.checkpoints import sweep
from ablations.state.claims import Claims
from ablations.state.compaction import MAX_UNCOMPACTED
from ablations.state.decisions import Decisions, note_decisions
from ablations.state.lock import FILE as DRIVER
from ablations.state.lock import DriverLock, living_sharers
from ablations.state.pending import StudyState, read_study_state, within_budget
from ablations.state.provenance import git_state, versions
from ablations.state.sharing import SharedLock, sweep_claims
from ablations.workers.experiment import check_keep, load_experiment
from silhouette.results import FINISHED, Store

CALL = "run_study"
"""Stands for the command where Python runs the study."""


@dataclass(frozen=True)
class Confirmed:
    """A study after its confirm phase.

    Attributes:
        study: The study, with its winners where it was tuned.
        decisions: What its seeds have decided; None where their number is fixed.
    """

    study: Study
    decisions: Decisions | None

    def state(self, store: Store) -> StudyState:
        """Return the trials that it needs, with their records."""
        found = within_budget(read_study_state(self.study, store), store)
        return found if self.decisions is None else found.needed(self.decisions.wanted, self.study.seeds)


def run_study(study: Study, options: RunOptions) -> int:
    """Run every trial that has no record yet, or the one that the options name, and compact the records.

    Returns:
        The exit code: 0 if every wanted trial has a complete record, 1 if some have not, 128 + signal if interrupted.

    Raises:
        StudyError: If the results folder holds another plan, another driver works on it, or the Ray head is not
            reachable.
        silhouette.errors.InputError: If a person's own data are damaged, or not on the machine that trains on them.
    """
    options.check()
    study = on_gpus(study, options.gpus)
    if study.experiment:
        load_experiment(study.experiment)  # a wrong name is reported here once, not as a failure of every trial
    check_keep(study.experiment, study.keep)
    if options.address:
        check_head(options.address, HEAD_RETURN_SECONDS if predecessor() or in_batch_job(options.address) else 0.0)
    store, deadline = Store(options.results, study.name), Deadline()
    study = load_selection(study, store)
    check_plan(study, store)
    check_additions(study, store, mixed_code=options.allow_mixed_code, extend=options.extend)
    budget = check_budget(options, store)
    _check_data(study, store, options)
    last_act = partial(_last_act, store, options)
    try:
        driver = _driver(store, options)
        with driver as lock, interruptible(deadline, _announce_end, last_act):
            confirmed = _run_phases(study, store, options, lock, deadline, budget)
            _compact(store)
    except Interrupted as interruption:
        _print_resume(options, interruption)
        if len(store.trial_ids()) <= MAX_UNCOMPACTED:  # copying more would take longer than a preempted machine has
            _compact(store)
        interruption.ended_in_order()
        return interruption.code
    if options.only is not None:
        return only_exit_code(store, options.only)
    return 1 if confirmed is None else _exit_code(confirmed, store, options)


def _driver(store: Store, options: RunOptions) -> DriverLock | SharedLock:
    if options.shared:
        return SharedLock(store, options.command or CALL)
    return DriverLock(store, options.command or CALL, predecessor=predecessor())


def _check_data(study: Study, store: Store, options: RunOptions) -> None:
    """Check a person's own data and code, unless no trial is left that needs them."""
    if study.experiment or not (own_datasets(study.start_arms) or study.plugins):
        return
    if read_study_state(study, store).to_run:
        check_own_data(study.start_arms, here=options.address is None)
        check_own_code(study.start_arms, study.tuning, here=options.address is None)


def _run_phases(
    study: Study,
    store: Store,
    options: RunOptions,
    lock: DriverLock | SharedLock,
    deadline: Deadline,
    budget: Budget | None,
) -> Confirmed | None:
    """Run both phases, or one trial alone; returns the study as it was confirmed, None where it was not."""
    description = declare_budget(options.budget, adopt_plan(study, store, _provenance(options)), store)
    with RunSession(study, store, options, lock, description, deadline, budget) as session:
        if options.only is not None:
            run_only(study, session, options.only)
            return None
        if isinstance(lock, SharedLock):
            return _share_phases(study, session, lock.claims, description)
        ready = study if study.tuning is None else tune_and_freeze(study, session, description)
        if ready is None:
            return None
        confirm(ready, session)
        confirmed = _confirmed(ready, session)
        session.complete_view(lambda: confirmed.state(store).counts())
        return confirmed


def _confirmed(study: Study, session: RunSession) -> Confirmed:
    """The study after its confirm phase, with what its seeds have decided; says how many comparisons are."""
    if study.stop is None:
        return Confirmed(study, None)
    found = session.decider().ask(raise_if_interrupted)
    note_decisions(found, session.store)
    session.print(f"{study.name}: {found.line()}")
    return Confirmed(study, found)


def _share_phases(
    study: Study, session: RunSession, claims: Claims, description: Mapping[str, Any]
) -> Confirmed | None:
    """Run what no other driver runs; returns as `_run_phases`."""
    ready: Study | None = study
    if study.tuning is not None:
        claim_search(claims, lambda: session.store.read_json(FROZEN) is not None, session.print)
        ready = tune_and_freeze(study, session, description)
        claims.release(SEARCH)
    if ready is None:
        return None
    confirm_shared(ready, session, claims)
    return _confirmed(ready, session)


def _provenance(options: RunOptions) -> dict[str, Any]:
    return {**git_state(), "versions": versions(), "command": options.command or CALL}


def _exit_code(confirmed: Confirmed, store: Store, options: RunOptions) -> int:
    study, state = confirmed.study, confirmed.state(store)
    if options.shared and state.to_run and living_sharers(store):
        print_lines(f"{study.name}: {state.summary()}; the rest runs in other processes, `ablate status` shows them")
        return 0
    sweep(store, {trial_id for trial_id, status in state.status.items() if status in FINISHED})
    sweep_claims(store)
    if state.incomplete:
        _print_incomplete(study, state, options)
    return 1 if state.incomplete else 0


def _print_incomplete(study: Study, state: StudyState, options: RunOptions) -> None:
    print_error(f"{study.name}: no complete record of {len(state.incomplete)} of {counted(len(state.wanted), 'trial')}")
    for line in failures(state.incomplete, state.status, state.errors):
        print_error(line)
    print_error(f"to retry the failed trials: {options.again}")


def _announce_end(interruption: Interrupted) -> None:
    """The first line after a signal, at once."""
    print_lines(
        f"interrupted ({interruption}): saving checkpoints, which takes at most {GRACE_SECONDS:g} s; "
        "a second signal ends the run at once"
    )


def _print_resume(options: RunOptions, interruption: Interrupted) -> None:
    print_lines(f"interrupted ({interruption}); finished trials are kept. To resume: {options.again}")


def _last_act(store: Store, options: RunOptions, interruption: Interrupted) -> None:
    """Release the study. Called if the shutdown takes too long."""
    _print_resume(options, interruption)
    with suppress(OSError):
        store.delete(DRIVER)


def _compact(store: Store) -> None:
    """Copy the records into one file. If that fails, print one line: no record is lost."""
    try:
        store.compact()
    except OSError as error:
        print_error(f"{store.study}: records not compacted ({error}); `ablate compact {store.study}` does it later")
