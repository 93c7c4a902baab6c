"""Dunnett's comparison with seeds as blocks: critical values of tables and SciPy, numbers by hand, error rates."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.stats.designs.dunnett import compare_with_control, dunnett_two_sided, within_two_sided
from analysis.stats.paired_t import paired_test


@pytest.mark.parametrize(
    ("k", "df", "d"),
    [(1, 10, 2.23), (2, 5, 3.03), (2, 10, 2.57), (3, 10, 2.76), (4, 20, 2.65), (9, 20, 2.95), (3, 60, 2.41)],
)
def test_two_sided_critical_values_as_in_dunnetts_table(k, df, d):
    # C. W. Dunnett, New tables for multiple comparisons with a control, Biometrics 1964, 95 %
    assert dunnett_two_sided(k, df) == pytest.approx(d, abs=0.0051)


@pytest.mark.parametrize(("k", "df", "alpha"), [(2, 4, 0.05), (6, 24, 0.05), (3, 8, 0.01)])
def test_two_sided_critical_values_cover_in_scipys_multivariate_t(k, df, alpha):
    shape = np.full((k, k), 0.5) + 0.5 * np.eye(k)
    d = np.full(k, dunnett_two_sided(k, df, alpha))
    found = stats.multivariate_t(shape=shape, df=df).cdf(d, lower_limit=-d, random_state=1, maxpts=50_000)
    assert found == pytest.approx(1 - alpha, abs=3e-4)


VALUES = np.array([[1.0, 2.0, 4.0], [2.1, 2.9, 5.0], [3.0, 4.1, 5.9], [1.4, 2.6, 4.3]])


def test_numbers_by_hand():
    rest = VALUES - VALUES.mean(0) - VALUES.mean(1, keepdims=True) + VALUES.mean()
    error = math.sqrt(2 * (rest**2).sum() / 6 / 4)  # (4 - 1)(3 - 1) = 6 degrees of freedom, four seeds
    found = compare_with_control(VALUES)
    assert found.differences == pytest.approx((1.025, 2.925))
    assert (found.error, found.df) == (pytest.approx(error), 6)
    assert found.low == pytest.approx([x - found.critical * error for x in found.differences])
    sds = [(VALUES[:, i] - VALUES[:, 0]).std(ddof=1) for i in (1, 2)]
    assert (found.sd_low, found.sd_high) == pytest.approx((min(sds), max(sds)))


def test_p_and_interval_agree():
    rng = np.random.default_rng(5)
    for _ in range(40):
        found = compare_with_control(rng.normal(np.array([0, 0.5, 1, 1.5]), 1, (6, 4)))
        for p, low, high in zip(found.p, found.low, found.high, strict=True):
            assert (p <= 0.05) == (low > 0 or high < 0)


def test_one_treatment_is_the_paired_t_test():
    found, paired = compare_with_control(VALUES[:, :2]), paired_test(VALUES[:, 1] - VALUES[:, 0])
    assert (found.p[0], found.df) == (pytest.approx(paired.p), paired.df)
    assert (found.low[0], found.high[0]) == pytest.approx((paired.interval(0.95).low, paired.interval(0.95).high))


def test_what_a_seed_adds_to_all_arms_does_not_count():
    found = compare_with_control(VALUES + np.array([[10.0], [-3.0], [0.0], [7.0]]))
    assert found.p == pytest.approx(compare_with_control(VALUES).p)


def test_too_few_seeds_or_no_spread_give_nothing():
    assert compare_with_control(VALUES[:2]) is None
    assert compare_with_control(np.tile([1.0, 2.0, 3.0], (5, 1))) is None
    assert compare_with_control(VALUES[:, :1]) is None


def test_p_is_one_for_no_difference():
    assert within_two_sided(0.0, 3, 10) == pytest.approx(0.0, abs=1e-12)


def test_it_needs_much_smaller_differences_than_holm_on_single_t_tests():
    """Six treatments on five seeds: the reason why the error is pooled."""
    assert dunnett_two_sided(6, 24) / math.sqrt(5) < 1.3
    assert stats.t.isf(0.05 / 12, 4) / math.sqrt(5) > 2
