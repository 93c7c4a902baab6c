"""Published, certified or independently computed answers; each carries where it comes from."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.stats.anova import anova_shares
from analysis.stats.comparison import compare_paired, compare_unpaired
from analysis.stats.description import describe, mean, sd, sd_interval
from analysis.stats.effect_sizes import hedges_factor, win_probability
from analysis.stats.exact_tests import hodges_lehmann, sign_flip, smallest_p, wilcoxon
from analysis.stats.hierarchical import hierarchical
from analysis.stats.multi_dataset import (
    critical_difference,
    friedman,
    random_effects,
    rank_rows,
)
from analysis.stats.multiplicity import benjamini_hochberg, holm, max_t_sign_flip
from analysis.stats.pairing import pair
from analysis.stats.plateau import compare_with_best
from analysis.stats.power import detectable, power, seeds_needed, smallest_family_n
from analysis.stats.search_curves import choice_bias, expected_best, expected_maximum
from analysis.stats.variance_ratio import variance_ratio
from silhouette.metrics import shot_groups
from tests.helpers.averages import dataset_average
from tests.helpers.published import CE, DEMSAR, OURS

TABLE = np.array(list(DEMSAR.values())).T
PAPER_RANKS = rank_rows(TABLE)
PAPER_RANKS[12] = [4, 1, 2, 3]  # the paper ranked "voting" before rounding to three decimals


def rng():
    return np.random.default_rng(0)


def pairs_of(a, b):
    return pair(dict(enumerate(a)), dict(enumerate(b)))


# ------------------------------------------------------------------ Demšar 2006, JMLR 7:1-30, section 3.2


def test_friedman_and_iman_davenport_as_in_demsar():
    n, k = PAPER_RANKS.shape
    assert PAPER_RANKS.mean(axis=0) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    means = PAPER_RANKS.mean(axis=0)
    uncorrected = 12 * n / (k * (k + 1)) * ((means**2).sum() - k * (k + 1) ** 2 / 4)
    assert uncorrected == pytest.approx(9.28, abs=5e-3)
    test = friedman(rank_rows(TABLE), rng())
    assert test.chi2 == pytest.approx(stats.friedmanchisquare(*TABLE.T).statistic, abs=1e-9)
    assert test.chi2 == pytest.approx(10.952381, abs=1e-6)
    assert test.p_chi2 == pytest.approx(0.011986, abs=1e-6)
    assert (test.f, test.p_f) == pytest.approx((4.585890, 0.007629), abs=1e-6)
    assert test.p_permutation == pytest.approx(0.0086, abs=0.004)


@pytest.mark.parametrize(
    ("k", "alpha", "q"),
    [(2, 0.05, 1.960), (3, 0.05, 2.343), (4, 0.05, 2.569), (5, 0.05, 2.728), (10, 0.05, 3.164), (4, 0.10, 2.291)],
)
def test_nemenyi_critical_values_are_those_of_demsar_table_5(k, alpha, q):
    assert critical_difference(k, 14, alpha) == pytest.approx(q * np.sqrt(k * (k + 1) / (6 * 14)), abs=1.2e-3)


def test_fully_separated_ranks():
    table = np.tile([1.0, 2.0, 3.0], (5, 1)) + np.arange(5)[:, None]
    test = friedman(rank_rows(table), rng())
    assert test.chi2 == pytest.approx(10.0)
    assert test.p_chi2 == pytest.approx(np.exp(-5))
    assert (test.f, test.p_f) == (None, None)  # infinite
    four = friedman(rank_rows(table[:4]), rng())
    assert four.p_permutation == pytest.approx(1 / 216)  # statistics notes: k = 3, d = 4, perfectly ordered
    assert four.permutation_method == "exact, all permutations"


def test_wilcoxon_on_demsar_table_2_has_the_rank_sum_of_the_paper():
    d = np.round(TABLE[:, 1] - TABLE[:, 0], 3)
    w = wilcoxon(d)
    zero_split = stats.rankdata(np.abs(d))
    assert zero_split[d > 0].sum() + zero_split[d == 0].sum() / 2 == 93  # printed in the paper
    # scipy drops zeros as we do; its exact p needs no ties, so compare by enumeration of the same mid-ranks
    ranks = stats.rankdata(np.abs(d[d != 0]))
    signs = 1 - 2 * ((np.arange(2**ranks.size)[:, None] >> np.arange(ranks.size)) & 1)
    sums = (signs > 0) @ ranks
    observed = ranks[d[d != 0] > 0].sum()
    expected = np.mean(np.abs(sums - ranks.sum() / 2) >= abs(observed - ranks.sum() / 2) - 1e-9)
    assert w.p == pytest.approx(expected, abs=1e-12)
    assert w.statistic == observed


# ------------------------------------------------------------------ exactness at small n


@pytest.mark.parametrize("n", range(3, 11))
def test_smallest_p_is_two_over_two_to_the_n(n):
    d = np.arange(1, n + 1)
    assert wilcoxon(d).p == sign_flip(d).p == smallest_p(n) == 2 / 2**n


@pytest.mark.parametrize(
    ("d", "p"), [([1, 1, 2, 3, 4], 0.0625), ([0.1] * 5, 0.0625), ([0, 1, 2, 3, 4], 0.125), ([0, 0, 1, 2, 3], 0.25)]
)
def test_wilcoxon_with_ties_and_zeros(d, p):
    assert wilcoxon(d).p == p == stats.wilcoxon(d, method="auto").pvalue  # scipy >= 1.15


def test_asymptotic_wilcoxon_is_never_used_at_five():
    assert stats.wilcoxon([1, 2, 3, 4, 5], method="asymptotic").pvalue == pytest.approx(0.04311, abs=1e-5)
    assert wilcoxon([1, 2, 3, 4, 5]).p == 0.0625


@pytest.mark.parametrize("n", [6, 11, 20])
def test_sign_flip_equals_scipy_enumeration_and_wilcoxon_scipy_exact(n):
    d = np.random.default_rng(n).normal(0.4, 1, n)
    if n <= 11:
        brute = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert sign_flip(d).p == pytest.approx(brute.pvalue, abs=1e-12)
    assert wilcoxon(d).p == pytest.approx(stats.wilcoxon(d, method="exact").pvalue, abs=1e-12)


def test_sign_flip_with_many_differences_is_sampled_and_its_method_says_so():
    d = np.random.default_rng(1).normal(0.3, 1, 60)
    test = sign_flip(d, rng=rng())
    assert test.p == pytest.approx(stats.ttest_1samp(d, 0).pvalue, abs=0.02)
    assert "random flips" in test.method
    with pytest.raises(ValueError, match="rng: needed"):
        sign_flip(d)


# ------------------------------------------------------------------ five-seed worked example (SciPy 1.17)


def test_five_seed_example():
    c = compare_paired(pairs_of(OURS, CE), margin=0.2)
    assert c.difference == pytest.approx(0.62, abs=1e-9)
    assert c.sd_difference == pytest.approx(0.2280351, abs=1e-7)
    assert c.t == pytest.approx(6.0796002, abs=1e-6)
    assert (c.ci.low, c.ci.high) == pytest.approx((0.336857, 0.903143), abs=1e-6)
    assert c.wins == 5
    assert c.p_better.low == pytest.approx(0.478176, abs=1e-6)
    assert c.rank_biserial == 1.0
    assert c.shift.level == pytest.approx(0.9375)
    assert hedges_factor(4) == pytest.approx(0.7978846, abs=1e-7)


def test_intervals_of_a_standard_deviation_at_five():
    low, high = sd_interval([1, 2, 3, 4, 5]).low, sd_interval([1, 2, 3, 4, 5]).high
    assert (low / sd([1, 2, 3, 4, 5]), high / sd([1, 2, 3, 4, 5])) == pytest.approx((0.599133, 2.873556), abs=1e-6)


def test_noncentral_interval_of_d_z_inverts_the_noncentral_t():
    c = compare_paired(pairs_of(OURS, CE))
    t = c.d_z.estimate * np.sqrt(5)
    assert stats.nct.sf(t, 4, c.d_z.low * np.sqrt(5)) == pytest.approx(0.025, abs=1e-6)
    assert stats.nct.cdf(t, 4, c.d_z.high * np.sqrt(5)) == pytest.approx(0.025, abs=1e-6)


def test_equivalence_and_welch_equal_statsmodels():
    sm = pytest.importorskip("statsmodels.stats.weightstats")
    a, b = np.array(OURS), np.array(CE) + 0.6
    c = compare_paired(pairs_of(a, b), margin=0.3)
    assert c.p_tost == pytest.approx(sm.ttost_paired(a, b, -0.3, 0.3)[0], rel=1e-9)
    welch = compare_unpaired(a, b[:4])
    assert welch.p_t == pytest.approx(stats.ttest_ind(a, b[:4], equal_var=False).pvalue, rel=1e-12)


def test_hodges_lehmann_interval_has_its_exact_level():
    interval = hodges_lehmann([1.1, 2.3, 3.2, 4.7, 5.9, 6.1], 0.95)
    assert interval.level == pytest.approx(1 - 2 / 64)  # 96.9 % at n = 6
    d = np.random.default_rng(3).normal(0, 1, 15)
    found = hodges_lehmann(d)
    for shift in (found.low + 1e-9, found.high - 1e-9):
        assert wilcoxon(d - shift).p > 0.05 - 1e-9
    for shift in (found.low - 1e-9, found.high + 1e-9):
        assert wilcoxon(d - shift).p <= 0.05


# ------------------------------------------------------------------ NIST StRD


def test_nist_univariate_and_anova():
    for values, center, spread, tol in [
        (np.array([10000001.0, 10000003, 10000002]), 10000002, 1, 1e-12),  # NumAcc1
        (np.r_[1000000.2, np.tile([1000000.1, 1000000.3], 500)], 1000000.2, 0.1, 1e-9),  # NumAcc3
        (np.r_[10000000.2, np.tile([10000000.1, 10000000.3], 500)], 10000000.2, 0.1, 1e-8),  # NumAcc4
    ]:
        assert mean(values) == pytest.approx(center, abs=1e-6)
        assert sd(values) == pytest.approx(spread, abs=tol)
    si = np.array([  # SiRstv
        [196.3052, 196.1240, 196.1890, 196.2569, 196.3403], [196.3042, 196.3825, 196.1669, 196.3257, 196.0422],
        [196.1303, 196.2005, 196.2889, 196.0343, 196.1811], [196.2795, 196.1748, 196.1494, 196.1485, 195.9885],
        [196.2119, 196.1051, 196.1850, 196.0052, 196.2090],
    ])  # fmt: skip
    factor, *seeds = anova_shares(si, ["instrument"], rng(), draws=20)
    within = sum(e.sum_squares for e in seeds)
    assert within == pytest.approx(2.16636560e-1, abs=1e-11)
    assert factor.sum_squares / 4 / (within / 20) == pytest.approx(1.18046237440255, abs=1e-9)


def test_two_way_grid_shares():
    grid = np.array([
        71.2, 71.0, 71.4, 72.1, 72.4, 72.0, 71.8, 71.9, 71.5, 72.6, 72.2, 72.5, 73.9, 73.5, 73.8, 73.0, 73.2, 72.9,
        70.4, 70.8, 70.6, 71.1, 71.3, 71.0, 70.9, 70.2, 70.5,
    ]).reshape(3, 3, 3)  # fmt: skip
    effects = {e.name: e for e in anova_shares(grid, ["tau", "lambda"], rng(), draws=50)}
    shares = [effects[name].share for name in ("tau", "lambda", "tau × lambda")]
    assert shares == pytest.approx([0.81704, 0.13428, 0.02022], abs=1e-5)
    within = effects["seeds"].share + effects["seeds × settings"].share
    assert within == pytest.approx(0.02846, abs=1e-5)
    assert effects["tau"].share / 2 / (within / 18) == pytest.approx(258.3386, abs=1e-3)
    assert all(e.low <= e.share <= e.high for e in effects.values())


def test_the_f_of_a_factor_with_two_levels_is_the_square_of_the_paired_t():
    noise = rng().normal(0, 1, (3, 6))
    values = noise[:2] + 5 * noise[2]
    factor = anova_shares(values, ["a"], rng(), draws=20)[0]
    paired = stats.ttest_rel(values[0], values[1])
    assert factor.f == pytest.approx(paired.statistic**2)
    assert factor.p == pytest.approx(paired.pvalue)
    assert (factor.share > factor.noise_floor) == (factor.p < 0.05)


def test_the_anova_of_a_grid_equals_that_of_statsmodels():
    anova = pytest.importorskip("statsmodels.stats.anova")
    pd = pytest.importorskip("pandas")
    noise = rng().normal(0, 1, (4, 2, 5))
    values = noise[:3] + np.arange(3)[:, None, None] / 2 + 3 * noise[3, 0]
    index = np.indices(values.shape).reshape(3, -1)
    frame = pd.DataFrame({"a": index[0], "b": index[1], "seed": index[2], "y": values.ravel()})
    theirs = anova.AnovaRM(frame, "y", "seed", within=["a", "b"]).fit().anova_table
    ours = anova_shares(values, ["a", "b"], rng(), draws=20)[:3]
    assert [e.f for e in ours] == pytest.approx(theirs["F Value"].tolist())
    assert [e.p for e in ours] == pytest.approx(theirs["Pr > F"].tolist())


def test_what_a_seed_adds_to_every_setting_is_no_noise_of_the_factor():
    """Levels lower by 1 and 1.2 on every seed, beside seeds that differ by 5: the pooled residual hides them."""
    noise = rng().normal(0, 1, (4, 5))
    values = np.array([0.0, -1.0, -1.2])[:, None] + 5 * noise[3] + 0.1 * noise[:3]
    factor, seeds, rest = anova_shares(values, ["level"], rng(), draws=200)
    pooled = factor.sum_squares / 2 / ((seeds.sum_squares + rest.sum_squares) / 12)
    assert stats.f.sf(pooled, 2, 12) > 0.5
    assert factor.p < 1e-4
    assert factor.share > factor.noise_floor


def test_variance_ratio_of_pairs_inverts_the_test_of_pitman_and_morgan():
    a, rest = rng().normal(0, 1, (2, 12))
    b = a + 2 * rest
    found = variance_ratio(a, b)
    assert found.p == pytest.approx(stats.pearsonr(a + b, a - b).pvalue)
    assert found.estimate == pytest.approx(a.var(ddof=1) / b.var(ddof=1))
    for edge in (found.low, found.high):
        assert stats.pearsonr(a + edge**0.5 * b, a - edge**0.5 * b).pvalue == pytest.approx(0.05)
    assert variance_ratio(a[:2], b[:2]) is None


def test_choosing_the_best_is_not_helped_by_what_a_seed_adds_to_all():
    noise = rng().normal(0, 1, (20, 2))
    found = choice_bias(noise + np.array([0.0, 50.0]))
    assert (found.estimate, found.low) == pytest.approx((choice_bias(noise).estimate, choice_bias(noise).low))
    rest = np.diff(noise, axis=1).std(ddof=1) / 2**0.5
    assert found.estimate == pytest.approx(rest / 2**0.5 * expected_maximum(20))
    assert found.high / found.estimate == pytest.approx((19 / stats.chi2.ppf(0.025, 19)) ** 0.5)
    assert choice_bias(noise[:, :1]) is None


# ------------------------------------------------------------------ families


def test_holm_on_demsar_and_by_hand():
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    se = np.sqrt(4 * 5 / (6 * 14))
    ranks = PAPER_RANKS.mean(axis=0)
    p = 2 * stats.norm.sf((ranks[0] - ranks[1:]) / se)
    assert holm(p) == pytest.approx([0.047160, 0.608408, 0.047160], abs=1e-6)


def test_adjustments_equal_statsmodels():
    multi = pytest.importorskip("statsmodels.stats.multitest")
    p = np.random.default_rng(2).random(9) ** 2
    assert holm(p) == pytest.approx(multi.multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multi.multipletests(p, method="fdr_bh")[1])


def test_max_t_of_one_comparison_equals_the_exact_test():
    d = np.random.default_rng(4).normal(0.5, 1, (9, 1))
    squared = max_t_sign_flip(d)[0]
    assert squared == pytest.approx(sign_flip(d[:, 0]).p, abs=1e-12)  # |t| grows with |sum|
    twice = max_t_sign_flip(np.hstack([d, d]))
    assert twice == pytest.approx([squared, squared])  # a copy costs nothing: the correlation is kept


# ------------------------------------------------------------------ power


@pytest.mark.parametrize(
    ("n", "mde"),
    [(3, 3.2640), (4, 2.1279), (5, 1.6820), (6, 1.4345), (8, 1.1560), (10, 0.9960), (15, 0.7780), (20, 0.6604),
     (30, 0.5292)],
)  # fmt: skip
def test_detectable_effect_equals_statsmodels(n, mde):  # TTestPower().solve_power(nobs=n, alpha=.05, power=.8)
    assert detectable(n) == pytest.approx(mde, abs=6e-4)


def test_power_and_seeds():
    assert power(1.0, 5) == pytest.approx(0.40139, abs=1e-5)  # TTestPower().power(1, 5, .05)
    assert power(1.0, 10) == pytest.approx(0.80310, abs=1e-5)
    assert [seeds_needed(d) for d in (0.5, 0.8, 1.0, 1.5, 2.0)] == [34, 15, 10, 6, 5]  # G*Power
    assert [smallest_family_n(m) for m in (1, 2, 3, 5, 6, 10, 15, 20, 28, 45)] == [6, 7, 7, 8, 8, 9, 10, 10, 11, 11]


# ------------------------------------------------------------------ several datasets


def test_random_effects_equal_statsmodels():
    meta = pytest.importorskip("statsmodels.stats.meta_analysis")
    effects, variances = np.array([0.5, 0.9, -0.1, 1.4, 0.3]), np.array([0.04, 0.05, 0.09, 0.06, 0.02])
    found = meta.combine_effects(effects, variances, method_re="chi2", use_t=True)
    ours = random_effects(effects, variances)
    assert ours.tau**2 == pytest.approx(found.tau2, rel=1e-9)
    assert ours.estimate == pytest.approx(found.mean_effect_re, rel=1e-9)
    width = 2 * stats.t.ppf(0.975, 4) * max(found.sd_eff_w_re_hksj, found.sd_eff_w_re)  # Röver et al. 2015
    assert ours.ci.high - ours.ci.low == pytest.approx(width, rel=1e-9)


def test_nearly_equal_differences_are_pooled_no_narrower_than_their_errors_allow():
    """Hartung and Knapp's own variance is 0 here, and their interval a point."""
    pooled = random_effects([0.3, 0.3, 0.3], [0.04, 0.04, 0.04])
    assert pooled.ci.high - pooled.ci.low == pytest.approx(2 * stats.t.ppf(0.975, 2) * 0.2 / math.sqrt(3), rel=1e-9)


