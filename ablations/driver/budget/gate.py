"""A budget: which seed blocks may begin, and which are dropped because they do not fit. It does not use Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ablations.design.budgets.limits import Amounts, Budget
from ablations.driver.gates import Gate
from ablations.formatting import counted
from ablations.state.spending import HOUR, Spending
from ablations.workers.spec import SeedGroupSpec
from silhouette.results import Store

ASK_SECONDS = 1.0
"""An answer holds for so long, unless a trial ends: the cluster may have grown, and time passes."""


@dataclass(frozen=True)
class Running:
    """A trial of a block that has begun: what it takes, None where nothing is known, and when it began, at most now."""

    expected: Amounts | None
    began: float

    def rest(self, unit: str, now: float) -> float:
        """What it will still use: in hours without what has passed, else all that it takes, since no record has it."""
        if self.expected is None:
            return 0.0
        passed = (now - self.began) / HOUR
        if unit == "hours":
            return max(0.0, self.expected.hours - passed)
        late = max(1.0, passed / self.expected.hours) if self.expected.hours > 0 else 1.0
        return float(getattr(self.expected, unit)) * late


class BudgetGate:
    """Lets a seed block begin if all that it takes fits the rest of the budget; else drops it and all later ones.

    A block is one seed in all arms. The trials of a block that has begun all run, so that the arms stay paired. The
    first block begins without an estimate; the next ones wait until a trial has ended.

    Args:
        budget: The limits.
        spending: What has been used.
        trials: The confirm trials to run, in running order, with the epochs of each (None where not known).
        store: Where records are.
        slots: How many trials run at once.
        others: Further gates; what they do not need is not counted.
        clock: Seconds since 1970.

    Attributes:
        live: Ids of the trials that run here.
        held: Whether another driver runs the trial of an id.
        ended_by: The limit that dropped the rest; empty while none has.
        dropped: Seeds that were dropped.
        needed: Amount that the first dropped block would have taken, in the unit of that limit.
    """

    def __init__(
        self,
        budget: Budget,
        spending: Spending,
        trials: Iterable[tuple[SeedGroupSpec, float | None]],
        store: Store,
        slots: Callable[[], float] = lambda: float("inf"),
        others: Sequence[Gate] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.budget, self.spending, self.store = budget, spending, store
        self.slots, self.others, self.clock = slots, others, clock
        listed = list(trials)
        self.epochs = {spec.id: epochs for spec, epochs in listed}
        self.blocks: dict[int, dict[str, SeedGroupSpec]] = {}
        for spec, _ in listed:
            self.blocks.setdefault(_seed(spec), {})[spec.id] = spec
        self.live: Collection[str] = ()
        self._began: dict[str, float] = {}
        self.held: Callable[[str], bool] = lambda _: False
        self.begun: set[int] = set()
        self.dropped: list[int] = []
        self.ended_by, self.needed = "", 0.0
        self._asked_at = float("-inf")

    def needs(self, spec: SeedGroupSpec) -> bool:
        """Return False once the block of a trial is dropped."""
        return _seed(spec) not in self.dropped

    def may_begin(self, spec: SeedGroupSpec) -> bool:
        """Return True if the block of a trial has begun, or may begin now."""
        seed = _seed(spec)
        if seed not in self.begun and not self._may_begin_block(seed):
            return False
        if spec.id not in self.live:
            self._began[spec.id] = self.clock()
        return True

    def ended(self, spec: SeedGroupSpec, status: str) -> None:
        """Count what a trial has used."""
        self.blocks.get(_seed(spec), {}).pop(spec.id, None)
        for trial in spec.trials:
            if (row := self.store.record(trial.trial_id)) is not None:
                self.spending.add(row)
        self._asked_at = float("-inf")

    def wait(self, seconds: float) -> bool:
        """Return False: nothing but the end of a trial changes an answer."""
        return False

    def _may_begin_block(self, seed: int) -> bool:
        open_seeds = [s for s in self.blocks if s not in self.begun and s not in self.dropped and self.wanted(s)]
        if seed in self.dropped or (open_seeds and seed != open_seeds[0]):
            return False
        if self.clock() - self._asked_at < ASK_SECONDS:
            return False
        if any(self.held(i) for i in self.blocks[seed]):  # another driver has begun it
            self.begun.add(seed)
            return True
        if self._unknown(seed):
            if self.live:
                self._asked_at = self.clock()
                return False
            return self._begin_or_drop(seed, open_seeds, self._over({}))
        block = {spec.id: self._expected(spec) for spec in self.wanted(seed)}
        return self._begin_or_drop(seed, open_seeds, self._over(block))

    def _begin_or_drop(self, seed: int, open_seeds: Sequence[int], over: tuple[str, float] | None) -> bool:
        if over is None:
            self.begun.add(seed)
            return True
        self.ended_by, self.needed = over
        self.dropped += [s for s in self.blocks if s in open_seeds]
        return False

    def _over(self, block: Mapping[str, Amounts | None]) -> tuple[str, float] | None:
        """The first limit that a further block would exceed, and what the block takes of it; None if it fits."""
        now = self.clock()
        used = self.spending.used([(self._began.get(i, now), now) for i in self.live])
        committed = [
            Running(self._expected(spec), self._began.get(spec.id, now) if spec.id in self.live else now)
            for s in self.begun
            for spec in self.wanted(s)
        ]
        new = [amounts for amounts in block.values() if amounts is not None]
        for unit, limit in self.budget.limits.items():
            under_way = sum(run.rest(unit, now) for run in committed)
            adds = sum(float(getattr(amounts, unit)) for amounts in new)
            if unit == "hours":
                longest = max((amounts.hours for amounts in new), default=0.0)
                total = used.hours + max(longest, (under_way + adds) / max(1.0, self.slots()))
            else:
                total = float(getattr(used, unit)) + under_way + adds
            if total > limit * (1 + 1e-9) or (not new and total >= limit):
                return unit, adds
        return None

    def wanted(self, seed: int) -> list[SeedGroupSpec]:
        """The trials of a block that no record ends and no other gate has closed."""
        return [spec for spec in self.blocks[seed].values() if all(gate.needs(spec) for gate in self.others)]

    def is_cut(self, seed: int) -> bool:
        """Whether a trial of a dropped block has no record at all; one that failed has been run."""
        return any(spec.id not in self.spending.uses for spec in self.wanted(seed))

    def _expected(self, spec: SeedGroupSpec) -> Amounts | None:
        return self.spending.expected(spec.arm, self.epochs.get(spec.id))

    def _unknown(self, seed: int) -> bool:
        return any(self._expected(spec) is None for spec in self.wanted(seed))

    def line(self, bought: int, planned: int) -> str:
        """Say in one line that the budget has ended the study."""
        used = getattr(self.spending.used(), self.ended_by)
        show = self.budget.show
        return (
            f"the budget of {show(self.ended_by, self.budget.limits[self.ended_by])} ends the study after {bought} of "
            f"{counted(planned, 'seed')}, not the evidence: {show(self.ended_by, used)} used, and the next seed takes "
            f"about {show(self.ended_by, self.needed)}"
        )


def _seed(spec: SeedGroupSpec) -> int:
    return spec.trials[0].seed
