"""Confidence sequences and e-values of paired differences: closed forms, other computations, and every look."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from analysis.stats.anytime import (
    DIFFERENT,
    EQUIVALENT,
    anytime,
    decide_family,
    first_deciding,
    half_width,
    log_e_value,
)

ALPHA = 0.05


def draws(mean, n=40, seed=0):
    return np.random.default_rng(seed).normal(mean, 1.0, n)


@pytest.mark.parametrize(("n", "t", "g"), [(5, 2.0, 1.0), (10, 4.0, 1.0), (30, 3.0, 0.5)])
def test_the_e_value_is_the_ratio_of_the_mixed_to_the_central_density_of_t(n, t, g):
    """Mixing the noncentral t over d_z ~ N(0, g) is another way to the same number, and needs no formula of ours."""
    mixed, _ = integrate.quad(
        lambda d: stats.nct.pdf(t, n - 1, d * math.sqrt(n)) * stats.norm.pdf(d, scale=math.sqrt(g)), -8, 8, limit=400
    )
    expected = math.log(mixed / stats.t.pdf(t, n - 1))
    assert float(log_e_value(np.array(t), np.array(n), g)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("n", "width"), [(3, math.inf), (10, 3.87)])
def test_the_width_is_that_of_the_simulated_notes(n, width):
    assert half_width(n, ALPHA) == pytest.approx(width, abs=0.005)


@pytest.mark.parametrize("n", [5, 8, 20, 100])
def test_the_end_of_the_sequence_is_where_the_e_value_reaches_one_over_alpha(n):
    assert float(log_e_value(np.array(half_width(n, ALPHA)), np.array(n))) == pytest.approx(math.log(1 / ALPHA))


def test_the_first_deciding_number_of_seeds_grows_slowly_with_the_family():
    assert [first_deciding(m) for m in (1, 3, 10)] == [5, 6, 7]
    assert half_width(first_deciding(10) - 1, ALPHA / 10) == math.inf


def test_a_path_holds_the_values_of_each_number_of_seeds_by_itself():
    d = draws(0.4)
    path = anytime(d)
    t = [stats.ttest_1samp(d[:n], 0).statistic for n in range(2, 41)]
    each = np.exp(-np.asarray(log_e_value(np.array(t), np.arange(2.0, 41))))
    assert path.p[1:] == pytest.approx(np.minimum(1, np.minimum.accumulate(each)))
    assert path.mean[9] == pytest.approx(d[:10].mean())
    assert path.error[9] == pytest.approx(stats.sem(d[:10]))
    assert path.p_at[-1] == 2 + int(np.argmin(each))


def test_unit_and_sign_do_not_matter():
    d = draws(0.7)
    assert anytime(-1000 * d).p == pytest.approx(anytime(d).p)


def test_values_without_spread_say_nothing_until_they_have_some():
    path = anytime(np.array([0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.31]))
    assert (path.p[:7] == 1).all()
    assert path.interval(7, 0.95) is None
    assert path.p[7] < ALPHA


@pytest.mark.parametrize("level", [0.95, 1 - ALPHA / 3])
def test_the_interval_excludes_zero_exactly_where_p_of_these_seeds_is_small(level):
    d = draws(0.9)
    path = anytime(d)
    for n in range(first_deciding(3), 41):
        interval = path.interval(n, level)
        alone = math.exp(-float(log_e_value(np.array(path.mean[n - 1] / path.error[n - 1]), np.array(n))))
        assert (interval.low > 0 or interval.high < 0) == (alone < 1 - level)


def test_equivalence_is_where_the_sequence_lies_inside_the_margin():
    d = 0.2 * draws(0.0, 60)
    path = anytime(d, margin=0.3)
    inside = [n for n in range(5, 61) if (i := path.interval(n, 0.95)) and i.low > -0.3 and i.high < 0.3]
    assert int(np.argmax(path.p_equivalence <= ALPHA)) + 1 == inside[0] > 5
    assert anytime(d + 0.3, margin=0.3).p_equivalence[-1] > ALPHA


def test_a_family_of_one_is_decided_at_the_first_small_p():
    path = anytime(draws(2.0))
    (found,) = decide_family([path])
    assert (found.kind, found.at) == (DIFFERENT, int(np.argmax(path.p <= ALPHA)) + 1)
    assert found.evidence_at == found.at == found.seeds
    assert found.p == path.p[found.at - 1]


def test_a_decision_stands_and_seeds_after_it_change_nothing():
    d = [draws(1.2, 40, s) for s in range(3)]
    whole = decide_family([anytime(x) for x in d])
    cut = decide_family([anytime(x[: one.at or 40]) for x, one in zip(d, whole, strict=True)])
    assert all(one.kind for one in whole)
    assert cut == whole


def test_every_prefix_of_the_seeds_gives_the_decisions_made_so_far():
    d = [draws(m, 40, 7 + i) for i, m in enumerate((1.5, 0.8, 0.0))]
    whole = decide_family([anytime(x) for x in d])
    for n in range(1, 41):
        for now, then in zip(decide_family([anytime(x[:n]) for x in d]), whole, strict=True):
            assert bool(now.kind) == (0 < then.at <= n)
            assert not now.kind or now.at == then.at


def weak_path():
    """A path whose p first falls below 0.05 at its last seed, and stays above 0.025."""
    for seed in range(200):
        p = anytime(d := draws(0.9, 40, seed)).p
        first = int(np.argmax(p <= ALPHA))
        if first and p[first] > ALPHA / 2:
            return anytime(d[: first + 1])
    raise AssertionError("no such path")


def test_holm_lets_a_decision_make_the_others_easier():
    weak = weak_path()
    assert decide_family([weak, anytime(draws(3.0, 13, 4))])[0].kind == DIFFERENT
    assert decide_family([weak, anytime(draws(0.0, 13, 5))])[0].kind == ""


def test_comparisons_without_seeds_count_in_the_family():
    path = weak_path()
    assert decide_family([path])[0].kind == DIFFERENT
    assert decide_family([path], untestable=1)[0].kind == ""


def test_equivalence_has_precedence_over_a_tiny_difference():
    d = 0.05 + 0.01 * draws(0.0, 40)
    assert decide_family([anytime(d)])[0].kind == DIFFERENT
    assert decide_family([anytime(d, margin=1.0)])[0].kind == EQUIVALENT


def test_looks_at_every_seed_to_100_err_rarely():
    """A quick version of the simulated rate: of 400 paths without a difference, 5 % would be 20."""
    rng = np.random.default_rng(17)
    false = sum(anytime(rng.normal(0, 1, 100)).p[-1] <= ALPHA for _ in range(400))
    naive = sum(_naive(rng.normal(0, 1, 100)) for _ in range(100))
    assert false <= 20 < naive


def _naive(d):
    n = np.arange(3, d.size + 1)
    t = np.array([stats.ttest_1samp(d[:k], 0).pvalue for k in n])
    return bool((t <= ALPHA).any())
