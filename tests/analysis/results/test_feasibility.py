"""What a comparison can show: one number, at the level of its verdict, from the differences that can move."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.results.analyse import analyse_table
from analysis.stats.effect_sizes import hedges_g_z, win_probability
from analysis.stats.power import detectable, seeds_needed
from analysis.study.table import TableOptions
from tests.helpers.studies import arm, family, write
from tests.helpers.synthetic import analysed, demo_plan


def comparisons(arms, sesoi=0.5, **options):
    """Comparisons of a table of values by arm, the first of which is the baseline."""
    rows = [(arm, seed, value) for arm, values in arms.items() for seed, value in enumerate(values)]
    table = dict(zip(("arm", "seed", "acc"), map(list, zip(*rows, strict=True)), strict=True))
    given = TableOptions(arm="arm", seed="seed", metric="acc", baseline=next(iter(arms)), sesoi=sesoi, **options)
    return analyse_table(table, given)["comparisons"]


def noisy(seed, n=10):
    return (70 + np.random.default_rng(seed).normal(0, 1, n)).tolist()


@pytest.mark.parametrize("m", [1, 3, 10])
def test_what_can_be_detected_is_at_the_level_of_the_verdict(m):
    found = comparisons({"CE": noisy(0), **{f"arm {i}": noisy(i) for i in range(1, m + 1)}}, sesoi=1.0)
    for c in found:
        sd, can = c["detail"]["sd_difference"], c["feasibility"]
        assert can["detectable"] == pytest.approx(detectable(10, 0.05 / m) * sd)
        assert can["seeds_for_effect"] == seeds_needed(1.0 / sd, 0.05 / m)
        low, high = (math.sqrt(9 / stats.chi2.ppf(q, 9)) for q in (0.975, 0.025))
        ends = (can["detectable_low"], can["detectable_high"])
        assert ends == pytest.approx((low * can["detectable"], high * can["detectable"]))
        level = "" if m == 1 else f" at the level of its verdict, 0.05/{m}"
        assert f"with 80 % power{level}." in c["feasibility_line"]
        assert ", as the SD is uncertain) with 80 % power" in c["feasibility_line"]


def test_ten_seeds_are_not_enough_for_one_sd_after_correction():
    """Validity of planning: d_z = 1 needs 10 seeds alone, 14 among three comparisons, 18 among ten."""
    assert [seeds_needed(1.0, 0.05 / m) for m in (1, 3, 10)] == [10, 14, 18]


def test_differences_without_spread_plan_nothing():
    (c,) = comparisons({"CE": [70.0] * 5, "A": [71.0] * 5})
    assert c["feasibility"]["detectable"] is None
    assert c["feasibility"]["seeds_for_effect"] is None
    assert c["feasibility_line"] == "The differences have no spread, so nothing can be planned from them."


def test_a_verdict_needs_three_seeds_however_large_the_effect_is():
    (c,) = comparisons({"CE": noisy(0), "A": noisy(1)}, sesoi=1000.0)
    assert (c["feasibility"]["seeds_for_effect"], c["feasibility"]["seeds_for_effect_high"]) == (3, 3)


@pytest.mark.parametrize("n", [2, 5])
def test_nothing_is_said_of_seeds_that_give_no_verdict(n):
    (c,) = comparisons({"CE": noisy(0, n), "A": noisy(1, 2)})
    assert c["feasibility_line"].startswith("No verdict (")


def test_unpaired_arms_of_which_one_has_one_seed_have_too_few():
    (c,) = comparisons({"CE": noisy(0, 5), "A": noisy(1, 1)}, unpaired=True)
    assert c["sentence"] == "A and CE cannot be compared: fewer than 3 seeds."


def test_benjamini_and_hochberg_leave_the_smallest_exact_p_as_it_is():
    """Five exploratory comparisons that all have the smallest p: Holm would need it below 0.05 / 5."""
    arms = ["CE", *(f"λ={i}" for i in range(5))]
    plan = demo_plan(
        arms=[arm(a, {"m": a}, "b", a == "CE") for a in arms],
        families=[family("b", "CE", arms[1:], "exploratory", "bh")], factors=[], seeds=7,
    )  # fmt: skip
    found = analysed(write(None, plan, lambda a, s, rng: 0.7 + 0.1 * (a["arm"] != "CE") + rng.normal(0, 0.01)))
    assert {c["p_sign_flip"] for c in found["comparisons"]} == {2 / 2**7}
    assert {c["feasibility"]["smallest_p_adjusted"] for c in found["comparisons"]} == {2 / 2**7}
    assert {c["feasibility"]["smallest_n"] for c in found["comparisons"]} == {6}


def test_the_smallest_exact_p_names_the_ties():
    base = noisy(0)
    (c,) = comparisons({"CE": base, "A": [v + (i > 5) * (i - 3.5) for i, v in enumerate(base)]})
    assert c["feasibility"]["smallest_p"] == 2 / 2**4
    assert c["feasibility_line"].startswith(
        "With 4 differences that are not zero the exact p cannot go below 0.12: 6 of 10 seeds are ties and cannot "
        "move it; it takes 6 that are not zero."
    )


def test_an_unpaired_comparison_says_what_welchs_test_detects():
    (c,) = comparisons({"CE": noisy(0), "A": noisy(1)}, unpaired=True)
    a, b = np.array(noisy(1)), np.array(noisy(0))
    welch = math.sqrt(a.var(ddof=1) / 10 + b.var(ddof=1) / 10)
    assert c["feasibility"]["detectable"] == pytest.approx(welch * 2.97, rel=0.03)  # 2.97 standard errors at df = 18
    assert "This design detects" in c["feasibility_line"]


def test_ties_count_half_in_the_probability_and_in_its_interval():
    found = win_probability([1.0] * 10 + [0.0] * 20)
    assert found.estimate == pytest.approx(2 / 3)
    assert found.low < 2 / 3 < found.high
    assert found.low == pytest.approx(stats.binomtest(20, 30).proportion_ci(method="exact").low)
    assert win_probability([0.0, 0.0]).estimate == 0.5


def test_the_interval_of_g_z_covers():
    """At n = 5 the bounds of d_z cover the true effect; multiplied by Hedges' factor they covered 85 to 89 %."""
    rng, hits = np.random.default_rng(6), 0
    for _ in range(400):
        interval = hedges_g_z(rng.normal(1.0, 1.0, 5))
        hits += interval.low <= 1.0 <= interval.high
    assert hits / 400 >= 0.93