def test_dataset_average_of_one_dataset_is_the_paired_t():
    d = np.array(OURS) - np.array(CE)
    one = dataset_average([d])
    assert one.p == pytest.approx(stats.ttest_1samp(d, 0).pvalue, rel=1e-9)
    assert one.df == pytest.approx(4)
    two = dataset_average([d, d])
    assert two.df == pytest.approx(8)
    assert two.difference == pytest.approx(0.62)


def test_the_hierarchical_model_equals_an_integral_over_mu_and_tau():
    y, v, rope = np.array([0.5, 0.9, -0.1, 1.4]), np.array([0.04, 0.05, 0.09, 0.06]), 0.2
    found = hierarchical(y.tolist(), v.tolist(), rope)
    scale = math.sqrt((y**2 + v).mean())
    mu, tau = np.meshgrid(np.linspace(-6, 7, 1301), (np.arange(1500) + 0.5) * 6 * scale / 1500)
    sd = np.sqrt(v[:, None, None] + tau**2)
    log = stats.norm.logpdf(y[:, None, None], mu, sd).sum(axis=0) + stats.halfnorm.logpdf(tau, scale=scale)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    assert found.mean == pytest.approx((weight * mu).sum(), abs=1e-3)
    assert found.tau == pytest.approx((weight * tau).sum(), abs=2e-3)
    assert found.better == pytest.approx((weight * stats.norm.sf((rope - mu) / tau)).sum(), abs=2e-3)
    assert found.worse == pytest.approx((weight * stats.norm.cdf((-rope - mu) / tau)).sum(), abs=2e-3)
    pull = v[3] / (v[3] + tau**2)
    assert found.shrunken[3] == pytest.approx((weight * ((1 - pull) * y[3] + pull * mu)).sum(), abs=2e-3)
    assert y.mean() < found.shrunken[3] < y[3]


