"""Measure a metric on what one trial kept: the same from weights and from embeddings, and each fault is told."""

from dataclasses import replace

import numpy as np
import pytest

from ablations.design.study import make_study
from ablations.errors import StudyError
from ablations.state.kept import read_sample, write_kept
from ablations.state.provenance import plugin_digest
from ablations.workers.evaluating import EvaluationTask, Measure, Rebuild, evaluate_trial
from ablations.workers.spec import RunContext
from tests.helpers.engine import Phase
from tests.helpers.own_experiment import Descent


def spread(features, labels):
    """A metric whose value depends on every bit of its input."""
    return np.float32(features.std() + 1e-3 * labels.mean())


def shape(features, labels):
    """Whether a metric gets what is promised; it also changes what it gets."""
    assert (features.dtype, labels.dtype, features.ndim) == (np.float32, np.int64, 2)
    features[:] = 0
    return len(labels)


def infinite(features, labels):
    return float("inf")


def failing(features, labels):
    raise ZeroDivisionError("no\nsecond line")


def leaving(features, labels):
    raise SystemExit("left")


def text(features, labels):
    return "0.5"


def array(features, labels):
    return features[:2]


def nothing(features, labels):
    return None


class Kept(Descent):
    """An experiment with a config of its own, which keeps what it has learned."""

    def weights(self):
        return {"at": np.float64([self.at])}

    def load_weights(self, weights):
        self.at = float(weights["at"][0])

    def embeddings(self):
        return {"features": self.at * np.arange(8).reshape(4, 2), "labels": np.arange(4) % 2}


@pytest.fixture(scope="module", params=[None, "tests.helpers.pretend:Pretend", f"{__name__}:Kept"])
def trials(request, tmp_path_factory):
    """A trial of a real training, and one of a torch-free experiment."""
    return kept_both_ways(request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A trial of a real training."""
    return kept_both_ways(None, tmp_path_factory)


def kept_both_ways(experiment, tmp_path_factory):
    """Store and task of a trial that kept its weights, and of the same trial that kept its embeddings."""
    values = {"name": "s", "question": "?", "seeds": (3,), "experiment": experiment}
    if experiment == f"{__name__}:Kept":
        own = {"factors": {"method": ("plain", "momentum")}, "baseline": {"method": "plain"}, "fixed": {"epochs": 2}}
        own |= {"metric": "test_error", "direction": "min"}
    else:
        own = {"factors": {"lambda_sil": (0.0, 0.2)}, "baseline": {"lambda_sil": 0.0}}
        own |= {"fixed": {"dataset": "digits", "epochs": 2, "width": 4}}
    study = make_study({**values, **own})
    found = {}
    for keep in ("last", "embeddings"):
        phase = Phase("confirm", tmp_path_factory.mktemp(keep), study=study)
        phase.source.context = RunContext(**{**vars(phase.source.context), "keep": keep})
        phase.finish(phase.group())
        (row,) = phase.rows()
        rebuild = Rebuild(study.experiment, study.arms[0].config.model_dump(mode="json"), 3, row["threads"])
        sums = {name: row[name] for name in ("data_sha256", "test_pool_sha256")}
        measures = (measure("spread"), measure("shape"))
        task = EvaluationTask(phase.store.uri, "s", row["trial_id"], measures, **sums)
        found[keep] = phase.store, replace(task, rebuild=rebuild) if keep == "last" else task
    return found


def measure(name):
    function = f"{__name__}:{name}"
    return Measure(f"test_{name}", function, plugin_digest(function))


def only(task, *names):
    return replace(task, measures=tuple(map(measure, names)))


def test_weights_and_embeddings_give_the_same_bits(trials):
    store, task = trials["embeddings"]
    sample = read_sample(store, task.trial_id)
    expected = {"test_spread": float(spread(sample.features, sample.labels)), "test_shape": float(len(sample.labels))}
    for _, one in trials.values():
        found = evaluate_trial(one)
        assert (found.values, found.errors) == (expected, {})


def test_a_value_that_is_not_finite_is_missing(trials):
    found = evaluate_trial(only(trials["embeddings"][1], "infinite"))
    assert (found.values, found.errors) == ({"test_infinite": None}, {})


def test_a_function_that_fails_costs_its_own_value_only(trials):
    found = evaluate_trial(only(trials["embeddings"][1], "failing", "leaving", "shape"))
    assert list(found.values) == ["test_shape"]
    assert found.errors == {"test_failing": "ZeroDivisionError: no", "test_leaving": "SystemExit: left"}


@pytest.mark.parametrize(
    ("name", "got"), [("text", "str '0.5'"), ("array", "ndarray array"), ("nothing", "NoneType None")]
)
def test_what_is_no_number_is_one_line(trials, name, got):
    with pytest.raises(StudyError, match=rf"^--metric: {__name__}:{name} must return one number, got {got}") as caught:
        evaluate_trial(only(trials["embeddings"][1], name))
    assert "\n" not in str(caught.value)


def test_other_sources_than_the_drivers_are_refused(trials):
    task = trials["embeddings"][1]
    other = replace(task.measures[0], source_sha256="0" * 12)
    with pytest.raises(
        StudyError, match=r"--metric: .* has other sources of .*:spread \(\w{12}\) than the driver \(0+\)"
    ):
        evaluate_trial(replace(task, measures=(other,)))
    absent = Measure("test_x", "no_such_module:x", "0" * 12)
    with pytest.raises(StudyError, match=r"no_such_module:x: cannot be imported \(No module "):
        evaluate_trial(replace(task, measures=(absent,)))


@pytest.mark.parametrize("column", ["data_sha256", "test_pool_sha256"])
def test_a_network_is_not_measured_on_other_data(real, column):
    _, task = real["last"]
    found = evaluate_trial(replace(task, **{column: "0" * 64}))
    assert found.values == {}
    assert set(found.errors.values()) == {f"{column}: the data are not those of its record"}


def test_a_network_whose_plugin_has_changed_is_not_measured(real):
    _, task = real["last"]
    name = f"{__name__}:spread"
    here = plugin_digest(name)
    assert evaluate_trial(replace(task, plugins={name: here})).errors == {}
    found = evaluate_trial(replace(task, plugins={name: "0" * 12}))
    assert found.values == {}
    line = f"{name} is not what its record was trained with: source 000000000000, here {here}"
    assert set(found.errors.values()) == {line}


def test_kept_samples_of_another_test_pool_are_not_measured(real):
    _, task = real["embeddings"]
    found = evaluate_trial(replace(task, test_pool_sha256="0" * 64))
    assert set(found.errors.values()) == {"the kept samples are not the test samples of its record"}


@pytest.mark.parametrize("keep", ["last", "embeddings"])
def test_a_damaged_or_absent_file_costs_this_trial_only(trials, keep):
    store, task = trials[keep]
    other = replace(task, trial_id="f" * 16)
    assert set(evaluate_trial(other).errors.values()) == {"nothing is kept"}
    write_kept(store, "e" * 16, keep, b"damaged")
    found = evaluate_trial(replace(task, trial_id="e" * 16))
    assert found.values == {}
    assert all("e" * 16 in error for error in found.errors.values())
    store.delete("kept", f"{'e' * 16}.{'safetensors' if keep == 'last' else 'parquet'}")


def test_weights_of_another_network_cost_this_trial_only(real):
    _, task = real["last"]
    larger = replace(task.rebuild, config={**task.rebuild.config, "width": 8})
    found = evaluate_trial(replace(task, rebuild=larger))
    assert all(error.startswith("RuntimeError: Error(s) in loading state_dict") for error in found.errors.values())
