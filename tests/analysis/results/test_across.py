"""Verdicts over several datasets: gated by those on single datasets, with arms matched by identity."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.results.analyse import analyse_table
from analysis.study.table import TableOptions

OPTIONS = TableOptions(arm="method", seed="seed", metric="acc", block="data", baseline="CE", sesoi=0.5)
SEEDS = 5


def table(gains, spread, datasets=6):
    """Values in points: each method's gain over CE on every dataset, with a spread that has exactly mean 0 and SD 1."""
    noise = np.array([-1.2649, -0.6325, 0.0, 0.6325, 1.2649])
    rows = [
        (method, f"d{d}", seed, 70 + d + gain[d] + spread * noise[(seed + d + shift) % SEEDS])
        for shift, (method, gain) in enumerate({"CE": [0] * datasets, **gains}.items())
        for d in range(datasets)
        for seed in range(SEEDS)
    ]
    return dict(zip(("method", "data", "seed", "acc"), map(list, zip(*rows, strict=True)), strict=True))


def pair_of(document, treatment):
    return next(p for p in document["across"][0]["pairs"] if p["treatment"] == treatment)


def test_an_average_gets_no_word_where_no_single_dataset_is_decided():
    document = analyse_table(table({"A": [1.0] * 6}, spread=1.0), OPTIONS)
    found = pair_of(document, "A")
    assert {c["verdict"] for c in document["comparisons"]} == {"inconclusive"}
    assert found["p_average_adjusted"] < 0.01
    assert (found["verdict"], found["verdict_new"]) == ("no verdict", "no verdict")
    assert found["reason"] == "no comparison on a single dataset has a verdict of this kind"


def test_an_average_gets_a_word_where_a_single_dataset_is_decided():
    document = analyse_table(table({"A": [9.0] + [2.0] * 5, "B": [1.0] * 6}, spread=1.0), OPTIONS)
    assert [c["verdict"] for c in document["comparisons"]].count("better") == 1
    assert pair_of(document, "A")["verdict"] == "better"
    assert pair_of(document, "A")["reason"] == ""
    assert pair_of(document, "B")["verdict"] == "no verdict"  # the gate is each method's own


def test_equal_methods_are_inconclusive_over_datasets():
    found = pair_of(analyse_table(table({"A": [0.0] * 6}, spread=1.0), replace(OPTIONS, sesoi=None)), "A")
    assert (found["verdict"], found["verdict_new"], found["reason"]) == ("inconclusive", "inconclusive", "")


def _without_one_value(given, method, dataset):
    rows = list(zip(given["method"], given["data"], given["seed"], strict=True))
    return {name: [v for v, row in zip(values, rows, strict=True) if row != (method, dataset, 0)]
            for name, values in given.items()}  # fmt: skip


def test_there_is_no_word_over_datasets_while_one_of_them_has_none():
    given = _without_one_value(table({"A": [9.0] * 7, "B": [9.0] * 7}, spread=1.0, datasets=7), "A", "d6")
    document = analyse_table(given, OPTIONS)
    a, b = pair_of(document, "A"), pair_of(document, "B")
    assert (a["verdict"], a["verdict_new"], a["reason"]) == ("no verdict", "no verdict", "no verdict on d6")
    assert (b["verdict"], b["verdict_new"], b["reason"]) == ("better", "better", "")
    ranked = {(r["a"], r["b"]): (r["apart"], r["reason"]) for r in document["across"][0]["ranks"]["pairwise"]}
    assert ranked["CE", "B"] == (True, "")  # what another method lacks changes nothing
    assert ranked["CE", "A"] == (False, "A has no verdict on d6")


def test_equivalence_over_datasets_is_found_at_a_difference_of_zero():
    same = {"A": [0.0] * 6}
    document = analyse_table(table(same, spread=0.05), OPTIONS)
    assert pair_of(document, "A")["average"]["difference"] == pytest.approx(0, abs=1e-6)
    assert {c["verdict"] for c in document["comparisons"]} == {"equivalent"}
    assert pair_of(document, "A")["verdict"] == "equivalent"


def test_a_method_whose_name_ends_like_another_keeps_its_own_notes():
    given = table({"A": [1.0] * 6, "CE A": [1.0] * 6}, spread=1.0)
    gone = [i for i, row in enumerate(zip(given["method"], given["data"], given["seed"], strict=True))
            if row == ("CE A", "d0", 0)]  # fmt: skip
    for column in given.values():
        del column[gone[0]]
    document = analyse_table(given, OPTIONS)
    assert pair_of(document, "CE A")["warnings"][0].startswith("d0 left out for CE A")
    assert not [w for w in pair_of(document, "A")["warnings"] if "left out" in w]


def test_the_intervals_are_those_of_the_comparisons():
    document = analyse_table(table({"A": [1.0] * 6}, spread=1.0), OPTIONS)
    given = {c["treatment"]: [c["ci_low"], c["ci_high"]] for c in document["comparisons"]}
    assert {f"A on {name}": ci for name, ci in pair_of(document, "A")["intervals"].items()} == given
