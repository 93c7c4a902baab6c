"""Metrics that were measured after a study: exploratory in the report, beside verdicts that stay as they were."""

import numpy as np
import pytest
from scipy import stats

from analysis import open_study, write_report
from analysis.report.page import make_page
from silhouette.evaluated import Evaluation, forget_evaluations, latest, read_evaluations, write_evaluations
from silhouette.results import Store
from tests.helpers.synthetic import analysed, demo_plan, write_study

SEEDS = 6


@pytest.fixture
def store(tmp_path):
    """A study without any value measured afterwards."""
    return write_study(tmp_path, demo_plan(seeds=SEEDS))


def evaluation(row, value, metric="test_gap", source="a" * 12, at="2026-11-26T12:00:00+00:00"):
    return Evaluation(row["trial_id"], metric, f"mine:{metric.removeprefix('test_')}", source, value, "last", at)


def rows_of(store):
    return store.load().to_pylist()


def measure(store, value, **other):
    """A value of each trial, by arm and seed."""
    made = [evaluation(row, value(row["arm"], row["seed"]), **other) for row in rows_of(store)]
    write_evaluations(store, [*read_evaluations(store), *made])


def gap(arm, seed):
    return float(np.random.default_rng([seed, *arm.encode()]).normal(3.0, 0.2) + (0.5 if arm.startswith("λ=0 ") else 0))


def test_arms_and_declared_comparisons_in_the_metric(store):
    before = analysed(store)
    measure(store, gap)
    data = analysed(store)
    (found,) = data.pop("evaluated")
    assert before.pop("evaluated") == []
    assert data == before
    assert (found["metric"], found["function"], found["role"], found["missing"]) == (
        "test_gap", "mine:gap", "exploratory", 0,
    )  # fmt: skip
    for arm in found["arms"]:
        values = [gap(arm["arm"], seed) for seed in range(SEEDS)]
        expected = (np.mean(values), np.std(values, ddof=1))
        assert (arm["n"], (arm["mean"], arm["sd"])) == (SEEDS, pytest.approx(expected))
    assert [(c["treatment"], c["baseline"]) for c in found["comparisons"]] == [
        (c["treatment"], c["baseline"]) for c in data["comparisons"]
    ]
    for c in found["comparisons"]:
        a, b = ([gap(c[k], seed) for seed in range(SEEDS)] for k in ("treatment", "baseline"))
        test = stats.ttest_rel(a, b)
        assert (c["difference"], c["p"]) == (pytest.approx(np.mean(a) - np.mean(b)), pytest.approx(test.pvalue))
        assert (c["ci_low"], c["ci_high"]) == pytest.approx(tuple(test.confidence_interval(1 - data["alpha"])))


def test_the_page_says_exploratory_and_claims_nothing_of_it(store, tmp_path):
    measure(store, gap)
    page = make_page(analysed(store))
    (section,) = [s for s in page.sections if s.key == "evaluated"]
    assert section.title == "Metrics added afterwards (exploratory)"
    assert "no claim rests on them" in section.paragraphs[0]
    assert section.paragraphs[1] == f"test_gap: mine:gap, sources {'a' * 12}."
    assert [table.name for table in section.tables] == ["evaluated-arms", "evaluated-comparisons"]
    assert all("Exploratory" in table.caption for table in section.tables)
    assert not any("test_gap" in claim.text for claim in page.claims)
    write_report(str(tmp_path), store.study)
    assert "Metrics added afterwards (exploratory)" in store.read_bytes("report", "report.md").decode()


def test_a_study_without_such_values_has_no_such_section(store):
    assert "evaluated" not in {section.key for section in make_page(analysed(store)).sections}


def test_missing_values_are_counted_and_their_comparison_is_not_shown(store):
    rows = rows_of(store)
    gone = next(row for row in rows if not row["arm"].startswith("λ=0 "))
    values = [evaluation(row, None if row is gone else 1.0 + row["seed"]) for row in rows[:-1]]
    write_evaluations(store, values)
    (found,) = analysed(store)["evaluated"]
    assert found["missing"] == 2
    assert gone["arm"] not in {c["treatment"] for c in found["comparisons"]}
    text = make_page(analysed(store)).sections
    assert any("; 2 trials in use without a value." in p for section in text for p in section.paragraphs)


def test_values_of_older_sources_are_not_mixed_with_new_ones(store):
    measure(store, gap)
    rows = rows_of(store)
    new = [evaluation(row, 9.0, source="b" * 12, at="2026-11-27T12:00:00+00:00") for row in rows[:2]]
    kept = [one for one in read_evaluations(store) if one.trial_id not in {n.trial_id for n in new}]
    write_evaluations(store, [*kept, *new])
    (found,) = analysed(store)["evaluated"]
    assert found["source_sha256"] == "b" * 12
    assert found["missing"] == len(rows) - 2
    assert {one.value for one in latest(read_evaluations(store))} == {9.0}


def test_nothing_is_inferred_from_an_unfinished_study(tmp_path):
    store = write_study(tmp_path, demo_plan(seeds=SEEDS), skip={("λ=0 none", 0), ("λ=0 long_tail×20", 0)})
    measure(store, gap)
    (section,) = [s for s in make_page(analysed(store)).sections if s.key == "evaluated"]
    assert [table.name for table in section.tables] == ["evaluated-arms"]


def test_from_python(store, tmp_path):
    measure(store, gap)
    table = open_study(tmp_path, store.study).evaluated()
    assert table.num_rows == len(rows_of(store))
    assert table.column_names == [
        "trial_id", "phase", "arm", "seed", "status", "metric", "function", "source_sha256", "value", "kept",
        "evaluated_at",
    ]  # fmt: skip
    row = table.to_pylist()[0]
    assert row["value"] == gap(row["arm"], row["seed"])
    assert open_study(tmp_path, store.study).document["evaluated"] == analysed(store)["evaluated"]


def test_a_damaged_file_counts_as_absent(store):
    store.write_bytes(b"PAR1 no", "evaluated.parquet")
    assert read_evaluations(store) == []
    assert analysed(store)["evaluated"] == []


def test_the_same_values_give_the_same_file(tmp_path):
    rows = [{"trial_id": f"{n:x}"} for n in range(5)]
    values = [evaluation(row, float(n)) for n, row in enumerate(rows)]
    one, other = Store(str(tmp_path), "a"), Store(str(tmp_path), "b")
    write_evaluations(one, values)
    write_evaluations(other, values[::-1])
    assert one.read_bytes("evaluated.parquet") == other.read_bytes("evaluated.parquet")
    assert sorted(read_evaluations(one), key=str) == sorted(values, key=str)
    forget_evaluations(one, ["0", "4"])
    assert [v.trial_id for v in read_evaluations(one)] == ["1", "2", "3"]
