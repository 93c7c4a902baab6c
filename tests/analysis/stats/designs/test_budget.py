"""What a budget buys: costs by hand, power against SciPy, statsmodels and simulated studies."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.stats.comparison import tost
from analysis.stats.designs.budget import (
    best_purchase,
    equivalence_margin,
    equivalence_power,
    purchases,
    sd_upper,
)
from analysis.stats.power import detectable


def test_the_upper_bound_of_an_sd_is_exceeded_by_one_in_five():
    assert sd_upper(2.0, 4) == pytest.approx(2 * math.sqrt(4 / stats.chi2.ppf(0.2, 4)))
    sds = np.random.default_rng(0).normal(0, 1, (20_000, 5)).std(axis=1, ddof=1)
    assert np.mean([sd_upper(s, 4) < 1 for s in sds]) == pytest.approx(0.2, abs=0.01)


def test_whole_blocks_are_bought_and_never_more_than_the_budget():
    found = purchases(100, 1.5, 0.3, treatments=2, most_datasets=6)
    assert [(p.datasets, p.seeds) for p in found] == [(1, 22), (2, 11), (3, 7), (4, 5), (5, 4), (6, 3)]
    assert all(p.cost == p.seeds * p.datasets * 3 * 1.5 <= 100 for p in found)
    assert purchases(8, 1.0, 0.3, treatments=2, most_datasets=6) == ()
    assert purchases(0.9, 0.1, 0.3, treatments=2, most_datasets=1)[0].seeds == 3  # 0.9 / 0.3 is 2.9999…


def test_each_purchase_is_planned_at_the_level_of_its_verdict():
    one = purchases(60, 1, 0.3, treatments=2, most_datasets=4)[3]
    assert one.detectable == pytest.approx(0.3 * detectable(5, 0.05 / 8))
    more = purchases(120, 1, 0.3, treatments=2, most_datasets=4)[3]
    assert more.detectable < one.detectable
    assert one.detectable_average < one.detectable


def test_the_average_over_datasets_is_found_as_often_as_planned():
    (one,) = purchases(24, 1, 1.0, treatments=1, most_datasets=2)[1:]
    rng, hits = np.random.default_rng(1), 0
    for _ in range(4000):
        d = rng.normal(one.detectable_average, 1, (2, one.seeds))
        error = math.sqrt((d.var(axis=1, ddof=1) / one.seeds).sum()) / 2
        hits += abs(d.mean()) / error > stats.t.isf(0.025, 2 * (one.seeds - 1))
    assert hits / 4000 == pytest.approx(0.8, abs=0.025)


@pytest.mark.parametrize(("n", "margin"), [(5, 1.5), (10, 1.0), (30, 0.5)])
def test_equivalence_is_found_as_often_as_the_power_says(n, margin):
    rng, hits = np.random.default_rng(2), 0
    for d in rng.normal(0, 1, (4000, n)):
        hits += tost(float(d.mean()), stats.sem(d), n - 1, margin) <= 0.05
    assert hits / 4000 == pytest.approx(equivalence_power(margin, n), abs=0.025)


@pytest.mark.parametrize("n", [5, 10, 40])
def test_the_margin_has_the_power_wanted(n):
    assert equivalence_power(equivalence_margin(n, 0.01), n, 0.01) == pytest.approx(0.8)


def test_the_most_data_sets_that_can_show_the_effect_are_chosen():
    found = purchases(100, 1, 0.3, treatments=1, most_datasets=6)
    best = best_purchase(found, 0.5)
    assert best.detectable <= 0.5
    assert all(p.detectable > 0.5 for p in found if p.datasets > best.datasets)
    assert best_purchase(found, 0.01) is None
