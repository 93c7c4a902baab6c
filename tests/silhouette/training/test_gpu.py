"""A trial on an NVIDIA GPU: the same bits in every run, also after an interruption. Run with `make test-gpu`."""

import pytest
import torch

from silhouette.config import make_config
from silhouette.geometry.measure import Sample, measure
from silhouette.geometry.tiles import class_means
from silhouette.training.run import Training

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]
CONFIG = {"epochs": 4, "width": 8, "lambda_sil": 0.2}


def train(training):
    while not training.done:
        training.step()
    return training.result()


@pytest.mark.parametrize("memory", ["none", "momentum", "queue"])
def test_an_interrupted_trial_gives_the_same_bits(memory):
    config = make_config({**CONFIG, "class_memory": memory})
    whole = Training(config, 3, device="cuda")
    half = Training(config, 3, device="cuda")
    half.step()
    half.step()
    resumed = Training(config, 3, device="cuda")
    resumed.load_state_dict(half.state_dict())
    expected, found = train(whole), train(resumed)
    assert found["device"].startswith("cuda")
    for name in ("val_loss", "test_loss", "test_top1", "class_correct"):
        assert found[name] == expected[name]
    assert [point["train_loss"] for point in found["curve"]] == [point["train_loss"] for point in expected["curve"]]


def geometry(device):
    labels = torch.arange(600) % 6
    features = 2 * torch.eye(6)[labels] + torch.randn(600, 6, generator=torch.Generator().manual_seed(0)) / 2
    parts = (part.to(device) for part in (features, features, labels, torch.eye(6), class_means(features, labels, 6)))
    return measure(Sample(*parts), {"many": [0, 1], "medium": [2, 3, 4], "few": [5]})


def test_the_geometry_of_features_is_that_of_a_cpu():
    assert geometry("cuda") == pytest.approx(geometry("cpu"), abs=1e-4)
    assert geometry("cuda") == geometry("cuda")
