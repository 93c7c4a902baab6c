"""A study of arms with known effects that stops when it is decided, trained in this process without Ray."""

from collections import deque
from types import SimpleNamespace

from ablations.design.plan import adopt_plan
from ablations.design.study import make_study
from ablations.driver.confirm import make_confirm_trials
from ablations.driver.decider import Decider
from ablations.driver.seed_gate import make_seed_gate
from ablations.state.pending import read_study_state
from ablations.workers.seed_group import SeedGroup
from ablations.workers.spec import RunContext
from silhouette.results import Store
from tests.helpers.comparing import comparable_fields
from tests.helpers.known_effect import KNOWN_EFFECT

GAINS = (0.0, 4.0, 1.5, 0.1)
"""In SDs of the paired differences: decided soon, decided later, never decided with few seeds."""


def make_known(max_seeds=16, gains=GAINS, **changes):
    """A study of arms that differ by known gains; the first one is the baseline."""
    return make_study(
        {
            "name": "known",
            "question": "Which gain is better?",
            "experiment": KNOWN_EFFECT,
            "factors": {"gain": gains},
            "baseline": {"gain": gains[0]},
            "metric": "test_score",
            "direction": "max",
            "stop": "decided",
            "seeds": range(5),
            "max_seeds": max_seeds,
            **changes,
        }
    )


class Run:
    """A driver and its workers, one process for all; a context manager, as the driver's session is.

    Attributes:
        said: Lines that it printed.
        begun: Arm and seed of each trial in the order in which they began.
    """

    def __init__(self, folder, study=None):
        self.study, self.store = study or make_known(), Store(str(folder), "known")
        self.said, self.begun = [], []
        adopt_plan(self.study, self.store, {})
        context = RunContext(self.store.uri, "known", checkpoint_seconds=0.0, experiment=self.study.experiment)
        self.context = context

    def __enter__(self):
        self.decider = Decider(self.store).__enter__()
        session = SimpleNamespace(decider=lambda: self.decider, print=self.said.append)
        state = read_study_state(self.study, self.store)
        self.gate = make_seed_gate(self.study, session, state)
        needed = state.needed(self.gate.decisions.wanted, self.study.seeds)
        self.trials = make_confirm_trials(needed.to_run, self.context, [self.gate])
        return self

    def __exit__(self, *exc):
        self.decider.__exit__(None, None, None)

    def train(self, workers=1, steps=None, slow=()):
        """Train what is left, as that many workers in turn; returns True if nothing is left.

        Args:
            workers: How many trials run at once.
            steps: End after so many trials have ended, as a SIGKILL does.
            slow: Arm and seed of trials that end only when nothing else runs.
        """
        live, ended = deque(), 0
        while True:
            while len(live) < workers and (spec := self.trials.next()) is not None:
                self.begun.append((spec.arm, spec.trials[0].seed))
                live.append(SeedGroup(self.trials.context, spec))
            if not live:
                return self.trials.left == 0
            if ended == steps:
                return False
            group = next((g for g in live if (g.spec.arm, g.spec.trials[0].seed) not in slow), live[0])
            live.remove(group)
            while not (report := group.step()).ended:
                pass
            self.trials.take(group.spec, report)
            ended += 1

    def rows(self):
        rows = sorted(self.store.load().to_pylist(), key=lambda row: (row["arm"], row["seed"]))
        return [comparable_fields(row) for row in rows]

    def seeds(self):
        """Number of records of each arm."""
        found = {}
        for row in self.store.load(("arm", "seed")).to_pylist():
            found[row["arm"]] = found.get(row["arm"], 0) + 1
        return found
