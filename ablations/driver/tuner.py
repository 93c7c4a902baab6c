"""A run on Ray Tune: what the tune phase and the confirm phase share."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from ablations.cluster.node_check import check_nodes
from ablations.cluster.on_demand import on_demand_fallback
from ablations.cluster.resources import TrialResources
from ablations.cluster.session import ray_session
from ablations.console.live import LiveDisplay, print_error
from ablations.console.status import StatusTable
from ablations.design.study import TRAINING
from ablations.driver.interrupts import raise_if_interrupted
from ablations.driver.options import RunOptions, trial_resources
from ablations.errors import StudyError
from ablations.state.compaction import compacting
from ablations.tracking.mirror import Mirror
from ablations.tracking.mlflow_runs import MlflowRuns

if TYPE_CHECKING:
    from ablations.driver.callbacks import LossListener
    from ablations.driver.feed import Feed, FirstCome

MAX_PRELOADING_WORKERS = 16
"""Workers that import torch while they start; each takes about 0.3 GB of memory."""


@contextmanager
def watched(
    options: RunOptions,
    table: StatusTable,
    view: MlflowRuns,
    spec_of: Callable[[str], Mapping[str, Any]],
    driver: Mapping[str, Any],
    experiment: str | None = None,
) -> Iterator[tuple[LiveDisplay, Mirror, TrialResources]]:
    """A Ray, a display, an MLflow mirror, and what a trial takes of that Ray, for as long as trials run.

    Of a large study the records are compacted meanwhile.

    Args:
        options: How to run.
        table: What the display shows.
        view: What the mirror feeds.
        spec_of: What the worker of a trial was sent, by trial_id.
        driver: Who holds the study's lock; what the nodes of a cluster must see and run.
        experiment: `module:Class` that the trials run; None for the training of this project.
    """
    with (
        _mirrored(table, view, spec_of) as (display, mirror),  # first, so that MLflow is imported while Ray starts
        ray_session(options.address, preload_modules(options, experiment)),
        compacting(view.store, lambda: table.ended),
    ):
        if options.address:
            check_nodes(view.store, driver, options.labels, print_error)
        share = trial_resources(options)
        if not share.fits():
            if not options.address:
                raise StudyError(f"--gpus-per-trial: this machine cannot hold a trial of {share}; lower it")
            display.note(f"no node offers {share} yet: waiting for the cluster to grow")
        with on_demand_fallback(share, display.note) if options.address else nullcontext():
            yield display, mirror, share


def preload_modules(options: RunOptions, experiment: str | None) -> tuple[str, ...]:
    """Return the modules that the workers of a local Ray import while they start.

    Ray starts a worker for each CPU. Where many of them would get no trial, none imports anything before it needs it.
    """
    if options.cpus > 1 or (os.cpu_count() or 1) > MAX_PRELOADING_WORKERS:
        return ()
    return ("ablations.workers.trainable", (experiment or TRAINING).partition(":")[0])


@contextmanager
def _mirrored(
    table: StatusTable, view: MlflowRuns, spec_of: Callable[[str], Mapping[str, Any]]
) -> Iterator[tuple[LiveDisplay, Mirror]]:
    with LiveDisplay(table) as display:
        mirror = Mirror(view, spec_of, display.note)
        mirror.start()
        try:
            yield display, mirror
        finally:
            if not mirror.close(table.counts()):
                display.note(f"the MLflow view is not complete; `ablate sync {view.store.study}` completes it")


def fit(
    trainable: Any,
    share: TrialResources,
    listener: LossListener,
    feed: Feed,
    *,
    count: int,
    scheduler: FirstCome | None = None,
) -> None:
    """Run Tune to its end in reused actors and without a word of its own.

    Args:
        trainable: A class trainable with `reset_config`.
        share: What a trial takes of the cluster.
        listener: The callback that is told of every report.
        feed: The `Feed` of its trials.
        count: How many there are at most.
        scheduler: First come, first served by default, without early stopping.

    Raises:
        Interrupted: If a signal has come, once Tune has ended in order.
        StudyError: If a worker refuses to run trials.
    """
    from ray import tune

    from ablations.driver.callbacks import WORKER_DEATHS
    from ablations.driver.feed import FirstCome

    raise_if_interrupted()
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # what failed is in the records
    with tempfile.TemporaryDirectory(prefix="ablate-") as scratch:
        tune.Tuner(
            tune.with_resources(trainable, share.request()),
            tune_config=tune.TuneConfig(
                search_alg=feed,
                scheduler=scheduler or FirstCome(),
                num_samples=count,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="trials",
                storage_path=scratch,  # Tune's own files are scratch: the records are the state
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=WORKER_DEATHS),
                # Tune's default for a class saves at the end, into a folder that only the driver's machine has
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                callbacks=[listener],
            ),
        ).fit()
    raise_if_interrupted()
