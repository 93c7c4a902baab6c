"""What both phases of a run share: one Ray session, one display, one MLflow mirror."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ablations.cluster.node_check import check_nodes
from ablations.cluster.on_demand import on_demand_fallback
from ablations.cluster.resources import TrialResources, usable_cpus
from ablations.cluster.session import ray_session
from ablations.console.live import LiveDisplay, print_error, print_lines
from ablations.console.status import StatusTable
from ablations.design.budgets.limits import Budget
from ablations.design.processes import processes
from ablations.design.study import TRAINING, Study
from ablations.driver.decider import Decider
from ablations.driver.interrupts import Deadline
from ablations.driver.options import RunOptions, threads_of, trial_resources
from ablations.errors import StudyError
from ablations.state.compaction import END_SECONDS, compacting
from ablations.state.lock import DriverIdentity, DriverLock
from ablations.state.provenance import git_state, plugin_sources, plugin_versions, source_digest
from ablations.state.sharing import SharedLock
from ablations.tracking.mirror import CLOSE_SECONDS, Mirror
from ablations.tracking.mlflow_runs import MlflowRuns, tracking_uri
from ablations.workers.records import shown_columns
from ablations.workers.spec import RunContext
from silhouette.results import Store

if TYPE_CHECKING:
    from ablations.driver.callbacks import BegunTrial, GroupSource

INCOMPLETE = "mlflow_incomplete.json"
"""In the study's folder while a driver logs to MLflow, and afterwards if something is missing in MLflow."""
MAX_PRELOADING_WORKERS = 16
"""Workers that import torch while they start; each takes about 0.3 GB of memory."""
COMPACT_SECONDS = 2.0
"""Seconds before the deadline at which the mirror must end, so that the records can be compacted after it."""
THREADS_RESERVE = 5.0
"""Seconds before the deadline at which the threads that end before the mirror must end."""


