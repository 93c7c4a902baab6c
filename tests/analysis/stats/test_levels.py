"""The interval at the tested level agrees with the correction, and the corrected resampled t with its formula."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.stats.comparison import compare_paired
from analysis.stats.multiplicity import adjust, step_levels
from analysis.stats.pairing import pair


@pytest.mark.parametrize("correction", ["holm", "bh"])
def test_the_interval_at_the_tested_level_excludes_zero_exactly_where_the_correction_rejects(correction):
    rng = np.random.default_rng(5)
    for _ in range(300):
        m, n = int(rng.integers(1, 9)), int(rng.integers(3, 9))
        found = [
            compare_paired(pair(dict(enumerate(rng.normal(rng.choice([0, 1.0]), 1, n))), dict.fromkeys(range(n), 0.0)))
            for _ in range(m)
        ]
        ps = [c.p_t for c in found]
        rejected = [p <= 0.05 for p in adjust(ps, correction)]
        intervals = [c.interval(1 - level) for c, level in zip(found, step_levels(ps, correction, 0.05), strict=True)]
        assert [not i.low <= 0 <= i.high for i in intervals] == rejected


def test_a_comparison_without_a_test_counts_in_the_levels():
    assert step_levels([0.01, None, None, None], "holm", 0.05)[0] == pytest.approx(0.05 / 4)
    assert step_levels([], "holm", 0.05) == []


@pytest.mark.parametrize(("correction", "middle"), [("holm", 1.0), ("bh", 0.75)])
def test_a_p_of_zero_is_a_p_and_none_is_not(correction, middle):
    """A t-test of differences far from zero gives a p that is 0 in floating point."""
    assert adjust([0.0, 0.5, None], correction) == [0.0, middle, None]


def test_corrected_resampled_t_equals_its_formula():
    """Nadeau and Bengio 2003, equation 14: variance of the mean = s² (1/n + n_test/n_train)."""
    d = np.array([0.02, 0.01, 0.03, 0.0, 0.02])
    c = compare_paired(pair(dict(enumerate(d)), dict.fromkeys(range(5), 0.0)), margin=0.05, overlap=0.25 / 0.6)
    error = d.std(ddof=1) * math.sqrt(1 / 5 + 0.25 / 0.6)
    assert c.error == pytest.approx(error)
    assert c.p_t == pytest.approx(2 * stats.t.sf(d.mean() / error, 4))
    assert c.ci.high - c.difference == pytest.approx(stats.t.ppf(0.975, 4) * error)
    assert c.p_tost == pytest.approx(stats.t.sf((0.05 - d.mean()) / error, 4))
    assert c.method == "corrected resampled t"
    assert c.scope == "new splits and new seeds of the same datasets"
    assert any("assume independent splits" in w for w in c.warnings)


def test_differences_without_spread_have_no_interval():
    c = compare_paired(pair(dict.fromkeys(range(5), 1.0), dict.fromkeys(range(5), 0.0)))
    assert (c.ci, c.ci_90, c.error, c.p_t) == (None, None, None, None)
    assert c.interval(0.95) is None
