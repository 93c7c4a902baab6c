"""The geometry of features in a trial: on request, at its end, without an effect on anything else."""

import io

import pyarrow.parquet as pq
import pytest
import torch

from silhouette import Training, TrialConfig
from silhouette.config import ConfigError, make_config, trial_id
from silhouette.data import transforms
from silhouette.data.splits import load, make_split
from silhouette.geometry.names import COLUMNS, columns
from silhouette.geometry.retrieval import retrieve
from silhouette.loss.distances import unit
from silhouette.results import SCHEMA, Store
from silhouette.training.evaluation import Outputs

SMALL = {"epochs": 2, "width": 4, "imbalance": "long_tail", "imbalance_factor": 20, "lambda_sil": 0.2}
LONG_TAIL_GROUPS = {"shot_many": 60, "shot_few": 20}


def trained(**settings):
    training = Training(TrialConfig(**{**SMALL, "metrics": ("geometry",), **settings}), 0)
    while not training.done:
        training.step()
    return training


@pytest.fixture(scope="module")
def measured():
    torch.manual_seed(0)
    return trained(**LONG_TAIL_GROUPS)


def test_every_column_is_measured_and_nothing_else_changes(measured):
    result, without = measured.result(), trained(metrics=(), **LONG_TAIL_GROUPS).result()
    assert all(isinstance(result[name], float) for name in COLUMNS)
    assert all(without[name] is None for name in COLUMNS)
    same = [name for name in without if name.startswith(("test_", "val_", "class_")) and name not in COLUMNS]
    assert {name: result[name] for name in same} == {name: without[name] for name in same}


def test_values_are_those_of_the_network(measured):
    """Nearest class means and neighbours, computed anew from the weights and the data."""
    config, network = measured.config, measured.network.eval()
    data = load(config)
    split = make_split(config, data, 0)

    def outputs(indices):
        with torch.no_grad():
            return network(transforms.to_input(config, torch.from_numpy(data.images[indices])))

    train, test = outputs(split.train), outputs(split.test)
    y, labels = torch.from_numpy(split.train_labels), torch.from_numpy(data.labels[split.test])
    means = torch.stack([train.features[y == c].mean(0) for c in range(10)])
    wrong = torch.cdist(test.features, means).argmin(1) != test.logits.argmax(1)
    result = measured.result()
    assert result["test_nc4"] == pytest.approx(float(wrong.float().mean()), abs=2 / len(labels))
    assert result["test_map_at_r"] == pytest.approx(retrieve(unit(test.features), labels).mean()[4], abs=1e-4)
    assert 0 < result["test_few_map_at_r"] < result["test_many_map_at_r"] <= 1


def test_the_tune_phase_measures_validation_data_only(measured):
    result = measured.result(test=False)
    assert all(result[name] is not None for name in columns("val"))
    assert all(result[name] is None for name in (*columns("test"), "test_top1"))
    assert result["val_nc1"] == measured.result()["val_nc1"]


def test_without_validation_data_its_columns_are_none():
    result = trained(val_fraction=0, epochs=1).result()
    assert all(result[name] is None for name in columns("val"))
    assert result["test_map_at_r"] > 0


def test_a_trial_that_has_not_ended_measures_nothing():
    training = Training(TrialConfig(**SMALL, metrics="geometry"), 0)
    training.step()
    assert all(training.result()[name] is None for name in COLUMNS)


def test_resume_gives_the_same_bits(measured):
    first = Training(measured.config, 0)
    first.step()
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    resumed = Training(measured.config, 0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    resumed.step()
    torch.manual_seed(999)
    got, want = resumed.result(), measured.result()
    assert {name: got[name] for name in COLUMNS} == {name: want[name] for name in COLUMNS}


def test_the_weights_of_a_probe_are_those_of_its_logits():
    labels = torch.arange(60) % 3
    features = torch.eye(5)[labels] + torch.rand(60, 5) * torch.tensor([1.0, 5, 1, 1, 0])
    outputs = Outputs(features, features, torch.zeros(60, 3), labels, torch.zeros(3, 5))
    probed = outputs.probed(outputs)
    rest = probed.logits - probed.features @ probed.weight.t()
    assert float(probed.logits.std(0).min()) > 1
    torch.testing.assert_close(rest, rest[:1].expand(60, 3), rtol=0, atol=1e-4)  # the bias


def test_a_simplex_as_classifier_is_compared_with_the_class_means():
    fixed = trained(classifier="etf", epochs=1).result()
    untrained = trained(classifier="etf", epochs=1, lr=1e-9).result()
    assert 0 < fixed["test_nc3"] < untrained["test_nc3"] < 4


def test_a_classifier_of_cosines_is_compared_by_the_directions_of_its_vectors():
    """Their lengths change no logit, so they may change no measure of the classifier either."""
    plain, scaled = (trained(classifier="cosine", epochs=1) for _ in range(2))
    with torch.no_grad():
        scaled.network.classifier.weight *= torch.linspace(0.1, 10, 10)[:, None]
    before, after = plain.result(), scaled.result()  # measured now
    assert after["test_top1"] == before["test_top1"]
    assert after["test_nc3"] == pytest.approx(before["test_nc3"], abs=1e-5)


def test_without_cross_entropy_the_probe_is_compared_with_the_class_means():
    result = trained(objective="center", lambda_sil=0, epochs=1).result()
    assert result["test_nc3"] is not None
    assert result["test_nc4"] < 0.9


def test_records_have_the_columns_only_where_they_are_measured(tmp_path, measured):
    store = Store(str(tmp_path), "s")
    store.write_record({"trial_id": "with", **measured.result()})
    store.write_record({"trial_id": "without", **measured.result(), **dict.fromkeys(COLUMNS)})
    for name, there in (("with", True), ("without", False)):
        names = pq.ParquetFile(tmp_path / "s" / "trials" / f"{name}.parquet").schema_arrow.names
        assert (set(COLUMNS) <= set(names), set(COLUMNS) & set(names) == set()) == (there, not there)
    for compacted in (False, True):
        rows = {row["trial_id"]: row for row in store.load(["trial_id", "test_map_at_r", "val_nc2"]).to_pylist()}
        assert rows["without"] == {"trial_id": "without", "test_map_at_r": None, "val_nc2": None}
        assert rows["with"]["test_map_at_r"] == measured.result()["test_map_at_r"]
        assert compacted or store.compact() == 2
    assert store.load().schema == SCHEMA


def test_the_field():
    assert TrialConfig().metrics == ()
    assert make_config({"metrics": "geometry"}) == make_config({"metrics": ["geometry", "geometry"]})
    assert trial_id(TrialConfig(metrics=()), 0, "confirm") == trial_id(TrialConfig(), 0, "confirm")
    with pytest.raises(ConfigError, match=r"^metrics: must be 'geometry' or module:function .*, got 'geom'$"):
        make_config({"metrics": "geom"})
    with pytest.raises(ConfigError, match=r"^metrics: .*, got 3$"):
        make_config({"metrics": 3})
