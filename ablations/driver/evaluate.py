"""`ablate evaluate`: measure further metrics on all trials that kept weights or embeddings; nothing trains."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ablations.cluster.node_check import check_nodes
from ablations.cluster.resources import usable_cpus
from ablations.cluster.session import check_head, ray_session
from ablations.cluster.tasks import run_tasks
from ablations.console.live import print_error
from ablations.design.plan import as_stored
from ablations.design.study import Study
from ablations.driver.evaluation_plan import Pending, check_rebuilds, make_measures, plan_evaluation
from ablations.driver.options import RunOptions, trial_resources
from ablations.errors import StudyError, first_line
from ablations.search.selection import load_selection
from ablations.state.lock import DriverLock
from ablations.state.provenance import source_digest
from ablations.workers.evaluating import EvaluationResult, EvaluationTask, evaluate_trial
from silhouette.evaluated import Evaluation, read_evaluations, write_evaluations
from silhouette.results import Store

FLUSH_SECONDS = 5.0
"""Least time between two writings of the values; what a killed driver may lose."""


@dataclass
class Evaluated:
    """What was measured.

    Attributes:
        pending: What was to be measured.
        computed: Values that were computed now.
        undefined: Those of them that are not finite, and so stand as missing.
        errors: Trials without a value, by metric and error.
    """

    pending: Pending
    computed: int = 0
    undefined: int = 0
    errors: Counter[str] = field(default_factory=Counter)


def evaluate_study(
    study: Study, options: RunOptions, names: Sequence[str], on_begin: Callable[[Pending], None] = lambda _: None
) -> Evaluated:
    """Measure metrics on every complete trial that kept weights or embeddings, where a value is missing.

    Args:
        study: The study, as its file and the command line define it.
        options: Results location, cluster, resources of a trial.
        names: `module:function` of each metric, from the command line.
        on_begin: Called before anything is computed.

    Raises:
        StudyError: One line, if a function cannot be used, nothing is kept, another driver works on the study, or
            the cluster does not answer.
    """
    options.check()
    measures, store = make_measures(names), Store(options.results, study.name)
    if not store.exists():
        raise StudyError(f"STUDY: {store.location} holds no records of it, got {study.name!r}")
    if options.address:
        check_head(options.address)
    study = load_selection(as_stored(study, store)[0], store)
    with DriverLock(store, options.command or "evaluate_study") as lock:
        log = EvaluationLog(store)
        pending = plan_evaluation(study, store, measures, log.values())
        check_rebuilds(study, pending)
        on_begin(pending)
        found = Evaluated(pending)
        if pending.tasks:
            with _workers(store, options, lock, len(pending.tasks)), log.written():
                _measure_all(pending.tasks, options, log, found)
    return found


def _measure_all(tasks: Sequence[EvaluationTask], options: RunOptions, log: EvaluationLog, found: Evaluated) -> None:
    resources = trial_resources(options)
    if options.gpus is not None and not any(task.rebuild and task.rebuild.experiment for task in tasks):
        resources = replace(resources, gpus=min(resources.gpus, 1.0))  # several processes train, one evaluates
    if options.gpus is None and not any(task.rebuild for task in tasks):  # only a network uses one
        resources = replace(resources, gpus=0.0)
    for place, answer in run_tasks(evaluate_trial, [(task,) for task in tasks], resources):
        if isinstance(answer, StudyError):
            raise answer
        lost = isinstance(answer, BaseException)  # its worker was lost again and again
        errors = {one.metric: first_line(answer) for one in tasks[place].measures} if lost else {}
        result = EvaluationResult(errors=errors) if lost else answer
        log.add(tasks[place], result)
        found.computed += len(result.values)
        found.undefined += sum(value is None for value in result.values.values())
        found.errors.update(f"{metric}: {error}" for metric, error in result.errors.items())


@contextmanager
def _workers(store: Store, options: RunOptions, lock: DriverLock, tasks: int) -> Iterator[None]:
    """Workers on the cluster, after a check of its nodes; or those of a local Ray."""
    if options.address:
        with ray_session(options.address):
            check_nodes(store, {**lock.holder, "sources": source_digest()}, options.labels, print_error)
            yield
        return
    wanted = max(1, min(options.jobs or tasks, tasks)) * options.cpus
    with ray_session(None, ("ablations.workers.evaluating",), max(options.cpus, min(usable_cpus(), wanted))):
        yield


class EvaluationLog:
    """The values of a study, written from time to time.

    Args:
        store: Its results.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._values = {(one.trial_id, one.metric): one for one in read_evaluations(store)}
        self._written_at, self._dirty = time.monotonic(), False

    def values(self) -> list[Evaluation]:
        """All values."""
        return list(self._values.values())

    def add(self, task: EvaluationTask, result: EvaluationResult) -> None:
        """Take what a worker measured of a trial."""
        now, kept = datetime.now(UTC).isoformat(timespec="seconds"), "last" if task.rebuild else "embeddings"
        for one in task.measures:
            if one.metric in result.values:
                value = result.values[one.metric]
                made = Evaluation(task.trial_id, one.metric, one.function, one.source_sha256, value, kept, now)
                self._values[task.trial_id, one.metric] = made
                self._dirty = True
        if self._dirty and time.monotonic() - self._written_at >= FLUSH_SECONDS:
            self.write()

    def write(self) -> None:
        """Write all values."""
        if self._dirty:
            write_evaluations(self.store, self.values())
        self._written_at, self._dirty = time.monotonic(), False

    @contextmanager
    def written(self) -> Iterator[None]:
        """Write what is there when the block ends, also by an error or a signal."""
        try:
            yield
        finally:
            self.write()
