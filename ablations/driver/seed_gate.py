"""Seeds until it is decided: which trials may begin, and which are not needed any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ablations.design.seeds.stopping import first_to_decide
from ablations.design.study import Study
from ablations.driver.decider import Decider
from ablations.driver.interrupts import raise_if_interrupted
from ablations.driver.session import RunSession
from ablations.state.decisions import Decisions, SeedState
from ablations.state.pending import StudyState
from ablations.workers.spec import SeedGroupSpec

AHEAD = 1
"""Seeds that may begin before the seed before them is judged, so that no worker waits for the slowest arm."""
PATIENCE = 30.0
"""Seconds that trials wait for an answer which decides whether they are needed; then they begin without it."""


class SeedGate:
    """Lets a trial begin while a comparison of its arm is open, and its seed is one of the next.

    Seeds before the first that can decide anything are always needed. After them one seed begins ahead of the answer:
    a worker that is free does not wait for the slowest trial of the seed before. Its record is kept in any case.

    Args:
        study: A study that stops when it is decided.
        decider: Asks what is decided.
        decisions: What is decided now.
        complete: Arm and seed of the trials with a complete record.
        say: Prints one line.

    Attributes:
        changed: Called with each new answer.
    """

    def __init__(
        self, study: Study, decider: Decider, decisions: Decisions, complete: Iterable[tuple[str, int]],
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.decider, self.decisions, self.say = decider, decisions, say
        self.changed: Callable[[Decisions], None] = lambda _: None
        self.place = {seed: n for n, seed in enumerate(study.seeds, 1)}
        self.first = first_to_decide(study)
        self._done: dict[str, set[int]] = {arm.label: set() for arm in study.arms}
        for arm, seed in complete:
            if arm in self._done and seed in self.place:
                self._done[arm].add(self.place[seed])
        self._asked = {self._key(c): c.seeds for c in decisions.comparisons}

    def needs(self, spec: SeedGroupSpec) -> bool:
        """Return False once every comparison of the arm is decided, or can be no more."""
        self._take_answer()
        return self._place(spec) <= self.decisions.wanted.get(spec.arm, 0)

    def may_begin(self, spec: SeedGroupSpec) -> bool:
        """Return True for the next seeds of an arm; while an answer is awaited, for those that it cannot spare."""
        place = self._place(spec)
        if place <= self.first:
            return True
        waits = self.decider.waits
        late = self._is_late(waits)
        return (waits is None or late) and place <= self._limit(spec.arm, late or bool(self.decider.error))

    @staticmethod
    def _is_late(waits: float | None) -> bool:
        return waits is not None and waits >= PATIENCE

    def ended(self, spec: SeedGroupSpec, status: str) -> None:
        """Ask again if the trial completes a seed of an open comparison, or if no later seed of it can count."""
        if status == "complete":
            self._done[spec.arm].add(self._place(spec))
        open_ones = [c for c in self.decisions.open if spec.arm in (c.treatment, c.baseline)]
        grown = [c for c in open_ones if self._common(c) > max(self._asked[self._key(c)], self.first - 1)]
        self._asked |= {self._key(c): self._common(c) for c in grown}
        if grown or (open_ones and status == "diverged"):
            self.decider.request()

    def wait(self, seconds: float) -> bool:
        """Wait for an answer that is under way."""
        waits = self.decider.waits
        if waits is None or self._is_late(waits):
            return False
        self.decider.wait(seconds)
        return True

    def _limit(self, arm: str, alone: bool) -> int:
        """The last place that may begin. Without an answer (`alone`) every comparison counts as open."""
        of_arm = [c for c in self.decisions.open if arm in (c.treatment, c.baseline)]
        seeds = max((max(c.seeds, self._common(c) if alone else 0) for c in of_arm), default=-1)
        return max(self.first, seeds + 1) + AHEAD if of_arm else 0

    def _common(self, c: SeedState) -> int:
        """The number of first seeds that both arms of a comparison have."""
        both = self._done[c.treatment] & self._done[c.baseline]
        return next((n - 1 for n in range(1, len(self.place) + 2) if n not in both), 0)

    def _take_answer(self) -> None:
        """Take the newest answer, and say what it decides."""
        found = self.decider.latest
        if found is None or found is self.decisions:
            return
        before = {self._key(c): c for c in self.decisions.comparisons}
        self.decisions = found
        for c in found.comparisons:
            if before[self._key(c)].needs_seeds and not c.needs_seeds:
                self.say(c.line)
        self.changed(found)

    def _place(self, spec: SeedGroupSpec) -> int:
        return self.place[spec.trials[0].seed]

    @staticmethod
    def _key(c: SeedState) -> tuple[str, str]:
        return c.treatment, c.baseline


def make_seed_gate(study: Study, session: RunSession, state: StudyState) -> SeedGate:
    """The gate of a study, with what its records decide now; says what is decided already.

    Args:
        study: A study that stops when it is decided, with its winners where it was tuned.
        session: Its run.
        state: Its trials and their records.

    Raises:
        Interrupted: If a signal has come.
        StudyError: If what is decided cannot be computed.
    """
    decisions = session.decider().ask(raise_if_interrupted)
    for c in decisions.comparisons:
        if not c.needs_seeds:
            session.print(c.line)
    complete = [(t.arm.label, t.seed) for t in state.wanted if state.status.get(t.trial_id) == "complete"]
    return SeedGate(study, session.decider(), decisions, complete, session.print)
