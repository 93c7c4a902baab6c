"""The benchmark of the loss, in small: every form for unequal classes has an entry, and runs."""

import importlib
import sys
from pathlib import Path

import pytest

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
