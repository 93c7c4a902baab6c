"""The confirm phase: train every trial that has no record, in running order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from ablations.cluster.resources import TrialResources
from ablations.console.status import StatusTable, TrialUpdate
from ablations.design.arms import Trial
from ablations.design.study import Study
from ablations.driver.session import RunSession
from ablations.formatting import counted
from ablations.state.pending import StudyState, read_study_state
from ablations.workers.spec import Report, RunContext, SeedGroupSpec, arm_specs, confirm_spec


@dataclass
class ConfirmTrials:
    """The trials to run. None is stopped early: each one trains to its end.

    Attributes:
        context: What the workers share.
        waiting: Trials that have not begun.
        given_up: Ids of the trials on which Tune has given up once.
    """

    context: RunContext
    waiting: deque[SeedGroupSpec]
    given_up: set[str] = field(default_factory=set)

    @property
    def left(self) -> int:
        """Trials still to begin."""
        return len(self.waiting)

    def next(self) -> SeedGroupSpec | None:
        """Return the next trial; None where none is left."""
        return self.waiting.popleft() if self.waiting else None

    def take(self, spec: SeedGroupSpec, report: Report) -> int | None:
        """Return None: a confirm trial is never stopped early."""
        return None

    def again(self, spec: SeedGroupSpec) -> bool:
        """Put a trial back on which Tune gave up; return False if that has happened before."""
        if spec.id in self.given_up:
            return False
        self.given_up.add(spec.id)
        self.waiting.append(spec)
        return True

    def end(self, spec: SeedGroupSpec, status: str) -> None:
        """Do nothing: nothing else depends on how a trial ends."""

    def name(self, spec: SeedGroupSpec) -> str:
        """Return the trial_id, which is in `ablate status` and names the record."""
        return spec.id

    def row(self, spec: SeedGroupSpec, report: Report) -> TrialUpdate:
        """Return what the display shows of a report."""
        record = report.records[0] if report.records else {"status": report.status}
        return TrialUpdate(spec.id, record if report.ended else None)


def make_confirm_trials(trials: Iterable[Trial], context: RunContext) -> ConfirmTrials:
    """The confirm phase of some trials.

    Args:
        trials: Those to run, in running order.
        context: What both phases share.
    """
    wanted = list(trials)
    arms = {trial.arm.label: trial.arm for trial in wanted}
    return ConfirmTrials(replace(context, arms=arm_specs(arms.values())), deque(map(confirm_spec, wanted)))


Runner = Callable[[ConfirmTrials, StatusTable, Callable[[TrialResources], Callable[[], int] | None]], None]
"""Runs trials; it gets the table to show, and what gives the limit of trials at once."""


def confirm(study: Study, session: RunSession, only: str | None = None, run: Runner | None = None) -> None:
    """Run the trials of a study that have no finished record.

    Args:
        study: The study, with its winners where it was tuned.
        session: Runs the trials.
        only: Id of the one trial that may run; None runs all.
        run: Runs them; None for the session itself.
    """
    store = session.store
    state = read_study_state(study, store)
    to_run = [trial for trial in state.to_run if only in (None, trial.trial_id)]
    _announce(study, state, session)
    if to_run:
        metric = study.watched
        table = StatusTable(state.wanted, state.status, state.values(metric, store), metric)
        jobs = session.options.jobs if session.options.address else None  # a local Ray has the CPUs for no more
        trials = make_confirm_trials(to_run, session.context())
        (run or session.run)(trials, table, lambda _: None if jobs is None else lambda: jobs)


def _announce(study: Study, state: StudyState, session: RunSession) -> None:
    if state.to_run:
        session.print(f"{study.name}: {state.summary()}")
    else:
        count, where = counted(len(state.wanted), "trial"), session.store.root
        session.print(f"{study.name}: all {count} already have records in {where}; nothing to run")
