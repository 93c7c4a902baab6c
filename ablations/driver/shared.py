"""The phases of a study that several drivers share: each takes the trials that no other has."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ablations.cluster.resources import ConcurrencyLimit, TrialResources
from ablations.console.status import StatusTable, TrialUpdate
from ablations.design.study import Study
from ablations.driver.budget.gate import BudgetGate
from ablations.driver.confirm import ConfirmTrials, confirm
from ablations.driver.interrupts import is_interrupted, raise_if_interrupted
from ablations.driver.session import RunSession
from ablations.state.claims import ENDED, FREE, HELD, Claims
from ablations.workers.spec import SeedGroupSpec
from silhouette.results import Store

SEARCH = "search"
"""Key of the claim on the tune phase: what a search proposes depends on all its results, so one driver runs it."""
STANDBY = "standby"
"""Key of the claim of the one idle driver that waits, to take over the trials of a driver that is lost."""
POLL_SECONDS = 1.0
Limit = Callable[[TrialResources], Callable[[], int] | None]


@dataclass
class SharedTrials(ConfirmTrials):
    """The trials to run; a trial begins here if this driver can claim it.

    Attributes:
        claims: This driver's claims.
        store: Where the records are.
        ended_elsewhere: Called with the record of each trial that another driver has finished.
    """

    claims: Claims = field(kw_only=True)
    store: Store = field(kw_only=True)
    ended_elsewhere: Callable[[dict[str, Any]], None] = field(kw_only=True)
    _looked_at: float = field(default=-POLL_SECONDS, init=False)

    def next(self) -> SeedGroupSpec | None:
        """Return a trial that this driver has just claimed; None if the others hold all that is left.

        Where gates decide which trials may begin, a driver without a trial waits here for the next one.
        """
        while True:
            spec = self._claim_next()
            if spec is not None or self.live or not (self.gates and self.left) or is_interrupted():
                return spec
            time.sleep(POLL_SECONDS)

    def _claim_next(self) -> SeedGroupSpec | None:
        if time.monotonic() - self._looked_at < POLL_SECONDS:
            return None
        with suppress(OSError):  # a folder that others change, or a store that does not answer for a moment
            present = self.store.trial_ids()
            for spec in list(self.waiting):
                if self.may_begin(spec) and self._is_free(spec, present) and self._claim(spec):
                    self.live.add(spec.id)
                    return spec
        self._looked_at = time.monotonic()
        return None

    def _claim(self, spec: SeedGroupSpec) -> bool:
        """Take a trial, unless it ended between the look at its record and the claim."""
        if not self.claims.take(spec.id):
            return False
        self.waiting.remove(spec)
        with suppress(OSError):
            return not self._has_ended(spec)
        return True

    def end(self, spec: SeedGroupSpec, status: str) -> None:
        """Note the end of a trial, for all drivers."""
        self.claims.release(spec.id, status)
        super().end(spec, status)

    def again(self, spec: SeedGroupSpec) -> bool:
        """Put a trial back on which Tune gave up, for all drivers; return False if that has happened before."""
        back = super().again(spec)
        if back:
            self.claims.release(spec.id)
        return back

    def any_free(self) -> bool:
        """Whether this driver could begin a trial now. Forgets trials that others have ended."""
        with suppress(OSError):
            present = self.store.trial_ids()
            return any(self.may_begin(spec) and self._is_free(spec, present) for spec in list(self.waiting))
        return False

    def _is_free(self, spec: SeedGroupSpec, present: set[str]) -> bool:
        if spec.id in present and self._has_ended(spec):
            self.waiting.remove(spec)
            return False
        state = self.claims.state(spec.id)
        if state == ENDED:
            self.waiting.remove(spec)
        return state == FREE

    def _has_ended(self, spec: SeedGroupSpec) -> bool:
        record = self.store.finished_record(spec.id)
        if record is None:
            return False
        self.claims.release(spec.id, record["status"])
        self.ended_elsewhere(record)
        for gate in self.gates:
            gate.ended(spec, record["status"])
        return True


def confirm_shared(study: Study, session: RunSession, claims: Claims) -> None:
    """Run those trials of a study that no other driver has taken.

    Args:
        study: The study, with its winners where it was tuned.
        session: Runs the trials.
        claims: This driver's claims.
    """

    def run(trials: ConfirmTrials, table: StatusTable, limit: Limit) -> None:
        def ended_elsewhere(record: dict[str, Any]) -> None:
            table.update(TrialUpdate(record["trial_id"], record))

        own = SharedTrials(
            trials.context, trials.waiting, gates=trials.gates, claims=claims, store=session.store,
            ended_elsewhere=ended_elsewhere,
        )  # fmt: skip
        for gate in own.gates:
            if isinstance(gate, BudgetGate):
                gate.live, gate.held = own.live, lambda key: claims.state(key) == HELD and key not in claims.mine
        run_shared(own, lambda: session.run(own, table, lambda own: limit(own) or as_many_as_run(own)), session.print)

    confirm(study, session, run=run)


def as_many_as_run(resources: TrialResources) -> Callable[[], int]:
    """The limit of trials at once. Tune would else ask for 200 ahead, and so claim them while others are idle."""
    return ConcurrencyLimit(resources, grows=False)


def run_shared(trials: SharedTrials, run: Callable[[], None], say: Callable[[str], None]) -> None:
    """Run trials until none is left, or until others hold the rest and one of them stands by.

    Args:
        trials: What is to run.
        run: Runs all trials that can be claimed.
        say: Prints one line.

    Raises:
        Interrupted: If a signal has come.
    """
    waits = False
    while trials.left:
        if trials.any_free():
            trials.claims.release(STANDBY)  # who works stands by for nobody
            waits = False
            run()
        elif trials.left and not waits:
            waits = trials.claims.take(STANDBY) or bool(trials.gates)
            if not waits:
                return
            say(f"{trials.left} left in other processes; this one stands by, in case one of them is lost")
        else:
            time.sleep(POLL_SECONDS)
            raise_if_interrupted()


def claim_search(claims: Claims, is_frozen: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Wait until this driver may run the search of a study, or until another has finished it.

    Args:
        claims: This driver's claims.
        is_frozen: Whether the search has finished.
        say: Prints one line.

    Raises:
        Interrupted: If a signal has come.
    """
    told = False
    while not is_frozen() and not claims.take(SEARCH):
        if not told:
            told = True
            say("another process runs the search; this one waits for its winners")
        time.sleep(POLL_SECONDS)
        raise_if_interrupted()
