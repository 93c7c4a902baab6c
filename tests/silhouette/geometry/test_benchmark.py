"""The benchmark of the geometry, in small: every measure that it times runs."""

import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "benchmarks"


def test_every_measure_of_the_benchmark_runs(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    benchmark = importlib.import_module("geometry")
    try:
        runs = benchmark.measures("digits", "cpu")
        assert {name: run() for name, run in runs.items()}["all"]["nc4"] < 0.5
        assert set(runs) == {"distances", "retrieval", "NMI", "NC1 to NC4", "alignment", "uniformity", "all"}
    finally:
        for name in ("geometry", "timing"):
            sys.modules.pop(name, None)