class RunSession:
    """Runs the groups of one phase after the other. Ray, display and mirror start with the first group.

    Args:
        study: The study.
        store: Where the records are.
        options: How to run.
        lock: Held by this driver; it publishes which trials run.
        description: Content of `study.json`.
        deadline: When the run must end.
        budget: What the study may use in all its runs.
    """

    def __init__(
        self,
        study: Study,
        store: Store,
        options: RunOptions,
        lock: DriverLock | SharedLock,
        description: Mapping[str, Any],
        deadline: Deadline,
        budget: Budget | None = None,
    ) -> None:
        self.experiment, self.keep, self.metric = study.experiment, study.keep, study.metric
        self.max_test_bits = study.max_test_bits
        self.plugins, self.processes = study.plugins, processes(study)
        self.store, self.options, self.lock, self.deadline = store, options, lock, deadline
        self.runs = MlflowRuns(tracking_uri(options.results, options.mlflow), store, description)
        self.budget = budget
        self.begun: dict[str, BegunTrial] = {}
        self.display: LiveDisplay | None = None
        self._decider: Decider | None = None
        self._stack = ExitStack()

    def __enter__(self) -> RunSession:
        """Start nothing: there may be nothing to run."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what has started, in order."""
        self._stack.__exit__(kind, error, trace)

    def decider(self) -> Decider:
        """Return what asks for the decisions on the study; it starts when it is first wanted."""
        if self._decider is None:
            self._decider = self._stack.enter_context(Decider(self.store))
        return self._decider

    def context(self) -> RunContext:
        """Return what all workers of the run share."""
        return RunContext(
            results=self.store.uri,
            study=self.store.study,
            threads=threads_of(self.options, self.processes),
            checkpoint_seconds=self.options.checkpoint_seconds,
            experiment=self.experiment,
            keep=self.keep,
            max_test_bits=self.max_test_bits,
            reports=self.metric,
            driver=self._identity() if self.options.address else None,
            **git_state(),
        )

    def _identity(self) -> DriverIdentity:
        plugins, versions = plugin_sources(self.plugins), plugin_versions(self.plugins)
        return {**self.lock.holder, "sources": source_digest(), "plugins": plugins, "plugin_versions": versions}

    def run(
        self,
        source: GroupSource,
        table: StatusTable,
        limit: Callable[[TrialResources], Callable[[], int] | None],
    ) -> None:
        """Run all groups of a phase.

        Args:
            source: The phase.
            table: What the display shows of it.
            limit: Gives, once Ray has started, how many groups may run or wait at once.

        Raises:
            Interrupted: If a signal has come, once all has ended in order.
            StudyError: If a node must not run trials, or this machine cannot hold one.
        """
        from ablations.driver.callbacks import ReportCallback, WorkerFailureCallback
        from ablations.driver.tuner import run_groups

        display = self._show(table)
        reports = ReportCallback(source, self.store, display, self.mirror, self.begun)
        self.lock.running = lambda: {*table.running(), *reports.open_trials()}
        try:
            run_groups(source, self.resources, limit(self.resources), [WorkerFailureCallback(source, display), reports])
        finally:
            reports.settle(lambda: self.deadline.left(COMPACT_SECONDS, COMPACT_SECONDS) > 0)

    def print(self, *lines: str) -> None:
        """Print lines, above the display where it is on."""
        for line in lines:
            print_lines(line) if self.display is None else self.display.note(line)

    def print_state(self) -> None:
        """Print the last state of a phase, before the display shows the next one."""
        if self.display is not None:
            self.display.note(self.display.line())

    def complete_view(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Complete the MLflow view from the records, if an earlier run left it incomplete and this one runs nothing.

        Args:
            counts: Gives the number of trials by status.
        """
        if self.display is None and self.store.read_json(INCOMPLETE) is not None:
            with self._mirrored(counts, print_lines):
                pass

    def _show(self, table: StatusTable) -> LiveDisplay:
        if self.display is None:
            self.display = self._start(table)
        elif self.display.table is not table:
            self.display.show_table(table)
        return self.display

    def _start(self, table: StatusTable) -> LiveDisplay:
        """Start what both phases share. A cluster is checked before anything is shown."""
        enter, address = self._stack.enter_context, self.options.address
        if address:
            enter(self._cluster(address))
        display = enter(LiveDisplay(table))
        self.mirror = enter(self._mirrored(self._counts, display.note))
        if not address:  # MLflow is imported while a local Ray starts
            cpus = self._local_cpus()
            enter(ray_session(None, preload_modules(self.options, self.experiment, cpus), cpus))
        self.resources = trial_resources(self.options, self.processes)
        enter(compacting(self.store, lambda: len(self.begun), lambda: self.deadline.left(END_SECONDS, THREADS_RESERVE)))
        self._check_fit(display)
        if address:
            enter(on_demand_fallback(self.resources, display.note, lambda: self.deadline.left(1.0, THREADS_RESERVE)))
        return display

    @contextmanager
    def _cluster(self, address: str) -> Iterator[None]:
        with ray_session(address):
            check_nodes(self.store, self._identity(), self.options.labels, print_error)
            yield

    def _local_cpus(self) -> int:
        """CPUs of a local Ray: those that this process may use, or fewer for `--jobs`."""
        usable, jobs = usable_cpus(), self.options.jobs
        return usable if jobs is None else min(usable, jobs * max(self.options.cpus, self.processes))

    def _check_fit(self, display: LiveDisplay) -> None:
        if self.resources.fits():
            return
        if not self.options.address:
            what = "--gpus-per-trial" if self.resources.gpus else "world_size"
            raise StudyError(f"{what}: this machine cannot hold a trial of {self.resources}; lower it")
        display.note(f"no node offers {self.resources} yet: waiting for new nodes")

    @contextmanager
    def _mirrored(self, counts: Callable[[], Mapping[str, int]], note: Callable[[str], None]) -> Iterator[Mirror]:
        """Start and close a mirror. A file marks the view as incomplete until MLflow has everything."""
        mirror = Mirror(self.runs, self._columns_of, note)
        with suppress(OSError):
            self.store.write_json({"study": self.store.study}, INCOMPLETE)
        if self.options.shared:  # many processes would write one database
            note(f"no MLflow view while the study is shared; `ablate sync {self.store.study}` makes it")
            yield mirror
            return
        mirror.start()
        try:
            yield mirror
        finally:
            if mirror.close(counts(), lambda: self.deadline.left(CLOSE_SECONDS, COMPACT_SECONDS)):
                with suppress(OSError):
                    self.store.delete(INCOMPLETE)
            else:
                note(
                    "the MLflow view is not complete; the next `ablate run` or "
                    f"`ablate sync {self.store.study}` completes it"
                )

    def _counts(self) -> Mapping[str, int]:
        return self.display.table.counts() if self.display else {}

    def _columns_of(self, trial_id: str) -> Mapping[str, Any]:
        return shown_columns(*self.begun[trial_id])


def preload_modules(options: RunOptions, experiment: str | None, cpus: int) -> tuple[str, ...]:
    """Return the modules that the workers of a local Ray import while they start.

    Ray starts a worker for each CPU. Where many of them would get no trial, none imports anything before it needs it.

    Args:
        options: How to run.
        experiment: Name of the study's experiment; None for the training of this project.
        cpus: CPUs of the local Ray.
    """
    if options.cpus > 1 or cpus > MAX_PRELOADING_WORKERS:
        return ()
    return ("ablations.workers.trainable", (experiment or TRAINING).partition(":")[0])
