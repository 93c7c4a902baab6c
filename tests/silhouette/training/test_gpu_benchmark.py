"""The benchmark of GPUs, in small and on a CPU: every row is there, and what it counts is counted right."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from silhouette.training.encoders import Network

FOLDER = Path(__file__).parents[3] / "benchmarks"
NAMES = ("gpu", "gpu_training", "gpu_packing", "loss", "timing")
WAYS = ("bare loop", "bare loop, fastest kernels", "DataLoader", "Training", "Training, streamed", "Training, CE + Sil")


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module
    for name in NAMES:
        sys.modules.pop(name, None)


BARE = """
import runpy, sys
sys.path.insert(0, {folder!r})
sys.argv = ["gpu.py", "--device", "cpu", "--quick"]
runpy.run_path("{folder}/gpu.py", run_name="__main__")
print(*({lacking!r} & {{name.partition(".")[0] for name in sys.modules}}), file=sys.stderr)
"""
LACKING = {
    "jinja2", "joblib", "matplotlib", "mlflow", "optuna", "pandas", "pyarrow", "pytorch_metric_learning", "ray", "rich",
    "scipy", "sklearn",
}  # fmt: skip
"""Packages that a bare machine lacks."""


def run(*arguments):
    command = [sys.executable, *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def rows(text):
    """The cells of every row of the tables, without their heads."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [row for row in cells if not row[0].startswith("-") and row[0] not in ("network", "B", "trials")]


def test_the_command_prints_every_row_on_a_cpu_with_the_packages_that_its_page_names():
    done = run("-c", BARE.format(lacking=LACKING, folder=str(FOLDER)))
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == ""  # none of those is imported
    assert done.stdout.startswith("no GPU: cpu, 1 threads, torch ")
    found = rows(done.stdout)
    training = [row for row in found if len(row) == 6]
    assert [row[1] for row in training] == [*WAYS] * 3
    assert {row[0].split()[0] for row in training} == {"small_cnn", "resnet18", "efficientnet_b0"}
    assert all(float(row[2]) > 0 for row in training)
    losses = [row for row in found if len(row) == 5]
    assert [row[1] for row in losses] == ["SupCon", "naive", "euclidean", "sqeuclidean", "cosine"] * 2
    assert [row[0] for row in found if len(row) == 3] == ["1", "2"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_a_gpu_the_command_ends_with_one_line():
    done = run(str(FOLDER / "gpu.py"))
    assert done.returncode == 2
    assert "--device: torch finds no GPU here; give --device cpu --quick" in done.stderr
    assert "Traceback" not in done.stderr


def test_time_in_which_several_kernels_run_counts_once(benchmark):
    covered = benchmark("gpu_training").covered
    assert covered([(5, 6), (0, 2), (1, 3), (1, 2)]) == 4
    assert covered([]) == 0


def test_all_ways_take_the_same_steps(benchmark, tmp_path, monkeypatch):
    monkeypatch.setenv("SILHOUETTE_DATA", str(tmp_path))
    gpu = benchmark("gpu_training")
    size = gpu.Size("small_cnn", 8, 5, 4)
    args = SimpleNamespace(device="cpu", amp="none", quick=True, workers=0, data=gpu.make_data(tmp_path, [size]))
    forward, batches = Network.forward, []

    def counted(network, images):
        batches.append(len(images))
        return forward(network, images)

    monkeypatch.setattr("silhouette.training.encoders.Network.forward", counted)
    for build in gpu.ways(size, args).values():
        epoch = build()
        batches.clear()
        epoch()
        assert batches == [5] * 4


def test_a_row_says_why_it_has_no_numbers(benchmark):
    gpu, args = benchmark("gpu_training"), SimpleNamespace(device="cpu", quick=True, repeats=1)

    def failing(error):
        def build():
            raise error

        return build

    assert gpu.attempt("naive", failing(torch.OutOfMemoryError("CUDA out of memory")), args) == "out of memory"
    assert gpu.attempt("cosine, compiled", failing(RuntimeError("no triton")), args) == "not compiled (RuntimeError)"
    with pytest.raises(RuntimeError, match="another fault"):
        gpu.attempt("naive", failing(RuntimeError("another fault")), args)
