"""The recipe, the validation data and the data of confirm trials: in `report.json`, and in the report's protocol."""

import json

import pytest

from analysis.errors import ReportError
from analysis.report.sections import protocol, tuning
from analysis.study.study_file import make_plan, read_plan
from silhouette.results import Store
from tests.helpers.synthetic import analysed, demo_plan, document, make_store, write_study

TUNING = {"settings": 3, "sampler": "tpe"}
RECIPE = {
    "name": "cifar10_lt",
    "source": "Cao et al. 2019",
    "settings": {"epochs": 200, "milestones": [160, 180], "lr": 0.1},
    "overridden": {"epochs": [20, 40], "milestones": [[10, 15]], "lr": ["tuned"]},
}

OF_DATA = "of all data, or of the training data where a test split is official"


def plan(*configs, **changes):
    """The demo study with these settings added to its arms, in turn; a tuned one has them before tuning."""
    made = demo_plan(**changes)
    key = "start" if "tuning" in changes else "config"
    arms = [
        {**arm, key: {**arm["config"], "imbalance": arm["block"].split("×")[0], **configs[i % len(configs)]}}
        for i, arm in enumerate(made["arms"])
    ]
    return {**made, "arms": arms}


def reported(made):
    """Document, and the lines of the protocol by what they declare."""
    data = analysed(write_study(None, {**made, "seeds": [0, 1, 2]}))
    return data, {row[0].text: row[1].text for row in protocol.section(data).tables[0].rows}


def test_the_recipe_and_what_is_overridden_are_shown():
    data, lines = reported(demo_plan(recipe=RECIPE))
    assert data["recipe"] == RECIPE
    assert lines["recipe"] == (
        "cifar10_lt (Cao et al. 2019); overridden: epochs = 20 or 40 (recipe: 200); "
        "milestones = 10, 15 (recipe: 160, 180); lr = tuned (recipe: 0.1)"
    )
    assert reported(demo_plan(recipe={**RECIPE, "overridden": {}}))[1]["recipe"].endswith("overridden: nothing")
    without, lines = reported(demo_plan())
    assert without["recipe"] is None
    assert "recipe" not in lines


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"val_fraction": 0.2, "val_profile": "train"},
            f"20 % {OF_DATA}; with the imbalance of the training data, which",
        ),
        (
            {"val_profile": "balanced"},
            f"15 % {OF_DATA}; taken before the imbalance (balanced if the data are)",
        ),
        ({}, f"15 % {OF_DATA}; taken before the imbalance"),
        ({"val_fraction": 0}, "none, so nothing was chosen on them"),
    ],
)
def test_the_report_says_where_validation_data_come_from(settings, words):
    data, lines = reported(plan(settings, blocks=("long_tail×20",)))
    assert len(data["validation"]) == 1
    assert lines["validation data"].startswith(words)


def test_arms_with_other_validation_data_are_told_apart():
    data, lines = reported(plan({}, {"val_fraction": 0.0}, lambdas=(0.0, 0.2)))
    profiles = [(v["profile"], v["arms"]) for v in data["validation"]]
    wanted = [("unchanged", ["λ=0 none"]), ("none", ["λ=0.2 none", "λ=0.2 long_tail×20"])]
    assert profiles == [*wanted, ("balanced", ["λ=0 long_tail×20"])]
    words = f"15 % {OF_DATA}; with the classes of the training data (λ=0 none); none, so nothing was chosen on them ("
    assert lines["validation data"].startswith(words)


def test_an_own_experiment_says_nothing_about_its_validation_data():
    data, lines = reported(plan({}, experiment="mine.train:Mine"))
    assert data["validation"] == []
    assert "validation data" not in lines


@pytest.mark.parametrize(
    ("confirm_on", "shown", "words"),
    [
        ({}, "train", "training data only, as while tuning"),
        ({"confirm_on": "train+val"}, "train+val", "training and validation data together"),
    ],
)
def test_the_report_says_what_confirm_trials_of_a_tuned_study_train_on(confirm_on, shown, words):
    data, lines = reported(plan({"val_profile": "train"}, tuning={**TUNING, **confirm_on}))
    assert data["confirm_on"] == shown
    assert lines["confirm trials train on"].startswith(words)
    assert {v["profile"] for v in data["validation"]} == {"unchanged", "train"}


