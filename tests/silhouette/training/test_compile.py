"""`torch.compile` and memory: what a plain call cannot show."""

import subprocess
import sys

import pytest
import torch

from silhouette import MomentumMemory, QueueMemory, SoftSilhouetteLoss, Training, TrialConfig

DISTANCES = ("euclidean", "sqeuclidean", "cosine")


def compare(backend, distance, softmin):
    loss = SoftSilhouetteLoss(distance=distance, softmin=softmin, num_classes=6, reduction="macro")
    z, labels = torch.randn(24, 5, requires_grad=True), torch.randint(5, (24,))  # class 5 stays absent
    compiled = torch.compile(loss, fullgraph=True, backend=backend)  # fullgraph: a graph break is an error
    torch.testing.assert_close(compiled(z, labels), loss(z, labels))
    gradients = [torch.autograd.grad(f(z, labels), z)[0] for f in (compiled, loss)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("distance", DISTANCES)
def test_compiles_to_one_graph(distance):
    compare("aot_eager", distance, "mean")


@pytest.mark.parametrize("memory", [MomentumMemory, QueueMemory])
def test_a_memory_compiles_to_one_graph(memory):
    plain, compiled = (
        SoftSilhouetteLoss(num_classes=6, memory=memory(6, 5), class_counts=[9, 5, 4, 3, 2, 1], class_prior=1.0)
        for _ in range(2)
    )
    run = torch.compile(compiled, fullgraph=True, backend="aot_eager")
    for first in (0, 3):  # the second batch lacks the classes of the first
        z, labels = torch.randn(24, 5, requires_grad=True), torch.randint(first, first + 3, (24,))
        values = [loss(z, labels) for loss in (run, plain)]
        torch.testing.assert_close(*values)
        torch.testing.assert_close(*[torch.autograd.grad(value, z)[0] for value in values])
    for got, want in zip(compiled.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.slow
@pytest.mark.parametrize("distance", DISTANCES)
def test_compiled_code_gives_the_same(distance):
    compare("inductor", distance, "sum")


@pytest.mark.slow
def test_a_compiled_trial_trains():
    training = Training(TrialConfig(epochs=1, width=4, lambda_sil=0.1, compile=True), 0)
    plain = Training(TrialConfig(epochs=1, width=4, lambda_sil=0.1), 0)
    assert training.step()["train_loss"] == pytest.approx(plain.step()["train_loss"], rel=1e-3)


PEAK = """
import torch
from silhouette import SoftSilhouetteLoss
from silhouette.training.machine import peak_memory, reset_peak_memory
torch.set_num_threads(1)
cpu = torch.device("cpu")
for distance, samples, classes in (("euclidean", 3000, 100), ("sqeuclidean", 16384, 1000), ("cosine", 16384, 1000)):
    loss = SoftSilhouetteLoss(distance=distance, num_classes=classes)
    z = torch.randn(samples, 64, requires_grad=True)
    y = torch.randint(classes, (samples,))
    loss(z[:256], y[:256]).backward()
    reset_peak_memory(cpu)
    before = peak_memory(cpu)
    loss(z, y).backward()
    print(peak_memory(cpu) - before)
"""


def test_peak_memory():
    out = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True).stdout
    euclidean, *fast = map(int, out.split())
    assert 0 < euclidean < 3 * 4 * 3000**2  # three B × B buffers in float32
    assert 0 < max(fast) < 400e6
