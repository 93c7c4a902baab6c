"""The benchmark of the loss, in small: every form for unequal classes has an entry, and runs."""

import importlib
import sys
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from silhouette import SoftSilhouetteLoss

FOLDER = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("loss")
    for name in ("loss", "timing"):
        sys.modules.pop(name, None)


def test_every_form_for_unequal_classes_has_an_entry(benchmark):
    size = (32, 8, 4)
    forms = benchmark.forms_of(size)
    for distance in ("euclidean", "sqeuclidean", "cosine"):
        for tail in ("mean", "macro", "counts", "momentum", "queue", "few"):
            assert f"{distance} + {tail}" in forms
    for form in forms:
        benchmark.build(form, size)()
    made = {tail: benchmark.silhouette(f"cosine + {tail}", 4, 8, "cpu") for tail in benchmark.TAIL}
    assert made["mean"].softmin == "mean"
    assert [made[tail].reduction for tail in ("mean", "macro", "counts")] == ["mean", "macro", "balanced"]
    assert made["counts"].class_prior == 1
    assert made["momentum"].memory.known.all()
    assert [made[tail].memory.least for tail in ("momentum", "queue", "few")] == [1, 1, 4]


class Counted(TorchDispatchMode):
    """Counts the operations of torch, which are what a small batch costs."""

    number = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.number += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("distance", ["euclidean", "sqeuclidean", "cosine"])
def test_a_small_batch_takes_fewer_operations_than_the_naive_form(benchmark, distance):
    torch.manual_seed(0)
    z, labels = torch.randn(64, 64), torch.arange(64) % 10

    def operations(loss):
        with Counted() as counted:
            loss(z.clone().requires_grad_(), labels).backward()
        return counted.number

    assert operations(SoftSilhouetteLoss(distance=distance)) < 0.85 * operations(benchmark.naive)
