"""What a curve says of its levels: the largest losses, the range like the default, and when it says nothing."""

import numpy as np
import pytest
from scipy import stats

from analysis.stats.plateau import compare_with_best
from tests.helpers.studies import grid_plan, grid_value, write
from tests.helpers.synthetic import analysed, document


def curve_of(data, factor="tau_s", held="λ=0.2"):
    return next(c for c in data["sensitivity"]["curves"] if (c["factor"], c["held"]) == (factor, held))


def matrix_of(curve):
    seeds = sorted(curve["levels"][0]["values"], key=int)
    return np.array([[lv["values"][s] for lv in curve["levels"]] for s in seeds])


@pytest.fixture(scope="module")
def grid():
    return document(write(None, grid_plan(seeds=6), grid_value))


def line_of(text, start="τ\\_s (digits, λ=0.2)"):
    return next(line for line in text.splitlines() if line.startswith(start))


def test_each_level_has_the_largest_loss_that_the_data_allow(grid):
    curve = curve_of(grid[0])
    bounds = compare_with_best(matrix_of(curve))
    assert [lv["worse_by_at_most"] for lv in curve["levels"]] == pytest.approx(list(bounds.worse))
    assert [lv["better_by_at_most"] for lv in curve["levels"]] == pytest.approx(list(bounds.better))
    assert curve["plateau"] == [lv["value"] for lv in curve["levels"] if lv["better_by_at_most"] > 0]
    assert curve["error"] == pytest.approx(bounds.error)


def test_a_curve_is_never_called_a_plateau_but_gets_its_losses_with_level_seeds_and_scope(grid):
    data, text = grid
    line = line_of(text)
    assert "plateau" not in text.lower()
    assert "no level is significantly better" not in text
    for words in (
        "With 95 % confidence for all levels of this curve together",
        "The largest loss that the data allow for each level, against the best of the others (points)",
        "error pooled over the levels",
        "n = 6 seeds",
        "new seeds on the same data",
    ):
        assert words in line
    for lv in curve_of(data)["levels"]:
        assert f"{lv['value']:g}: {100 * lv['worse_by_at_most']:.2f}" in line
    assert "worse by at most" in text


def test_the_range_like_the_default_is_said_of_the_levels_tested_only():
    data, text = document(write(None, grid_plan(seeds=8) | {"sesoi": 0.05}, grid_value))
    assert "at each level tested from 0.03 to 1" in line_of(text)
    assert "of the default 0.1 from" not in text
    assert curve_of(data)["insensitivity_level"] == pytest.approx(0.95)  # levels on both sides of the default


def test_the_range_like_the_default_holds_alpha_as_a_whole():
    data = analysed(write(None, grid_plan(seeds=8) | {"sesoi": 0.008}, grid_value))
    curve = curve_of(data)
    values = matrix_of(curve)
    for i, lv in enumerate(curve["levels"]):
        d = values[:, i] - values[:, 1]
        low, high = stats.t.interval(0.95, 7, d.mean(), stats.sem(d)) if i != 1 else (0.0, 0.0)
        assert lv["insensitive"] == (low > -0.008 and high < 0.008)
    one_side = analysed(write(None, grid_plan(seeds=8, taus=(0.1, 0.3, 1.0)) | {"sesoi": 0.05}, grid_value))
    assert curve_of(one_side)["insensitivity_level"] == pytest.approx(0.9)


def test_three_seeds_are_named_fragile():
    _, text = document(write(None, grid_plan(seeds=3), grid_value))
    assert "n = 3 seeds, fragile" in line_of(text)


def test_nothing_is_said_of_the_best_level_without_all_planned_seeds():
    store = write(None, grid_plan(seeds=6), grid_value, lambda a, s, r: {"status": "failed"} if s == 5 else {})
    data, text = document(store)
    curve = curve_of(data)
    assert (curve["reason"], curve["error"]) == ("5 of 6 planned seeds; 1 failed", None)
    assert {lv["worse_by_at_most"] for lv in curve["levels"]} == {None}
    assert curve["insensitivity"] is None
    assert {cell["on_plateau"] for cell in data["sensitivity"]["shares"][0]["cells"]} == {False}
    assert "No cell is outlined" in text
    assert "No statement about the best level (5 of 6 planned seeds; 1 failed)." in line_of(text)


def test_levels_without_a_spread_say_so():
    plan = grid_plan(seeds=4)
    data, text = document(write(None, plan, lambda a, s, r: 0.5 + 0.01 * s))
    assert curve_of(data)["error"] is None
    assert "No statement about the best level (the differences have no spread)." in line_of(text)
