"""The benchmarks of the search, in small: they run, and say what they say for a reason."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks"


def load(name):
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def asha():
    return load("asha")


def test_recorded_curves_are_full_and_many(asha):
    curves = asha.load(asha.DATA)
    settings, seeds, epochs = curves.values.shape
    assert settings >= 60
    assert seeds >= 3
    assert epochs == 27
    assert asha.DATA.stat().st_size < 1_000_000
    assert curves.final.max() > 0.9


def test_replays_of_early_stopping(asha):
    found = {row["method"]: row for row in asha.replays(asha.load(asha.DATA), 20)}
    assert found["a"]["epochs"] == 1
    assert found["a"]["good_kept"] == 1
    assert found["c"]["epochs"] < 0.4
    assert found["c"]["good_kept"] >= 0.8
    assert found["a"]["bias"] > 2 * found["a"]["bias_error"]  # the winner's own number flatters it
    assert abs(found["c"]["bias"]) < 3 * found["c"]["bias_error"]


def test_seeds_apart_end_apart_and_seeds_together_do_not(asha):
    curves = asha.load(asha.DATA)
    dealt = asha.deal(curves, np.random.default_rng(0))
    share, _ = asha.partly_finished(curves, dealt)
    assert share > 0.3
    together = asha.seeds_together(curves, dealt)
    assert together == asha.seeds_together(curves, dealt)
    assert together.chosen in together.kept


def test_a_replay_without_noise_finds_the_best(asha):
    finals = np.linspace(0.5, 0.9, 12)
    curves = asha.Curves(finals[:, None, None] * np.ones((12, 6, 1)) - 0.1 / np.arange(1, 28))
    for row in asha.replays(curves, 5):
        assert row["best_kept"] == row["good_chosen"] == 1
        assert row["regret"] == pytest.approx(0)
        assert row["bias"] == pytest.approx(0)


def test_equal_arms_are_seldom_called_better_once_they_are_confirmed():
    calibration = load("calibration")
    found = calibration.rates(8)
    assert found["confirmed"] <= 1 / 8
    assert found["confirmed"] <= found["plain_baseline"]
    assert calibration.study(3) == calibration.study(3)


def test_curves_are_recorded_once(tmp_path, capsys):
    recorder = load("curves")
    recorder.FIXED |= {"epochs": 4, "train_fraction": 0.1}
    target = tmp_path / "curves.parquet"
    assert recorder.record(target, settings=2, seeds=1) == 2
    written = target.read_bytes()
    assert recorder.record(target, settings=2, seeds=1) == 2
    assert target.read_bytes() == written
    assert capsys.readouterr().out == "1/2 settings\n2/2 settings\n"