def test_the_report_does_not_claim_that_an_imbalance_keeps_all_validation_data():
    """Validation data of the default profile were taken before the imbalance, which leaves out most of their tail."""
    words = "the imbalance, which came after the choice of validation data, then leaves out some of these too"
    for settings, ends in (({}, True), ({"val_profile": "train"}, False)):
        _, lines = reported(plan(settings, tuning={**TUNING, "confirm_on": "train+val"}))
        assert lines["confirm trials train on"].endswith(words) == ends


def test_without_a_tune_phase_there_is_no_such_line():
    data, lines = reported(plan({}))
    assert data["confirm_on"] is None
    assert "confirm trials train on" not in lines


@pytest.mark.parametrize("key", ["fixed", "provenance"])
@pytest.mark.parametrize("damaged", [[1], "x", 3])
def test_a_damaged_object_of_a_plan_is_one_line(tmp_path, key, damaged):
    make_store(tmp_path, demo_plan(**{key: damaged}))
    with pytest.raises(ReportError, match=rf"study\.json: not in the format of a study .*{key} must be a JSON object"):
        read_plan(Store(str(tmp_path), "demo"))


@pytest.mark.parametrize("recipe", [{"name": "x"}, ["x"], "x", {**RECIPE, "overridden": ["epochs"]}])
def test_a_damaged_recipe_is_one_line(tmp_path, recipe):
    make_store(tmp_path, demo_plan(recipe=recipe))
    with pytest.raises(ReportError, match=r"study\.json: not in the format of a study"):
        read_plan(Store(str(tmp_path), "demo"))


def test_a_plan_of_before_is_read():
    made = make_plan(demo_plan())
    assert (made.recipe, made.confirm_on) == ({}, "")
    assert make_plan(demo_plan(arms=[{**a, "config": {}} for a in demo_plan()["arms"]])).validation == ()


def test_records_without_validation_columns_are_reported(tmp_path):
    """Neither learning curves nor a validation metric: the tests are those on test data."""
    blank = {"val_top1": None, "curve": [{"epoch": 1, "val_top1": None, "train_loss": 0.5}]}
    with_them, _ = document(write_study(tmp_path / "a", demo_plan()))
    data, text = document(write_study(tmp_path / "b", demo_plan(), change=lambda *_: blank))
    assert data["learning"] is None
    assert "Learning curves" not in text
    assert json.dumps(data["comparisons"]) == json.dumps(with_them["comparisons"])


def test_the_search_space_and_what_was_never_proposed_are_shown():
    nuisance = {"objective": {"values": ["vs", "ldam"]}, "lr": {"low": 0.001, "high": 0.1, "log": True}}
    never = [{"name": "objective", "value": "ldam", "arms": ["A"], "reason": "classifier: ldam needs cosines"}]
    made = plan({}, tuning={**TUNING, "nuisance": nuisance}, never_proposed=never)
    data, _ = reported(made)
    shown = [[cell.text for cell in row] for row in tuning._space_table(data["search_space"])[0].rows]
    assert shown == [
        ["objective", "vs, ldam", "ldam in A (classifier: ldam needs cosines)"],
        ["lr", "0.001 to 0.1, on a logarithmic scale", "–"],
    ]
    older = reported(plan({}, tuning={**TUNING, "nuisance": nuisance}))[0]
    assert [found["never"] for found in older["search_space"]] == [[], []]
    assert tuning._space_table(reported(plan({}))[0]["search_space"]) == []


def test_losses_have_the_names_of_papers_beside_those_of_the_arms():
    values = ["ce", "logit_adjusted + 0.35*bcl", "mine:loss"]
    factor = {"field": "objective", "label": "objective", "values": values, "default": "ce"}
    _, lines = reported(demo_plan(factors=[factor]))
    assert lines["factors"] == (
        "objective (objective): ce (CE), logit_adjusted + 0.35*bcl (logit adjustment + 0.35·BCL), mine:loss (mine:loss)"
    )
