"""Comparisons with the best: critical values against tables and SciPy, bounds by hand, and their coverage."""

import numpy as np
import pytest
from scipy import stats

from analysis.stats.designs.dunnett import dunnett_one_sided
from analysis.stats.plateau import compare_with_best


@pytest.mark.parametrize(
    ("k", "df", "d"),
    [(1, 10, 1.81), (2, 5, 2.44), (3, 5, 2.68), (2, 10, 2.15), (4, 10, 2.47), (4, 20, 2.30), (9, 10, 2.81)],
)
def test_one_sided_critical_values_as_in_dunnetts_table(k, df, d):
    # C. W. Dunnett 1955, table 1a: joint confidence 95 %
    assert dunnett_one_sided(k, df) == pytest.approx(d, abs=0.0051)


@pytest.mark.parametrize(("k", "df", "alpha"), [(2, 2, 0.05), (6, 24, 0.05), (3, 8, 0.0294), (34, 136, 0.05)])
def test_critical_values_cover_in_scipys_multivariate_t(k, df, alpha):
    shape = np.full((k, k), 0.5) + 0.5 * np.eye(k)
    d = dunnett_one_sided(k, df, alpha)
    found = stats.multivariate_t(shape=shape, df=df).cdf(np.full(k, d), random_state=1, maxpts=50_000)
    assert found == pytest.approx(1 - alpha, abs=2e-4)


def test_bounds_by_hand():
    # three seeds (rows) as blocks, three levels: the residual has (3 - 1)(3 - 1) = 4 degrees of freedom
    values = np.array([[1.0, 2.0, 4.0], [2.1, 2.9, 5.0], [3.0, 4.1, 5.9]])
    rest = values - values.mean(0) - values.mean(1, keepdims=True) + values.mean()
    error = np.sqrt(2 * (rest**2).sum() / 4 / 3)
    width = dunnett_one_sided(2, 4) * error
    means = values.mean(0)
    found = compare_with_best(values)
    assert (found.df, found.error) == (4, pytest.approx(error))
    assert found.worse == pytest.approx((means[2] - means[0] + width, means[2] - means[1] + width, 0.0))
    assert found.better == pytest.approx((0.0, 0.0, means[2] - means[1] + width))
    differences = [values[:, i] - values[:, j] for i, j in ((0, 1), (0, 2), (1, 2))]
    assert found.sd_low == pytest.approx(min(d.std(ddof=1) for d in differences))
    assert found.sd_high == pytest.approx(max(d.std(ddof=1) for d in differences))


def test_less_is_better_mirrors_more_is_better():
    values = np.random.default_rng(3).normal(size=(5, 4))
    up, down = compare_with_best(values), compare_with_best(-values, better=-1)
    assert up.worse == pytest.approx(down.worse)
    assert up.better == pytest.approx(down.better)


def test_overlapping_test_splits_widen_the_bounds():
    values = np.random.default_rng(0).normal(size=(5, 4))
    same, resplit = compare_with_best(values), compare_with_best(values, overlap=0.5)
    assert resplit.error == pytest.approx(same.error * np.sqrt((0.2 + 0.5) / 0.2))


def test_no_bounds_without_three_seeds_or_a_spread():
    assert compare_with_best(np.zeros((2, 3))) is None
    assert compare_with_best(np.arange(4.0)[:, None] + np.arange(3.0)[None, :]) is None


def test_pooled_error_separates_levels_that_all_pairs_tests_cannot():
    # seven levels, five seeds, one level two SDs of a difference worse: 21 Holm-adjusted paired t-tests find nothing
    rng = np.random.default_rng(4)
    found = 0
    for _ in range(40):
        values = rng.normal(0, 1, (5, 1)) + rng.normal(0, 1 / np.sqrt(2), (5, 7))
        values[:, 6] -= 2.0
        found += not compare_with_best(values).can_be_best[6]
    assert found > 30


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "levels"), [(3, 3), (5, 4), (5, 7), (10, 7), (10, 35)])
@pytest.mark.parametrize("shape", ["flat", "one best", "rising"])
def test_all_bounds_hold_together_with_their_level(seeds, levels, shape):
    rng = np.random.default_rng(seeds * levels)
    means = {"flat": np.zeros(levels), "one best": np.eye(levels)[0], "rising": np.linspace(0, 1.5, levels)}[shape]
    truth = np.array([means[i] - np.delete(means, i).max() for i in range(levels)])
    held = best = 0
    for _ in range(2000):
        values = means + rng.normal(0, 2, (seeds, 1)) + rng.normal(0, 1, (seeds, levels))
        found = compare_with_best(values)
        held += bool(np.all(-np.array(found.worse) <= truth) and np.all(truth <= np.array(found.better)))
        best += found.can_be_best[int(means.argmax())]
    assert held / 2000 >= 0.94
    assert best / 2000 >= 0.94
