"""Simulated error rates of every path to a verdict, and coverage of every interval (slow)."""

import numpy as np
import pytest

from analysis.errors import ReportError
from analysis.results.comparisons import judge_together
from analysis.results.verdicts import BETTER, EQUIVALENT, WORSE
from analysis.stats.anova import anova_shares
from analysis.stats.comparison import compare_paired, compare_unpaired
from analysis.stats.description import mean_interval, sd_interval
from analysis.stats.exact_tests import hodges_lehmann, sign_flip
from analysis.stats.multi_dataset import random_effects
from analysis.stats.pairing import pair
from analysis.stats.search_curves import choice_bias
from analysis.stats.variance_ratio import variance_ratio
from analysis.study.ledger import make_ledger
from analysis.study.plan import Arm, Family, Plan
from analysis.study.records import Record
from tests.helpers.averages import dataset_average

pytestmark = pytest.mark.slow
TYPE_ONE = (0.035, 0.065)
REPEATS = 4000


def study(values, *, margin=None, unpaired=False, correction="holm"):
    """A plan and ledger from an array of shape (arms, seeds); arm 0 is the baseline."""
    arms = tuple(Arm(f"a{i}", {"m": i}, "b", i == 0) for i in range(len(values)))
    family = Family("b", "primary", correction, "a0", tuple(a.label for a in arms[1:]))
    n = values.shape[1]
    plan = Plan("s", "m", "max", tuple(range(n)), arms, (family,), sesoi=margin, unpaired=unpaired)
    records = [
        Record(f"{i}-{s}", "confirm", f"a{i}", s, "complete", None, None, {"m": float(v)})
        for i, row in enumerate(values) for s, v in enumerate(row)
    ]  # fmt: skip
    return plan, family, make_ledger(plan, records)


def verdicts(values, **options):
    plan, family, ledger = study(values, **options)
    return [e.verdict.word for e in judge_together(plan, [family], "primary", ledger, np.random.default_rng(0))]


def rate(one_study, words, repeats=REPEATS, seed=0, **options):
    """Share of simulated studies with at least one of the words."""
    rng = np.random.default_rng(seed)
    hits = sum(bool(set(words) & set(verdicts(one_study(rng), **options))) for _ in range(repeats))
    return hits / repeats


def null(n, arms=2, common=1.0):
    """No difference between arms; seeds share a part of their noise."""
    return lambda rng: rng.normal(0, common, n) + rng.normal(0, 1, (arms, n))


@pytest.mark.parametrize("n", [5, 10])
def test_paired_verdict(n):
    assert TYPE_ONE[0] <= rate(null(n), (BETTER, WORSE)) <= TYPE_ONE[1]


@pytest.mark.parametrize("n", [5, 10])
def test_each_direction_has_half_of_the_error_rate(n):
    assert 0.015 <= rate(null(n), (BETTER,)) <= 0.035


@pytest.mark.parametrize("n", [5, 10])
def test_welch_verdict_when_declared_unpaired(n):
    found = rate(null(n, common=0.0), (BETTER, WORSE), unpaired=True)
    assert TYPE_ONE[0] <= found <= TYPE_ONE[1]


@pytest.mark.parametrize("n", [5, 10])
def test_holm_family_of_three_against_independent_nulls(n):
    """The strictest case for Holm: all three nulls true. The shared baseline makes it somewhat conservative."""
    found = rate(null(n, arms=4), (BETTER, WORSE))
    assert TYPE_ONE[0] - 0.005 <= found <= TYPE_ONE[1]


@pytest.mark.parametrize("n", [5, 10])
def test_equivalence_at_the_edge_of_the_margin(n):
    """The true difference is exactly the margin, wide against the noise: `equivalent` is wrong 5 % of the time."""

    def edge(rng):
        return np.vstack([np.zeros(n), 6.0 + rng.normal(0, 1, n)])

    assert TYPE_ONE[0] <= rate(edge, (EQUIVALENT,), margin=6.0) <= TYPE_ONE[1]


def test_sign_flip_has_its_level_at_ten_seeds_and_never_rejects_at_five():
    rng = np.random.default_rng(1)
    found = np.mean([sign_flip(rng.normal(0, 1, 10)).p <= 0.05 for _ in range(REPEATS)])
    assert TYPE_ONE[0] <= found <= TYPE_ONE[1]
    assert not any(sign_flip(rng.normal(3, 1, 5)).p <= 0.05 for _ in range(500))


@pytest.mark.parametrize("n", [5, 10])
@pytest.mark.parametrize("datasets", [1, 3, 6])
def test_average_over_datasets(n, datasets):
    rng = np.random.default_rng(2)
    spreads = np.linspace(0.5, 2, datasets)
    found = [dataset_average([rng.normal(0, s, n) for s in spreads]).p <= 0.05 for _ in range(REPEATS)]
    assert TYPE_ONE[0] <= np.mean(found) <= TYPE_ONE[1]


