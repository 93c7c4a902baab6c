"""The one run of Ray Tune: every phase sends its seed groups through it."""

from __future__ import annotations

import logging
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ray import tune
from ray.tune import Callback
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from ablations.cluster.resources import TrialResources
from ablations.driver.callbacks import MAX_FAILURES, GroupSource
from ablations.driver.interrupts import raise_if_interrupted
from ablations.workers.trainable import SPEC, SeedGroupTrainable

if TYPE_CHECKING:
    from ray.tune.experiment import Trial as TuneTrial


class TrialQueue(Searcher):  # type: ignore[misc]  # Ray ships no types
    """What Tune calls a search algorithm: it asks for the next group whenever one can begin, and not before.

    The answer can therefore use the outcome of all groups that have ended. Tune's `grid_search` would copy the whole
    list of groups for each of them.

    Args:
        source: The phase that runs.
        limit: How many groups may run or wait at once; None leaves it to Tune, which keeps some waiting for resources.
    """

    def __init__(self, source: GroupSource, limit: Callable[[], int] | None = None) -> None:
        super().__init__()
        self.source, self.limit = source, limit
        self.live: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its parts for a restore, which is not used."""
        return {}

    def set_search_properties(self, metric: str | None, mode: str | None, config: Any, **spec: Any) -> bool:
        """Do nothing: there is nothing to set."""
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the next group, None while the limit is reached or other drivers hold the rest, or `FINISHED`."""
        if self.limit is not None and len(self.live) >= self.limit():
            return None
        spec = self.source.next()
        if spec is None and self.source.left and self.live:
            return None  # other drivers hold the rest; one of them may be lost
        if spec is None:
            return str(self.FINISHED)
        self.live.add(trial_id)
        return {SPEC: spec}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Called when a group has ended."""
        self.live.discard(trial_id)

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Do nothing: the records are the state."""


class ConstantTimeFIFO(FIFOScheduler):  # type: ignore[misc]  # Ray ships no types
    """First come, first served. Each choice takes constant time.

    Tune's own scheduler looks through all trials of the run for one that waits, several times for each report.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waiting: deque[TuneTrial] = deque()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its parts for a restore, which is not used."""
        return {}

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Called when a trial is new, and when it must begin again after its worker died."""
        self.waiting.append(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:
        """Return the trial that has waited longest."""
        while self.waiting and self.waiting[0].status != "PENDING":
            self.waiting.popleft()
        return self.waiting[0] if self.waiting else None


def run_groups(
    source: GroupSource,
    resources: TrialResources,
    limit: Callable[[], int] | None,
    callbacks: Sequence[Callback],
    trainable: type[SeedGroupTrainable] = SeedGroupTrainable,
) -> None:
    """Run every group of a phase to its end, and once more those on which Tune gives up.

    If a worker dies between two groups, both of its tasks fail. Tune may then give up on the next group although it has
    retries left.

    Args:
        source: The phase.
        resources: Of one group.
        limit: How many groups may run or wait at once; None leaves it to Tune.
        callbacks: Called for each report and failure.
        trainable: What runs a group.

    Raises:
        Interrupted: If a signal has come, once Tune has ended in order.
        StudyError: If a node must not run trials.
    """
    lost = -1
    while source.left and lost < len(source.given_up):
        lost = len(source.given_up)
        _fit(source, resources, limit, callbacks, trainable)


def _fit(
    source: GroupSource,
    resources: TrialResources,
    limit: Callable[[], int] | None,
    callbacks: Sequence[Callback],
    trainable: type[SeedGroupTrainable],
) -> None:
    raise_if_interrupted()
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # the records hold what failed
    with tempfile.TemporaryDirectory(prefix="ablate-") as scratch:
        tune.Tuner(
            tune.with_resources(tune.with_parameters(trainable, context=source.context), resources.request()),
            tune_config=tune.TuneConfig(
                search_alg=TrialQueue(source, limit),
                scheduler=ConstantTimeFIFO(),
                num_samples=source.left,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="trials",
                storage_path=scratch,  # Tune's own files are scratch: the records are the state
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
                # Tune's default for a class saves at the end, into a folder that only the driver's machine has
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                callbacks=list(callbacks),
            ),
        ).fit()
    raise_if_interrupted()
