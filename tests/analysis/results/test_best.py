"""Which arm of a block can be the best: Hsu's comparison with the best over all arms, and where it says nothing."""

import numpy as np
import pytest

from analysis.report.page import make_page
from analysis.report.writers import markdown
from analysis.results.analyse import summary_of
from analysis.stats.plateau import compare_with_best
from tests.analysis.rates.reports import arms_of, family, records, study
from tests.helpers.studies import variance_plan, variance_value, write
from tests.helpers.synthetic import analysed, demo_plan, write_study

N = 8
LEADS = {"CE": 0.0, "focal": 0.1, "arc": 2.0}


def values(labels=LEADS):
    rng = np.random.default_rng(4)
    shared = 75 + rng.normal(0, 0.4, N)
    return {name: shared + rng.normal(0, 0.4, N) + LEADS[name] for name in labels}


def best(plan, rows):
    return summary_of(plan, rows, ("best",))["best"]


def plan_of(labels=LEADS, **changes):
    first, *rest = labels
    return study([family("f", first, rest)], N, **changes)


def test_the_bounds_of_all_arms_are_those_of_hsu_and_name_the_best_one():
    made = values()
    (found,) = best(plan_of(), records(made))
    expected = compare_with_best(np.column_stack([made[name] / 100 for name in LEADS]))
    assert [a["worse_by_at_most"] for a in found["arms"]] == pytest.approx(expected.worse)
    assert [a["better_by_at_most"] for a in found["arms"]] == pytest.approx(expected.better)
    assert [a["arm"] for a in found["arms"] if a["can_be_best"]] == ["arc"]
    assert (found["n"], found["level"], found["reason"]) == (N, 0.95, "")


def test_where_less_is_better_the_smallest_mean_is_the_best():
    (found,) = best(plan_of(direction="min"), records(values()))
    assert [a["arm"] for a in found["arms"] if a["can_be_best"]] == ["CE", "focal"]


def test_each_block_has_a_best_of_its_own_and_the_page_says_by_how_much():
    data = analysed(write_study(None, demo_plan()))
    assert [b["block"] for b in data["best"]] == ["none", "long_tail×20"]
    text = markdown.render(make_page(data))
    assert "Every arm against the best of the others of its block" in text
    assert "none: the best arm is one of λ=0, λ=0.05 (95 % confidence" in text
    assert "could be better than all others by at most" in text


def test_two_arms_and_a_missing_seed_give_no_statement():
    assert best(plan_of(("CE", "arc")), records(values(("CE", "arc")))) == []
    rows = [r for r in records(values()) if (r.arm, r.seed) != ("arc", 3)]
    (found,) = best(plan_of(), rows)
    assert found["reason"]
    assert {a["better_by_at_most"] for a in found["arms"]} == {None}


def test_a_number_of_seeds_that_depends_on_the_results_gives_no_statement():
    (found,) = best(plan_of(stop="decided"), records(values()))
    assert found["reason"].startswith("seeds are run until it is decided")


def test_arms_that_only_move_other_sources_of_chance_are_not_compared():
    assert analysed(write(None, variance_plan(), variance_value))["best"] == []


def test_arms_of_two_blocks_are_not_compared_with_each_other():
    described = [(f"{m} {b}", b, m == "a", {"m": m}) for b in ("x", "y") for m in ("a", "b")]
    plan = study([family(b, f"a {b}", [f"b {b}"]) for b in ("x", "y")], N, arms=arms_of(described))
    rng = np.random.default_rng(0)
    assert best(plan, records({label: 75 + rng.normal(0, 1, N) for label, *_ in described})) == []
