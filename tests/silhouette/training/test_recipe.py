"""Trials of the CIFAR-LT recipe, with another network and tiny images so that they end in seconds."""

import pytest

from search_spaces import RECIPES
from silhouette import Training
from silhouette.config import make_config
from silhouette.metrics import shot_groups

SHORT = {"epochs": 1, "schedule": "constant", "warmup_epochs": 0, "lr": 0.01, "encoder": "mlp", "width": 1}
AS_CIFAR10 = {
    "dataset": "synthetic", "synthetic_classes": 10, "synthetic_per_class": 6250, "test_fraction": 0.2, "image_size": 4
}  # fmt: skip
"""Data with 5000 samples of each of ten classes to train on."""


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SILHOUETTE_DATA", str(tmp_path))


def test_the_record_of_a_trial_has_the_training_counts_of_the_papers():
    config = make_config({**RECIPES["cifar10_lt"].settings, **SHORT, **AS_CIFAR10})
    training = Training(config, 11, device="cpu", threads=1)
    training.step()
    result = training.result(test=False)
    assert result["status"] == "complete"
    assert result["class_train"] == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert {group: len(labels) for group, labels in shot_groups(result["class_train"]).items()} == {
        "many": 8, "medium": 2, "few": 0
    }  # fmt: skip
    assert result["val_top1"] is None
