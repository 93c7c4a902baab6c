"""The confirm phase: train every trial that has no record, in running order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ablations.cluster.resources import ConcurrencyLimit, TrialResources
from ablations.console.status import StatusTable, TrialUpdate
from ablations.design.arms import Trial
from ablations.design.study import Study
from ablations.driver.budget.gate import BudgetGate
from ablations.driver.budget.hold import check_nodes_priced, make_budget_gate, note_dropped, slots_of
from ablations.driver.gates import Gate
from ablations.driver.interrupts import is_interrupted
from ablations.driver.options import RunOptions
from ablations.driver.seed_gate import make_seed_gate
from ablations.driver.session import RunSession
from ablations.formatting import counted
from ablations.state.pending import StudyState, read_study_state, within_budget
from ablations.workers.spec import Report, RunContext, SeedGroupSpec, arm_specs, confirm_spec

WAIT_SECONDS = 0.2
"""How long a gate is waited for at once; in between the driver looks for signals."""


@dataclass
class ConfirmTrials:
    """The trials to run. None is stopped early: each one trains to its end.

    Attributes:
        context: What the workers share.
        waiting: Trials that have not begun.
        given_up: Ids of the trials on which Tune has given up once.
        gates: What says which of them may begin; without any, all of them in their order.
        live: Ids of the trials that run here.
    """

    context: RunContext
    waiting: deque[SeedGroupSpec]
    given_up: set[str] = field(default_factory=set)
    gates: Sequence[Gate] = ()
    live: set[str] = field(default_factory=set)

    @property
    def left(self) -> int:
        """Trials still to begin; none where no gate will open any more."""
        if not self.gates:
            return len(self.waiting)
        self.waiting = deque(spec for spec in self.waiting if all(gate.needs(spec) for gate in self.gates))
        opens = self.live or any(gate.wait(0) for gate in self.gates) or any(map(self.may_begin, self.waiting))
        return len(self.waiting) if opens else 0

    def may_begin(self, spec: SeedGroupSpec) -> bool:
        """Whether all gates are open for a trial."""
        return all(gate.needs(spec) and gate.may_begin(spec) for gate in self.gates)

    def next(self) -> SeedGroupSpec | None:
        """Return the next trial; None where none is left, or where none may begin before one that runs has ended."""
        while True:
            spec = self._first()
            if spec is not None or self.live or not self.waiting or is_interrupted():
                return spec
            if not any(gate.wait(WAIT_SECONDS) for gate in self.gates):
                return self._first()  # an answer may have come since

    def _first(self) -> SeedGroupSpec | None:
        spec = next(filter(self.may_begin, self.waiting), None)
        if spec is not None:
            self.waiting.remove(spec)
            self.live.add(spec.id)
        return spec

    def take(self, spec: SeedGroupSpec, report: Report) -> int | None:
        """Note the end of a trial; return None, since a confirm trial is never stopped early."""
        if report.ended:
            self.end(spec, report.status)
        return None

    def again(self, spec: SeedGroupSpec) -> bool:
        """Put a trial back on which Tune gave up; return False if that has happened before."""
        if spec.id in self.given_up:
            return False
        self.given_up.add(spec.id)
        self.live.discard(spec.id)
        self.waiting.append(spec)
        return True

    def end(self, spec: SeedGroupSpec, status: str) -> None:
        """Note the end of a trial. It may decide a comparison."""
        self.live.discard(spec.id)
        for gate in self.gates:
            gate.ended(spec, status)

    def name(self, spec: SeedGroupSpec) -> str:
        """Return the trial_id, which is in `ablate status` and names the record."""
        return spec.id

    def row(self, spec: SeedGroupSpec, report: Report) -> TrialUpdate:
        """Return what the display shows of a report."""
        record = report.records[0] if report.records else {"status": report.status}
        return TrialUpdate(spec.id, record if report.ended else None)


def make_confirm_trials(trials: Iterable[Trial], context: RunContext, gates: Sequence[Gate] = ()) -> ConfirmTrials:
    """The confirm phase of some trials.

    Args:
        trials: Those to run, in running order.
        context: What both phases share.
        gates: What says which of them may begin.
    """
    wanted = list(trials)
    arms = {trial.arm.label: trial.arm for trial in wanted}
    own = replace(context, arms=arm_specs(arms.values()))
    return ConfirmTrials(own, deque(map(confirm_spec, wanted)), gates=gates)


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
    state = within_budget(read_study_state(study, store), store)
    gate = make_seed_gate(study, session, state) if study.stop and only is None else None
    if gate is not None:
        state = state.needed(gate.decisions.wanted, study.seeds)
    to_run = [trial for trial in state.to_run if only in (None, trial.trial_id)]
    _announce(study, state, session)
    if to_run:
        metric, gates = study.watched, list[Gate]([gate] if gate is not None else [])
        budget = make_budget_gate(session.budget, store, to_run, gates) if session.budget is not None else None
        table = StatusTable(state.wanted, state.status, state.values(metric, store), metric, at_most=gate is not None)
        if gate is not None:
            gate.changed = lambda found: table.narrow(found.wanted, study.seeds)
        trials = make_confirm_trials(to_run, session.context(), [*gates, budget] if budget else gates)
        if budget is not None:
            budget.live = trials.live
        if trials.left:
            (run or session.run)(trials, table, partial(_limit, session.options, bool(gates), budget))
        if budget is not None:
            note_dropped(budget, study, store, session.print)


def _limit(
    options: RunOptions, gated: bool, budget: BudgetGate | None, resources: TrialResources
) -> Callable[[], int] | None:
    """How many trials may run or wait at once. Where gates decide which are needed, none waits for long."""
    jobs = options.jobs
    if budget is not None:
        budget.slots = slots_of(resources, jobs)
        check_nodes_priced(budget.budget, options)
    if not gated and budget is None:
        return None if jobs is None or not options.address else lambda: jobs  # a local Ray has the CPUs for no more
    limit = ConcurrencyLimit(resources, grows=options.address is not None)
    return limit if jobs is None else lambda: min(limit(), jobs)


def _announce(study: Study, state: StudyState, session: RunSession) -> None:
    if state.to_run:
        session.print(f"{study.name}: {'at most ' if study.stop else ''}{state.summary()}")
    else:
        count, where = counted(len(state.wanted), "trial"), session.store.root
        session.print(f"{study.name}: all {count} already have records in {where}; nothing to run")
