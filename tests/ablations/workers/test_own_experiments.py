"""Experiments with a config of their own: both phases, resume, what they must report, and the report of the study."""

from dataclasses import replace

import pytest

from ablations.design.plan import adopt_plan
from ablations.design.study import make_study
from ablations.errors import StudyError
from ablations.search.selection import freeze, load_selection
from analysis import open_study
from search_spaces import Interval
from silhouette.results import Store
from tests.helpers.engine import Phase
from tests.helpers.own_experiment import DESCENT

STUDY = {
    "name": "s",
    "question": "Does momentum end nearer?",
    "experiment": DESCENT,
    "factors": {"method": ("plain", "momentum")},
    "baseline": {"method": "plain"},
    "metric": "test_error",
    "metric_label": "distance",
    "direction": "min",
    "unit": "mm",
    "sesoi": 0.01,
    "seeds": range(5),
}
TUNING = {"nuisance": {"step_size": Interval(0.01, 0.5, log=True)}, "settings": 4, "seeds": (70, 71), "grace": 1}


def study(**changes):
    return make_study({**STUDY, **changes})


def with_metric(phase):
    """The context that a driver gives its workers."""
    phase.source.context = replace(phase.source.context, reports=phase.study.metric)
    return phase


def test_both_phases_keep_the_protocol_and_the_report_says_less_is_better(tmp_path):
    one = study(tuning=TUNING)
    tune = Phase("tune", tmp_path, one)
    adopt_plan(one, tune.store, {})
    tune.train()
    rows = tune.rows()
    assert {row["status"] for row in rows} == {"complete", "stopped"}
    assert all(dict(row["metrics"])["val_error"] > 0 and "test_error" not in dict(row["metrics"]) for row in rows)
    winners = {arm["arm"]: arm["score"] for arm in freeze(one, tune.source.searches, tune.store)["arms"]}
    best = {row["arm"]: dict(row["metrics"])["val_error"] for row in rows if row["status"] == "complete"}
    assert winners.keys() == best.keys()
    confirmed = load_selection(one, tune.store)
    with_metric(Phase("confirm", tmp_path, confirmed)).train()
    found = open_study(tmp_path, "s")
    (verdict,) = found.comparisons().to_pylist()
    assert verdict["verdict"] == "better"
    assert verdict["difference"] < 0
    assert "is below method=plain by" in verdict["sentence"]
    assert " mm (95 % CI" in verdict["sentence"]
    assert found.summary["metric"] | {"decimals": 3} == {
        "name": "test_error", "label": "distance", "direction": "min", "shown_times": 1.0, "unit": "mm", "symbol": "mm",
        "decimals": 3,
    }  # fmt: skip
    records = found.records(["test_error", "val_error", "test_top1"]).to_pylist()
    assert sum(row["test_error"] is not None for row in records) == 10
    assert {row["test_top1"] for row in records} == {None}
    assert "val_error" in found.curves().column_names


@pytest.mark.parametrize("phase", ["tune", "confirm"])
def test_a_killed_run_continues_with_the_same_numbers(phase, tmp_path):
    one = study(tuning=TUNING) if phase == "tune" else study()
    whole, killed = Phase(phase, tmp_path / "a", one), Phase(phase, tmp_path / "b", one)
    whole.train()
    killed.train(steps=3)
    killed.restart().train()
    assert killed.comparable_rows() == whole.comparable_rows()


@pytest.mark.parametrize(
    ("arms", "baseline", "word"),
    [
        (("plain", "momentum"), "plain", "better"),
        (("plain", "momentum"), "momentum", "worse"),
        (("plain", "other"), "plain", "equivalent"),
    ],
)
def test_every_verdict_knows_that_less_is_better(arms, baseline, word, tmp_path):
    one = study(factors={"method": arms}, baseline={"method": baseline}, sesoi=0.03)
    phase = Phase("confirm", tmp_path, one)
    adopt_plan(one, phase.store, {})
    with_metric(phase).train()
    (found,) = open_study(tmp_path, "s").comparisons().to_pylist()
    assert found["verdict"] == word