def test_the_probability_of_a_new_dataset_is_no_certainty_after_two():
    """The Bayesian signed rank said 100 % for differences of .5 and .6; the spread of new datasets says less."""
    found = hierarchical([0.5, 0.6], [0.001, 0.001], 0.0)
    assert 0.85 < found.better < 0.999
    assert found.better + found.equivalent + found.worse == pytest.approx(1)
    assert hierarchical([0.5], [0.1], 0.0) is None
    assert hierarchical([0.5, 0.5], [0.0, 0.0], 0.0) is None


def test_two_datasets_have_no_f():
    """Both in one order: F would be infinite with p < .001 beside an exact p of .167."""
    both = friedman(np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]), rng())
    assert (both.f, both.p_f) == (None, None)
    assert both.p_permutation == pytest.approx(1 / 6)


# ------------------------------------------------------------------ sensitivity, tuning, long tail


def test_only_a_setting_far_from_the_best_is_excluded():
    noise = np.random.default_rng(6).normal(0, 1, (10, 6))
    assert compare_with_best(noise).can_be_best == (True,) * 6
    noise[:, 2] -= 8
    assert compare_with_best(noise).can_be_best == (True, True, False, True, True, True)
    assert compare_with_best(noise, better=-1).can_be_best == (False, False, True, False, False, False)


