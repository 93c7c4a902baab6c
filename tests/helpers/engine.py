"""Both phases of a small study, trained in this process: the driver's side and the workers without Ray."""

import pickle
from dataclasses import dataclass, field

from ablations.design.study import make_study
from ablations.driver.confirm import make_confirm_trials
from ablations.driver.controller import make_controller
from ablations.state.pending import read_study_state
from ablations.workers.seed_group import SeedGroup
from ablations.workers.spec import RunContext
from search_spaces import Interval
from silhouette.results import Store
from tests.helpers.comparing import comparable_fields
from tests.helpers.pretend import PRETEND

PHASES = ("tune", "confirm")
EPOCHS, SEEDS = 8, (70, 71)
LR = Interval(1e-3, 1e-1, log=True)


def small_study(phase, lr=LR, experiment=PRETEND, grace=1, fixed=(), treated=()):
    """Two arms and three seeds. The tune phase has four candidates of two tuning seeds for each arm.

    Args:
        phase: Whether there is a tune phase; without one, trials are confirmed with their config as it is.
        lr: Where learning rates are searched.
        experiment: What a trial trains.
        grace: Epochs of the first rung of the search.
        fixed: Further settings of all arms.
        treated: Further settings of the second arm.
    """
    tuning = {"nuisance": {"lr": lr}, "settings": 4, "seeds": SEEDS, "grace": grace, "reduction": 2}
    return make_study(
        {
            "name": "s",
            "question": "Does it help?",
            "treatments": {"CE": {"lambda_sil": 0.0}, "CE+Sil": {"lambda_sil": 0.2, **dict(treated)}},
            "fixed": {"epochs": EPOCHS, **dict(fixed)},
            "baseline": "CE",
            "seeds": (0, 1, 2),
            "experiment": experiment,
            **({"tuning": tuning} if phase == "tune" else {}),
        }
    )


@dataclass
class Phase:
    """One phase of a study, as its records say how far it has come.

    Attributes:
        name: `tune` or `confirm`.
        folder: Of the results.
        study: The study.
        checkpoint_seconds: Least time between two checkpoints.
    """

    name: str
    folder: str
    study: object = None
    checkpoint_seconds: float = 0.0
    store: Store = field(init=False)

    def __post_init__(self):
        self.study = self.study or small_study(self.name)
        self.store = Store(str(self.folder), "s")
        self.restart()

    def restart(self):
        """Forget all that a driver knows, and read it from the store, as the next driver does."""
        store = self.store
        context = RunContext(
            store.uri, "s", checkpoint_seconds=self.checkpoint_seconds, experiment=self.study.experiment
        )
        if self.name == "tune":
            self.source = make_controller(self.study, store, context)
        else:
            self.source = make_confirm_trials(read_study_state(self.study, store).to_run, context)
        return self

    def group(self):
        """A worker with the next group."""
        return SeedGroup(self.source.context, self.source.next())

    def train(self, workers=1, steps=None, driver_died=False):
        """Train what is left, as that many workers in turn; returns the number of steps.

        Args:
            workers: How many groups train at once.
            steps: End after so many steps, as a SIGKILL of driver and workers does.
            driver_died: The driver dies during the last step, and the workers die after it.
        """
        live, done = [], 0
        while self.source.left or live:
            while len(live) < workers and self.source.left:
                live.append(self.group())
            for group in list(live):
                if done == steps:
                    if driver_died:
                        group.step()
                    return done
                done += 1
                if self.deliver(group, group.step()):
                    live.remove(group)
        return done

    def finish(self, group):
        """Train a group to its end; returns its last report."""
        while not self.deliver(group, report := group.step()):
            pass
        return report

    def deliver(self, group, report):
        """The driver takes a report, as Ray hands it over; returns True if the group has ended."""
        report = pickle.loads(pickle.dumps(report))
        if (stop_at := self.source.take(group.spec, report)) is not None:
            group.stop(stop_at)
        return report.ended

    def rows(self):
        """The records, ordered by what identifies them."""
        rows = self.store.load().to_pylist()
        return sorted(rows, key=lambda row: (row["arm"], row["tune_number"] or 0, row["seed"]))

    def comparable_rows(self):
        return [comparable_fields(row) for row in self.rows()]

    def rows_of(self, group):
        """The records of one group."""
        ids = {trial.trial_id for trial in group.spec.trials}
        return [comparable_fields(row) for row in self.rows() if row["trial_id"] in ids]