def test_a_result_without_the_metric_of_the_study_fails_and_says_so(tmp_path):
    phase = with_metric(Phase("confirm", tmp_path, study(experiment=DESCENT.replace("Descent", "Silent"))))
    phase.train()
    (error,) = {row["error"] for row in phase.rows()}
    assert {row["status"] for row in phase.rows()} == {"failed"}
    assert error == (
        "result(): must have the study's metric test_error; it has metrics, status, test_other, val_energy, val_error"
    )


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Finished", "status: must be running, complete, diverged, got 'finished'"),
        ("Endless", "status: must be complete or diverged after 4 epochs, got 'running'"),
        ("Undone", "done: must be False while status is 'running', got True"),
        ("Thief", "result(): 'trial_id' is a column that says which trial this is or what trained it; leave it out"),
    ],
)
def test_an_experiment_that_breaks_the_protocol_fails_and_says_so(tmp_path, name, line):
    phase = with_metric(Phase("confirm", tmp_path, study(experiment=DESCENT.replace("Descent", name))))
    phase.train()
    rows = phase.rows()
    assert len({row["trial_id"] for row in rows}) == len(rows) == 10
    assert {row["status"] for row in rows} == {"failed"}
    assert {row["error"].splitlines()[-1].removeprefix("ValueError: ") for row in rows} == {line}


def test_rows_without_what_the_search_sees_fail_and_say_so(tmp_path):
    phase = Phase("tune", tmp_path, study(experiment=DESCENT.replace("Descent", "Mute"), tuning=TUNING))
    phase.train()
    (error,) = {row["error"] for row in phase.rows()}
    assert error == "step(): each row must have the metric of the search, val_error; it has epoch, val_energy"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"direction": None}, "direction: must be max or min for test_error, which is not one of ours, got None"),
        ({"metric": "test_top1"}, "direction: test_top1 is one of ours, where max is better"),
        ({"metric": "error"}, "metric: must be one on test data"),
        ({"fixed": {"lr": 0.1}}, "lr: no such setting; known are step_size, method, noise, epochs"),
        ({"fixed": {"noise": -1}}, "noise: must be greater than or equal to 0, got -1"),
        ({"fixed": {"steps": 1}}, "steps: no such setting"),
        (
            {"experiment": "tests.helpers.own_experiment:Settings"},
            "its attribute Config must be a frozen",
        ),
        ({"experiment": "tests.helpers.own_experiment:Nothing"}, "experiment: must be a class that Python can import"),
        ({"tuning": {**TUNING, "nuisance": {"step_size": None}}}, "step_size needs an Interval or a Choice, got None"),
        ({"tuning": {**TUNING, "metric": "val_other"}}, "tuning.direction: must be max or min for val_other"),
        ({"tuning": {**TUNING, "confirm_on": "train+val"}}, "a field that Settings does not have"),
        ({"recipe": "cifar10_lt"}, "recipe: sets fields of TrialConfig"),
    ],
)
def test_bad_input_is_one_line(changes, line):
    with pytest.raises(StudyError) as caught:
        study(**changes)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ids_follow_from_every_field_and_the_experiment():
    ids = {t.trial_id for t in study().trials()}
    assert len(ids) == 10
    assert ids == {t.trial_id for t in study(fixed={"epochs": 4}).trials()}
    assert not ids & {t.trial_id for t in study(fixed={"epochs": 5}).trials()}
    assert not ids & {t.trial_id for t in study(experiment=DESCENT.replace("Descent", "Silent")).trials()}


def test_labels_of_arms_take_the_titles_of_fields():
    arms = study(factors={"step_size": (0.1, 0.2)}, baseline={"step_size": 0.1}).arms
    assert [arm.label for arm in arms] == ["η=0.1", "η=0.2"]


def test_records_of_an_older_version_read_as_without_metrics():
    table = Store("tests/data/results-0.1.0", "demo").load(["metrics"])
    assert table.num_rows == 24
    assert set(table["metrics"].to_pylist()) == {None}
