"""Dunnett's p beside the declared test, failures ranked last, and the intervals of the model over data sets."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.results.analyse import analyse, summary_of
from analysis.stats.designs.dunnett import compare_with_control
from tests.analysis.rates.reports import accuracies, family, records, study, table_report

N = 10


def values(gap=0.0):
    rng = np.random.default_rng(2)
    shared = 75 + rng.normal(0, 0.4, N)
    return {name: shared + rng.normal(0, 0.4, N) + g for name, g in (("base", 0), ("a", gap), ("b", 0), ("c", 0))}


def plan(treatments=("a", "b", "c")):
    return study([family("f", "base", list(treatments))], N)


def robust(plan, rows):
    return {r["treatment"]: r for r in summary_of(plan, rows, ("robustness",))["robustness"]}


def test_dunnetts_p_pools_the_arms_of_the_family():
    made = values(0.6)
    found = robust(plan(), records(made))
    expected = compare_with_control(np.column_stack([made[name] / 100 for name in ("base", "a", "b", "c")]))
    assert [found[name]["p_dunnett"] for name in "abc"] == pytest.approx(expected.p)


def test_a_family_of_one_or_with_a_missing_seed_has_no_pooled_p():
    assert robust(plan(("a",)), records(values()))["a"]["p_dunnett"] is None
    rows = [r for r in records(values()) if (r.arm, r.seed) != ("b", 3)]
    assert robust(plan(), rows)["a"]["p_dunnett"] is None


def failing(rows, lost):
    return [replace(r, status="diverged", metrics={}) if (r.arm, r.seed) in lost else r for r in rows]


def failures(plan, rows):
    return {f["arm"]: f for f in summary_of(plan, rows, ("failures",))["failures"]}


def test_one_diverged_seed_of_the_baseline_no_longer_leaves_a_clear_difference_without_a_verdict():
    rows = failing(records(values(3.0)), {("base", 4)})
    document = analyse(plan(), rows)
    assert {c["verdict"] for c in document["comparisons"]} == {"no verdict"}
    a = failures(plan(), rows)["a"]
    assert a["p_last"] == 2 / 2**N
    assert a["p_last_adjusted"] == pytest.approx(3 * 2 / 2**N)
    assert a["verdict_last"] == "better"
    assert failures(plan(), rows)["base"]["verdict_last"] == "no verdict"


def test_an_arm_that_fails_on_every_seed_is_worse():
    found = failures(plan(), failing(records(values()), {("a", seed) for seed in range(N)}))
    assert found["a"]["verdict_last"] == "worse"
    assert found["b"]["verdict_last"] == "inconclusive"


def test_before_all_seeds_were_tried_failures_give_no_verdict():
    rows = [r for r in failing(records(values(3.0)), {("base", 4)}) if r.seed < 9]
    assert {f["verdict_last"] for f in failures(plan(), rows).values()} == {"no verdict"}
    assert {f["p_last"] for f in failures(plan(), rows).values()} == {None}


def test_the_model_over_data_sets_has_intervals_around_its_means():
    report = table_report(accuracies(np.random.default_rng(3), 4, 2, 5, 1.0), "across")
    model = report["across"][0]["pairs"][0]["bayes"]
    assert model["new_low"] < model["mean_low"] < model["mean"] < model["mean_high"] < model["new_high"]
    each = zip(model["shrunken_low"], model["shrunken"], model["shrunken_high"], strict=True)
    assert all(low < middle < high for low, middle, high in each)
    assert model["level"] == 0.95
