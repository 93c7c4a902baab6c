"""Measure further metrics on what one finished trial kept. Runs on a worker; knows nothing of Ray."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from ablations.errors import StudyError, first_line
from ablations.state.kept import DamagedFile, KeptSample, make_sample, read_sample, read_weights
from ablations.state.provenance import plugin_digest, plugin_sources
from ablations.workers.experiment import load_experiment
from silhouette.config import make_config
from silhouette.errors import InputError
from silhouette.metric_functions import as_number
from silhouette.registry import own
from silhouette.results import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    MetricFunction = Callable[[NDArray[np.float32], NDArray[np.int64]], Any]


@dataclass(frozen=True)
class Measure:
    """A metric to measure.

    Attributes:
        metric: Its name.
        function: Its name, `module:function` or a registered one; called with features (N, F) and labels (N,).
        source_sha256: Digest of its sources on the driver's machine.
    """

    metric: str
    function: str
    source_sha256: str


@dataclass(frozen=True)
class Rebuild:
    """How to make the network of a trial again, from its study.

    Attributes:
        experiment: Name of the experiment; None for the training of this project.
        config: Its config.
        seed: Its seed.
        threads: The thread count of its record.
    """

    experiment: str | None
    config: Mapping[str, Any]
    seed: int
    threads: int


@dataclass(frozen=True)
class EvaluationTask:
    """What a worker measures of one trial.

    Attributes:
        results: URI of the results.
        study: Name of the study.
        trial_id: The trial.
        measures: What to measure.
        data_sha256: Digest of the trial's data, from its record; None if it has none.
        test_pool_sha256: Digest of the indices of its test samples, from its record; None if it has none.
        plugins: Source digest of each plugin of its record, which its network is made of.
        rebuild: How to make its network again; None if its test embeddings were kept.
    """

    results: str = field(repr=False)  # may hold the keys of an object store
    study: str
    trial_id: str
    measures: tuple[Measure, ...]
    data_sha256: str | None = None
    test_pool_sha256: str | None = None
    plugins: Mapping[str, str | None] = field(default_factory=dict)
    rebuild: Rebuild | None = None


@dataclass(frozen=True)
class EvaluationResult:
    """What a worker measured of one trial.

    Attributes:
        values: Values by metric; None where one is not finite.
        errors: Error by metric, where a function raised one.
    """

    values: Mapping[str, float | None] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


class Unusable(Exception):
    """What a trial kept cannot be used; the others may be."""


def evaluate_trial(task: EvaluationTask) -> EvaluationResult:
    """Measure all metrics of a task.

    Raises:
        StudyError: If a function cannot be used for any trial: it is not importable here, differs from the driver's,
            or returns no number.
    """
    functions = {one.metric: _function(one) for one in task.measures}
    try:
        sample = _sample(task)
    except (DamagedFile, Unusable, InputError) as error:
        return EvaluationResult(errors=dict.fromkeys(functions, first_line(error)))
    values: dict[str, float | None] = {}
    errors: dict[str, str] = {}
    for one in task.measures:
        try:
            found = functions[one.metric](sample.features.copy(), sample.labels.copy())
        except (Exception, SystemExit) as error:  # a person's own function may fail in any way
            errors[one.metric] = f"{type(error).__name__}: {first_line(error)}"
        else:
            values[one.metric] = _number(one, found)
    return EvaluationResult(values, errors)


def _function(measure: Measure) -> MetricFunction:
    """The function as this node has it."""
    try:
        found: MetricFunction = own("metric", measure.function).function
        digest = _digest(measure.function)
    except ValueError as error:
        raise StudyError(f"--metric: {platform.node()}: {error}") from None
    if digest != measure.source_sha256:
        raise StudyError(
            f"--metric: {platform.node()} has other sources of {measure.function} ({digest}) than the driver "
            f"({measure.source_sha256}); install the same on all nodes"
        )
    return found


_digest = cache(plugin_digest)
"""Of the files that this worker has just imported; they may change while it works."""


def _number(measure: Measure, value: Any) -> float | None:
    try:
        return as_number(measure.function, value)
    except TypeError as error:
        raise StudyError(f"--metric: {error}") from None


def _sample(task: EvaluationTask) -> KeptSample:
    """The test sample that a trial kept, or the outputs of its network on test data that are read again."""
    store = Store(task.results, task.study)
    sample = read_sample(store, task.trial_id) if task.rebuild is None else _rebuilt(task, task.rebuild, store)
    if sample is None:
        raise Unusable("nothing is kept")
    if sample.indices is not None and task.test_pool_sha256 not in (None, _pool_digest(sample.indices)):
        raise Unusable("the kept samples are not the test samples of its record")
    return sample


def _pool_digest(indices: NDArray[np.int64]) -> str:
    """As `silhouette.data.splits.Split.test_pool_sha256`."""
    import numpy as np

    return hashlib.sha256(np.sort(indices).astype("<i8").tobytes()).hexdigest()


def _rebuilt(task: EvaluationTask, rebuild: Rebuild, store: Store) -> KeptSample:
    weights = read_weights(store, task.trial_id)
    if weights is None:
        raise Unusable("nothing is kept")
    here = plugin_sources(task.plugins)
    for name, before in task.plugins.items():
        if here[name] != before:
            raise Unusable(f"{name} is not what its record was trained with: source {before}, here {here[name]}")
    made: Any = load_experiment(rebuild.experiment)
    training = made(make_config(rebuild.config, made.Config), rebuild.seed, threads=rebuild.threads)
    now = training.result(test=False)
    for column in ("data_sha256", "test_pool_sha256"):
        before = getattr(task, column)
        if before is not None and now.get(column) != before:
            raise Unusable(f"{column}: the data are not those of its record")
    try:
        training.load_weights(weights)
        return make_sample(training.embeddings())
    except Exception as error:  # weights of another network, or the experiment's own code
        raise Unusable(f"{type(error).__name__}: {first_line(error)}") from None