@pytest.mark.parametrize("n", [5, 10])
def test_coverage_of_the_intervals(n):
    rng = np.random.default_rng(3)
    hits = {"mean": 0, "sd": 0, "difference": 0, "d_z": 0, "welch": 0, "average": 0}
    for _ in range(REPEATS):
        a, b = rng.normal(1.0, 1, n), rng.normal(0.2, 1, n)
        c = compare_paired(pair(dict(enumerate(a)), dict(enumerate(b))))
        w = compare_unpaired(a, b).ci
        v = dataset_average([a - b, rng.normal(0.8, 2, n)]).ci
        hits["mean"] += mean_interval(a).low <= 1 <= mean_interval(a).high
        hits["sd"] += sd_interval(a).low <= 1 <= sd_interval(a).high
        hits["difference"] += c.ci.low <= 0.8 <= c.ci.high
        hits["d_z"] += c.d_z.low <= 0.8 / np.sqrt(2) <= c.d_z.high
        hits["welch"] += w.low <= 0.8 <= w.high
        hits["average"] += v.low <= 0.8 <= v.high
    for name, count in hits.items():
        assert 0.93 <= count / REPEATS <= 0.97, (name, count / REPEATS)


def test_coverage_of_hodges_lehmann_is_its_stated_level():
    rng = np.random.default_rng(4)
    for n in (5, 6, 10):
        intervals = [hodges_lehmann(rng.normal(0, 1, n)) for _ in range(REPEATS)]
        covered = np.mean([i.low <= 0 <= i.high for i in intervals])
        assert abs(covered - intervals[0].level) < 0.013, (n, covered)


def test_coverage_of_pooling_over_datasets():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(2000):
        variances = rng.uniform(0.02, 0.1, 6)
        pooled = random_effects(rng.normal(0.5, 0.3, 6) + rng.normal(0, np.sqrt(variances)), variances)
        hits += pooled.ci.low <= 0.5 <= pooled.ci.high
    assert hits / 2000 >= 0.93


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("common", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("strength", [0.0, 1.0, 4.0])
def test_coverage_of_the_shares_of_an_anova(n, common, strength):
    """Three by two settings; factor a of some strength, b weak, no interaction, seeds with a common part."""
    rng = np.random.default_rng(7)
    a, b = np.linspace(0, strength, 3), np.array([0, strength / 8])
    cells = np.add.outer(a, b)[..., None]
    variances = np.array([a.var(), b.var(), 0.0, common**2, 1.0])
    hits = np.zeros(5)
    for _ in range(800):
        values = cells + common * rng.normal(0, 1, n) + rng.normal(0, 1, (3, 2, n))
        found = anova_shares(values, ["a", "b"], rng, draws=399)
        true = variances / variances.sum()
        hits += [e.low <= t <= e.high for e, t in zip(found, true, strict=True)]
    assert (hits / 800 >= 0.925).all(), hits / 800


@pytest.mark.parametrize("n", [5, 10])
def test_coverage_and_level_of_a_share_of_the_variance(n):
    """A source with half of the variance of all together, which the same seed gives the same random numbers."""
    rng = np.random.default_rng(8)
    covered = false = 0
    for _ in range(REPEATS):
        source = rng.normal(0, 1, n)
        found = variance_ratio(source, source + rng.normal(0, 1, n))
        covered += found.low <= 0.5 <= found.high
        false += variance_ratio(source, rng.normal(0, 1, n)).p <= 0.05
    assert 0.93 <= covered / REPEATS <= 0.97
    assert TYPE_ONE[0] <= false / REPEATS <= TYPE_ONE[1]


@pytest.mark.parametrize("common", [0.0, 0.7, 0.9])
def test_the_expected_optimism_is_that_of_equal_candidates_whatever_their_seeds_share(common):
    rng = np.random.default_rng(9)
    expected, found = [], []
    for _ in range(1000):
        seeds = common**0.5 * rng.normal(0, 1, 2)
        values = seeds + (1 - common) ** 0.5 * rng.normal(0, 1, (20, 2))
        expected.append(choice_bias(values).estimate)
        found.append(values.mean(axis=1).max())
    assert np.mean(expected) == pytest.approx(np.mean(found), abs=0.07)


def test_the_best_of_many_equal_arms_is_not_called_better_too_often():
    """Ten equal arms against one baseline: Holm keeps the family's error, whoever looks best."""
    found = rate(null(10, arms=11), (BETTER, WORSE), repeats=400)
    assert found <= TYPE_ONE[1]


def test_two_seeds_give_no_verdict_and_welch_needs_two_values_on_each_side():
    plan, family, ledger = study(np.random.default_rng(6).normal(0, 1, (2, 2)))
    (few,) = judge_together(plan, [family], "primary", ledger, np.random.default_rng(0))
    assert few.verdict.reason == "fewer than 3 seeds"
    with pytest.raises(ReportError, match="two seeds on each side"):
        compare_unpaired([1.0], [2.0])
