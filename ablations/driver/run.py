"""Ray Tune wiring: runs the trials that have no record, shows and mirrors them, and answers for the outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from ablations.cluster.resources import TrialResources
from ablations.cluster.session import check_head
from ablations.console.live import print_error, print_lines
from ablations.console.status import StatusTable, failures
from ablations.design.plan import adopt_plan, check_plan, note_winners
from ablations.design.study import Study
from ablations.driver.interrupts import Interrupted, interruptible
from ablations.driver.options import RunOptions
from ablations.driver.tune import tune_and_freeze
from ablations.driver.tuner import fit, watched
from ablations.formatting import counted
from ablations.search.selection import FILE as FROZEN
from ablations.search.selection import thaw
from ablations.state.checkpoints import sweep
from ablations.state.compaction import MAX_UNCOMPACTED
from ablations.state.lock import FILE as DRIVER
from ablations.state.lock import DriverLock
from ablations.state.pending import StudyState, read_study_state
from ablations.state.provenance import git_state, source_digest, versions
from ablations.tracking.mlflow_runs import MlflowRuns, tracking_uri
from ablations.workers.experiment import load_experiment
from ablations.workers.spec import Work, make_work
from silhouette.results import FINISHED, Store

if TYPE_CHECKING:
    from ablations.driver.listener import Listener

ROUNDS = 2
"""How often the trials are run that Tune gives up without a record."""


def run_study(study: Study, options: RunOptions) -> int:
    """Run what has no record yet, and compact the records.

    Returns:
        The exit code: 0 if every wanted trial has a complete record, 1 if some have not, 128 + signal if interrupted.

    Raises:
        StudyError: If the results folder holds another plan, another driver works on it, or no Ray head lets us in.
    """
    options.check()
    if study.experiment:
        load_experiment(study.experiment)  # here, so that a wrong name is bad input and not a failure of every trial
    if options.address:
        check_head(options.address)
    store = Store(options.results, study.name)
    study = thaw(study, store)
    check_plan(study, store)
    try:
        with DriverLock(store, options.command) as lock, interruptible(partial(_last_act, store, options)):
            description = adopt_plan(study, store, _provenance(options))
            if study.tuning is not None:
                confirmed = _tune_phase(study, store, options, lock)
                if confirmed is None:
                    _compact(store)
                    return 1
                frozen_hash = store.read_json(FROZEN)["hash"]
                study, description = confirmed, note_winners(confirmed, frozen_hash, description, store)
            plan = read_study_state(study, store)
            _announce(study, store, plan)
            if plan.to_run:
                _run_trials(study, store, plan, description, options, lock)
            _compact(store)
    except Interrupted as interruption:
        _go_on_with(options, interruption)
        _compact(store, at_most=MAX_UNCOMPACTED)  # more take longer than a machine that is taken back has
        return interruption.code
    plan = read_study_state(study, store)
    sweep(store, {trial_id for trial_id, status in plan.status.items() if status in FINISHED})
    return _answer(study, plan, options)


def _tune_phase(study: Study, store: Store, options: RunOptions, lock: DriverLock) -> Study | None:
    """The study with its winners; None if the search is not finished."""

    def watch(running: Callable[[], list[str]]) -> None:
        lock.running = running

    return tune_and_freeze(study, store, options, _common(study, store, options, lock), watch)


def _provenance(options: RunOptions) -> dict[str, Any]:
    return {**git_state(), "versions": versions(), "command": options.command}


def _announce(study: Study, store: Store, plan: StudyState) -> None:
    if plan.to_run:
        print_lines(f"{study.name}: {plan.summary()}")
    else:
        count = counted(len(plan.wanted), "trial")
        print_lines(f"{study.name}: all {count} already have records in {store.root}; nothing to run")


def _answer(study: Study, plan: StudyState, options: RunOptions) -> int:
    left = plan.incomplete
    if not left:
        return 0
    print_error(f"{study.name}: {len(left)} of {len(plan.wanted)} trials have no complete record")
    for line in failures(left, plan.status, plan.errors):
        print_error(line)
    print_error(f"to retry the failed trials: {options.command}")
    return 1


def _go_on_with(options: RunOptions, interruption: Interrupted) -> None:
    print_lines(f"interrupted ({interruption}); finished trials are kept. To resume: {options.command}")


def _last_act(store: Store, options: RunOptions, interruption: Interrupted) -> None:
    """What a driver does whose orderly end took too long: nobody must wait for it."""
    _go_on_with(options, interruption)
    with suppress(OSError):
        store.delete(DRIVER)


def _compact(store: Store, at_most: int | None = None) -> None:
    """Copy the records into one file, if there are not too many; it is but a copy, so nothing hangs on it."""
    try:
        if at_most is None or len(store.trial_ids()) <= at_most:
            store.compact()
    except OSError as error:
        print_error(f"{store.study}: records not compacted ({error}); `ablate compact {store.study}` does it later")


def _run_trials(
    study: Study, store: Store, plan: StudyState, description: Mapping[str, Any], options: RunOptions, lock: DriverLock
) -> None:
    from ablations.driver.listener import Listener

    table = StatusTable(plan.wanted, plan.status, plan.values(study.metric, store), study.metric)
    lock.running = table.running
    common = _common(study, store, options, lock)
    work = make_work(plan.to_run, common)
    messages = {trial.trial_id: work.message(trial) for trial in plan.to_run}
    view = MlflowRuns(tracking_uri(options.results, options.mlflow), store, description)

    def spec_of(trial_id: str) -> dict[str, Any]:
        return work.spec(messages[trial_id])

    with watched(options, table, view, spec_of, common["driver"], study.experiment) as (display, mirror, share):
        _run_rounds(list(messages.values()), work, share, Listener(store, work, display, mirror))


def _common(study: Study, store: Store, options: RunOptions, lock: DriverLock) -> dict[str, Any]:
    return {
        "results": store.uri,
        "study": store.study,
        "threads": options.cpus,
        "checkpoint_seconds": options.checkpoint_seconds,
        "experiment": study.experiment,
        "driver": {**lock.holder, "sources": source_digest()} if options.address else None,
        **git_state(),
    }


def _run_rounds(messages: list[str], work: Work, share: TrialResources, listener: Listener) -> None:
    """Run all, and once more what Tune gave up.

    A worker that dies between two trials fails both of the tasks that Tune has given it, and Tune may then give the
    next trial up although retries are left.
    """
    for _ in range(ROUNDS):
        run_on_tune(messages, work, share, listener)
        messages, listener.lost = listener.lost, []
        if not messages:
            return


def run_on_tune(
    messages: list[str], work: Work, share: TrialResources, listener: Listener, trainable: type | None = None
) -> None:
    """One Tune trial per message, first come first served, no early stopping.

    Args:
        messages: The trials, as `Work.message` writes them.
        work: What they share.
        share: What a trial takes of the cluster.
        listener: Told of every report.
        trainable: What runs a trial; `TrialTrainable` by default.
    """
    from ray import tune

    from ablations.driver.feed import Feed
    from ablations.workers.trainable import TrialTrainable

    left = iter(messages)
    fit(
        tune.with_parameters(trainable or TrialTrainable, work=work),
        share,
        listener,
        Feed("trial", lambda: next(left, None)),
        count=len(messages),
    )
