"""What the checklist of the review answers, and that it agrees with the sections of the report."""

import pytest

from analysis.report.page import make_page
from analysis.results.analyse import analyse_table
from analysis.study.table import TableOptions
from tests.helpers.studies import tail_extra, write
from tests.helpers.synthetic import analysed, demo_plan, write_study


def answer(data, request):
    return next((a["answer"], a["where"]) for a in data["checklist"] if request in a["request"])


def sections(data):
    return {s.key for s in make_page(data).sections}


def study(blocks=("long_tail×20",), seeds=6, without=(), **changes):
    plan = demo_plan(lambdas=(0.0, 0.2), blocks=blocks, seeds=seeds, **changes)
    extra = lambda a, s, r: {k: v for k, v in tail_extra(a, s, r).items() if k not in without}  # noqa: E731
    return analysed(write(None, plan, lambda a, s, r: 0.9, extra))


def test_batch_composition_that_has_a_section_is_never_called_unrecorded():
    data = study()
    assert "composition" in sections(data)
    found, where = answer(data, "few or uneven samples")
    assert found == "partly answered"
    assert "Batch composition: gain against singletons" in where
    assert "one imbalance setting only" in where
    assert "not recorded" not in where
    assert "has the composition" not in where


def test_batch_composition_without_a_section_is_said_to_be_absent():
    data = study(without=("singleton_share",))
    assert "composition" not in sections(data)
    assert answer(data, "few or uneven samples")[1].endswith("No comparison has the composition of its batches.")


def test_contrast_and_composition_answer_the_request_together():
    data = study(blocks=("none", "long_tail×20"))
    assert answer(data, "few or uneven samples")[0] == "answered"


def test_balanced_data_do_not_answer_the_request_on_imbalance():
    data = study(blocks=("none",), without=("singleton_share",))
    assert data["tail"] != []
    assert answer(data, "few or uneven samples")[0] == "not answered"


@pytest.mark.parametrize(("seeds", "lowest"), [(3, "0.25"), (5, "0.0625")])
def test_the_limit_of_the_exact_tests_names_the_seeds_that_there_are(seeds, lowest):
    where = answer(analysed(write_study(None, demo_plan(seeds=seeds))), "Paired t-tests")[1]
    assert f"With {seeds} seeds the exact tests cannot give p below {lowest}." in where
    assert "five seeds" not in where


def test_enough_seeds_have_no_limit_to_name():
    assert "cannot" not in answer(analysed(write_study(None, demo_plan(seeds=6))), "Paired t-tests")[1]


def test_comparisons_without_a_verdict_are_no_answer_and_say_why():
    store = write_study(None, demo_plan(seeds=6), change=lambda a, s: {"status": "failed"} if s == 5 else {})
    found, where = answer(analysed(store), "Paired t-tests")
    assert found == "not answered"
    assert where == "No comparison has a verdict: 5 of 6 planned seeds; 1 failed."


def test_a_plain_table_has_no_checklist_of_the_review():
    rows = {"arm": ["a"] * 4 + ["b"] * 4, "seed": [*range(4)] * 2, "acc": [1.0, 1.2, 1.1, 1.3, 2.0, 2.3, 2.1, 2.2]}
    data = analyse_table(rows, TableOptions(arm="arm", seed="seed", metric="acc", baseline="a"))
    assert data["checklist"] == []
    assert "checklist" not in sections(data)