def test_expected_best_is_the_unbiased_form():
    # Dodge et al. 2021: without replacement; 2.5, 10/3, 3.75, 4 for the values 1..4
    assert expected_best([4, 2, 1, 3]) == pytest.approx((2.5, 10 / 3, 3.75, 4.0))
    assert expected_best([4, 2], last=2) == expected_best([4, 2, 2, 2])
    assert expected_best([4, 2, 1, 3], better=-1) == pytest.approx((2.5, 5 / 3, 1.25, 1.0))


@pytest.mark.parametrize(
    ("k", "e"), [(2, 0.56419), (3, 0.84628), (5, 1.16296), (10, 1.53875), (20, 1.86748), (50, 2.24907), (100, 2.50759)]
)
def test_expected_maximum_of_normal_values(k, e):
    assert expected_maximum(k) == pytest.approx(e, abs=1e-5)


@pytest.mark.parametrize(
    ("classes", "largest", "factor", "groups"),
    [
        (10, 5000, 10, (10, 0, 0)),
        (10, 5000, 100, (8, 2, 0)),
        (100, 500, 50, (41, 41, 18)),
        (100, 500, 100, (35, 35, 30)),
    ],
)
def test_shot_groups_of_cifar_lt(classes, largest, factor, groups):
    counts = [int(largest * (1 / factor) ** (i / (classes - 1))) for i in range(classes)]
    found = shot_groups(counts)
    assert tuple(len(found[g]) for g in ("many", "medium", "few")) == groups


def test_description_and_wins_by_hand():
    d = describe({3: 4.0, 1: 1.0, 2: 2.0, 0: 1.0})
    assert (d.mean, d.median, d.n) == (2.0, 1.5, 4)
    assert d.sd == pytest.approx(np.sqrt(2.0))
    w = win_probability([1, -1, 0, 2])
    assert w.estimate == pytest.approx(2.5 / 4)
    low, high = stats.beta.ppf(0.025, 2.5, 2.5), stats.beta.ppf(0.975, 3.5, 1.5)  # 2.5 wins of 4
    assert (w.low, w.high) == pytest.approx((low, high))
