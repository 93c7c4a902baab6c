"""A trial on an NVIDIA GPU: the same bits in every run, and no wait within an epoch. Run with `make test-gpu`."""

import subprocess
import sys

import pytest
import torch

from silhouette import SoftSilhouetteLoss
from silhouette.config import make_config
from silhouette.data.feed import Feed
from silhouette.geometry.measure import Sample, measure
from silhouette.geometry.tiles import class_means
from silhouette.training.run import Training
from silhouette.training.step_log import StepLog

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]
several = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two NVIDIA GPUs")
CONFIG = {"epochs": 4, "width": 8, "lambda_sil": 0.2}
NAMES = ("val_loss", "test_loss", "test_top1", "class_correct")


def train(training):
    while not training.done:
        training.step()
    return training.result()


def same(found, expected):
    """Whether two results have the same bits, but for times and memory."""
    losses = [[point["train_loss"] for point in result["curve"]] for result in (found, expected)]
    return losses[0] == losses[1] and all(found[name] == expected[name] for name in NAMES)


def on(device="cuda", way=None, **settings):
    training = Training(make_config({**CONFIG, **settings}), 3, device=device)
    if way:
        training._feed = Feed(training._data.images, training._data.sha256, training.device, way)
    return training


SETTINGS = {
    "none": {},
    "momentum": {"class_memory": "momentum"},
    "queue": {"class_memory": "queue"},
    "crop_flip, bf16": {"transform": "crop_flip", "amp": "bf16", "channels_last": True},
    "autoaugment": {"transform": "autoaugment"},
    "fp16, clipped": {"amp": "fp16", "grad_clip": 0.5, "optimizer": "sgd", "lr": 0.01},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_an_interrupted_trial_gives_the_same_bits(name):
    whole, half, resumed = (on(**SETTINGS[name]) for _ in range(3))
    half.step()
    half.step()
    resumed.load_state_dict(half.state_dict())
    expected, found = train(whole), train(resumed)
    assert expected["device"] == torch.cuda.get_device_name()
    assert same(found, expected)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_trial_has_the_same_bits_wherever_its_images_lie(name):
    assert on()._feed.way == "resident"
    assert same(train(on(way="streamed", **SETTINGS[name])), train(on(way="resident", **SETTINGS[name])))


@pytest.mark.parametrize("way", ["resident", "streamed"])
@pytest.mark.parametrize("name", SETTINGS)
def test_no_step_waits_for_the_device(monkeypatch, name, way):
    training = on(way=way, **SETTINGS[name])
    training.step()
    read, views, strict = StepLog.read, training._views, []

    def strictly(*given):
        torch.cuda.set_sync_debug_mode("error")  # a wait raises from here on
        strict.append(None)
        return views(*given)

    def freely(log):
        torch.cuda.set_sync_debug_mode("default")
        read(log)

    monkeypatch.setattr(training, "_views", strictly)
    monkeypatch.setattr(StepLog, "read", freely)
    try:
        training.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(strict) > 10
    assert training.epoch == 2


def test_a_wait_in_a_step_is_seen(monkeypatch):
    training = on()
    monkeypatch.setattr(training, "_clip", lambda clip=training._clip: clip() * float(clip() > 0))
    training.step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        with pytest.raises(RuntimeError, match="synchronizing"):
            training._clip()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_scaler_leaves_out_steps_that_overflow():
    training = on(amp="fp16", optimizer="sgd", lr=0.01)
    training.scaler.load_state_dict({**training.scaler.state_dict(), "scale": 2.0**120})
    before = training.weights()["classifier.weight"]
    training.network.head[0].weight.register_hook(lambda g: g * float("inf"))
    training.step()
    assert training.status == "running"
    assert (training.weights()["classifier.weight"] == before).all()
    assert training.scaler.get_scale() < 2.0**120


def test_a_divergence_names_its_epoch():
    training = on()
    training.step()
    training.network.head[0].weight.register_hook(lambda g: g * float("nan"))
    training.step()
    assert training.error == "epoch 2: gradient norm is nan"


@pytest.mark.parametrize("distance", ["euclidean", "sqeuclidean", "cosine"])
def test_the_compiled_loss_equals_the_plain_one(distance):
    loss = SoftSilhouetteLoss(distance=distance, num_classes=10, validate=False).cuda()
    z, y = torch.randn(256, 64, device="cuda", requires_grad=True), torch.randint(10, (256,), device="cuda")
    values = [f(z, y) for f in (torch.compile(loss, fullgraph=True), loss)]
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*[torch.autograd.grad(value, z)[0] for value in values], rtol=1e-3, atol=1e-6)


def test_a_compiled_trial_trains_as_a_plain_one():
    compiled, plain = (on(epochs=1, compile=flag).step() for flag in (True, False))
    assert compiled["train_loss"] == pytest.approx(plain["train_loss"], rel=1e-3)


PACKED = """
from silhouette import Training, TrialConfig
training = Training(TrialConfig(**{config!r}), 3, device="cuda", threads=1)
while not training.done:
    training.step()
print(training.result()["test_loss"])
"""


def test_packed_trials_have_the_bits_of_one_alone():
    command = [sys.executable, "-c", PACKED.format(config=CONFIG)]
    alone = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    packed = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate()[0] for process in packed] == [alone] * 4


@several
def test_every_device_gives_the_same_bits_and_uses_its_own_memory():
    if torch.cuda.get_device_name(0) != torch.cuda.get_device_name(1):
        pytest.skip("needs two NVIDIA GPUs of one kind")
    first = train(on("cuda:0"))
    held = torch.cuda.memory_allocated(0)
    second = on("cuda:1")
    assert second._feed._resident.device.index == 1
    assert same(train(second), first)
    assert torch.cuda.memory_allocated(0) == held


def geometry(device):
    labels = torch.arange(600) % 6
    features = 2 * torch.eye(6)[labels] + torch.randn(600, 6, generator=torch.Generator().manual_seed(0)) / 2
    parts = (part.to(device) for part in (features, features, labels, torch.eye(6), class_means(features, labels, 6)))
    return measure(Sample(*parts), {"many": [0, 1], "medium": [2, 3, 4], "few": [5]})


def test_the_geometry_of_features_is_that_of_a_cpu():
    assert geometry("cuda") == pytest.approx(geometry("cpu"), abs=1e-4)
    assert geometry("cuda") == geometry("cuda")
