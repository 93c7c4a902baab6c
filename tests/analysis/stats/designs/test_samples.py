"""Noise of the test set: bits, crossed variances against statsmodels and by hand, McNemar, churn, bounds."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from analysis.stats.designs.samples import churn, crossed_difference, mcnemar, sample_error_bound

RNG = np.random.default_rng(11)


def right(n, samples, share=0.75):
    return RNG.random((n, samples)) < share


def test_variances_are_those_of_the_two_way_analysis():
    a, b = right(4, 30), right(4, 30, 0.6)
    gaps = a.astype(float) - b
    rows = [(s, i, gaps[s, i]) for s in range(4) for i in range(30)]
    frame = pd.DataFrame(rows, columns=["seed", "sample", "gap"])
    table = sm.stats.anova_lm(ols("gap ~ C(seed) + C(sample)", frame).fit())
    seed, sample, rest = table["mean_sq"]
    found = crossed_difference(a, b)
    assert found.estimate == pytest.approx(gaps.mean())
    assert found.rest_variance == pytest.approx(rest)
    assert found.sample_variance == pytest.approx(max(0, (sample - rest) / 4))
    assert found.seed_variance == pytest.approx(max(0, (seed - rest) / 30))
    assert found.error**2 == pytest.approx((seed + max(0, sample - rest)) / 120)


def test_error_of_the_seeds_is_that_of_the_t_interval():
    a, b = right(5, 200), right(5, 200)
    found = crossed_difference(a, b)
    assert found.error_seeds == pytest.approx(stats.sem(a.mean(1) - b.mean(1)))
    assert found.error >= found.error_seeds


def test_seeds_that_agree_leave_the_noise_of_the_samples_alone():
    """Every seed gives the same predictions: then n seeds are one, and the error is that of McNemar's difference."""
    a, b = np.tile(right(1, 400), (6, 1)), np.tile(right(1, 400), (6, 1))
    found, gaps = crossed_difference(a, b), a[0].astype(float) - b[0]
    assert found.error_seeds == 0
    assert found.error == pytest.approx(stats.sem(gaps))
    assert found.df == pytest.approx(399)
    interval = found.interval()
    assert interval.high - interval.low == pytest.approx(2 * stats.t.isf(0.025, 399) * stats.sem(gaps))


def test_nothing_that_varies_gives_nothing():
    same = np.tile(right(1, 50), (3, 1))
    assert crossed_difference(same, same) is None
    assert crossed_difference(right(1, 50), right(1, 50)) is None
    with pytest.raises(ValueError, match="bits: both arms need the same seeds and samples"):
        crossed_difference(right(3, 50), right(3, 51))


def test_mcnemar_is_that_of_statsmodels():
    a, b = right(1, 300)[0], right(1, 300, 0.68)[0]
    table = [[int((x & y).sum()) for y in (b, ~b)] for x in (a, ~a)]
    found = mcnemar(a, b)
    assert found.p == pytest.approx(reference_mcnemar(table, exact=True).pvalue)
    assert (found.only_treatment, found.only_baseline) == (table[0][1], table[1][0])
    assert mcnemar(a, a).p == 1


def test_churn_is_the_mean_over_all_pairs_of_seeds():
    rows = right(5, 80)
    pairs = [(rows[i] != rows[j]).mean() for i in range(5) for j in range(i)]
    assert churn(rows) == pytest.approx(np.mean(pairs))
    assert churn(rows[:1]) is None


@pytest.mark.parametrize(("a", "b"), [(0.75, 0.75), (0.9, 0.8), (0.99, 0.97), (0.3, 0.2)])
def test_the_bound_is_reached_where_the_errors_never_coincide(a, b):
    samples = 1000
    first, second = np.arange(samples) < a * samples, np.arange(samples) >= samples - round(b * samples)
    gaps = first.astype(float) - second
    assert sample_error_bound(first.mean(), second.mean(), samples) == pytest.approx(gaps.std() / math.sqrt(samples))
    mixed = right(1, samples, a)[0].astype(float) - right(1, samples, b)[0]
    assert mixed.std() <= math.sqrt(samples) * sample_error_bound(a, b, samples) * 1.1


def test_the_interval_for_both_is_never_narrower_than_that_for_seeds():
    rng, narrower = np.random.default_rng(6), 0
    for _ in range(200):
        a, b = rng.random((4, 300)) < rng.normal(0.7, 0.03, (2, 4))[:, :, None].repeat(300, 2)
        if found := crossed_difference(a, b):
            interval = found.interval()
            seeds = stats.t.isf(0.025, 3) * found.error_seeds
            assert interval.high - interval.estimate >= seeds - 1e-12
            narrower += stats.t.isf(0.025, found.df) * found.error < seeds
    assert narrower > 0
