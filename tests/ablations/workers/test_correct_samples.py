"""Which test samples were right, from the experiment to the record and to the report."""

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from ablations.design.plan import adopt_plan
from ablations.design.plans.describe import describe_study
from ablations.design.study import make_study
from ablations.errors import StudyError
from ablations.state.agreement import differences
from analysis import open_study
from silhouette.bits import unpack
from tests.helpers.engine import Phase

OWN = "tests.helpers.own_experiment"
STUDY = {
    "name": "s",
    "question": "Does momentum classify better?",
    "experiment": f"{OWN}:Classifier",
    "factors": {"method": ("plain", "momentum")},
    "baseline": {"method": "plain"},
    "metric": "test_accuracy",
    "direction": "max",
    "seeds": range(4),
}


def trained(folder, name="confirm", **changes):
    phase = Phase(name, folder, make_study({**STUDY, **changes}))
    bits = phase.study.max_test_bits
    phase.source.context = replace(phase.source.context, reports=phase.study.metric, max_test_bits=bits)
    adopt_plan(phase.study, phase.store, {})
    phase.train()
    return phase


def test_an_own_experiment_names_the_samples_that_it_has_right_and_the_report_has_their_noise(tmp_path):
    rows = trained(tmp_path).rows()
    for row in rows:
        share = unpack(row["correct_bits"], row["correct_samples"]).mean()
        assert share == pytest.approx(dict(row["metrics"])["test_accuracy"])
        assert row["correct_samples"] == 40
    (noise,) = open_study(tmp_path, "s").document["samples"]
    assert (noise["reason"], noise["samples"], noise["n"]) == ("", 40, 4)
    assert noise["ci_low"] < noise["difference"] < noise["ci_high"]
    assert len(noise["mcnemar"]) == 4


@pytest.mark.parametrize("limit", [0, 39])
def test_a_larger_test_set_than_the_study_allows_leaves_the_columns_out(limit, tmp_path):
    phase = trained(tmp_path, max_test_bits=limit)
    assert {row["correct_bits"] for row in phase.rows()} == {None}
    path = next((tmp_path / "s" / "trials").glob("*.parquet"))
    assert not {"correct_bits", "correct_samples"} & set(pq.read_schema(path).names)
    assert all(row["status"] == "complete" for row in phase.rows())


def test_the_limit_changes_neither_the_plan_nor_the_trials():
    one, other = make_study(STUDY), make_study({**STUDY, "max_test_bits": 0})
    assert describe_study(one) == describe_study(other)
    assert [t.trial_id for t in one.trials()] == [t.trial_id for t in other.trials()]
    with pytest.raises(StudyError, match="max_test_bits: must be greater than or equal to 0, got -1"):
        make_study({**STUDY, "max_test_bits": -1})


def test_tuning_trials_have_no_bits(tmp_path):
    tuning = {"nuisance": {"step_size": {"low": 0.01, "high": 0.5}}, "settings": 2, "seeds": (70,), "grace": 1}
    tuning |= {"metric": "val_error", "direction": "min"}
    rows = trained(tmp_path, "tune", tuning=tuning).rows()
    assert rows
    assert {row["correct_bits"] for row in rows} == {None}


def test_what_is_no_list_of_booleans_fails_the_trial_in_one_line(tmp_path):
    for row in trained(tmp_path, experiment=f"{OWN}:Mistaken").rows():
        assert row["status"] == "failed"
        assert row["error"] == "result(): correct must be one True or False for each test sample, got [0.2, 0.9]"


def test_records_agree_on_the_samples_where_both_name_them():
    one, other = (np.packbits(row).tobytes() for row in ([1, 0, 1], [1, 1, 1]))
    first = {"test_top1": 0.5, "correct_bits": one, "correct_samples": 3}
    assert differences(first, {"test_top1": 0.5}) == ()
    (found,) = differences(first, {**first, "correct_bits": other})
    assert (found.column, found.first, found.second) == ("correct_bits", "a0", "e0")
