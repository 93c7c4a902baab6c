"""Validation data of a search, and confirm trials that are trained on them too."""

import numpy as np
import pytest

from ablations.design.data_use import check_own_data
from ablations.design.plans.describe import describe_study
from ablations.design.plans.fit import covers
from ablations.design.study import Study, make_study
from ablations.errors import StudyError
from search_spaces import Choice, Interval
from silhouette import Training
from silhouette.config import make_config
from silhouette.data.splits import load, make_split
from silhouette.errors import InputError
from tests.helpers.own_data import arrays_of, save, write_list

TUNING = {"nuisance": {"lr": Interval(1e-3, 1e-1, log=True)}, "settings": 3, "grace": 1}
TAIL = {"imbalance": "long_tail", "imbalance_factor": 10, "epochs": 3}
WINNERS = {"CE": {"lr": 0.02}, "CE+Sil": {"lr": 0.01}}


def study(confirm_on="train+val", **changes) -> Study:
    return make_study(
        {
            "question": "Does it help?",
            "treatments": {"CE": {"lambda_sil": 0.0}, "CE+Sil": {"lambda_sil": 0.2}},
            "fixed": {**TAIL, "val_profile": "train"},
            "baseline": "CE",
            "seeds": (0, 1, 2),
            "tuning": {**TUNING, "confirm_on": confirm_on},
            **changes,
        }
    )


def test_winners_are_trained_on_training_and_validation_data():
    before, after = study().arms, study(winners=WINNERS).arms
    assert [arm.config.val_fraction for arm in (*before, *after)] == [0.15, 0.15, 0, 0]
    assert [arm.config.lr for arm in after] == [0.02, 0.01]
    assert [arm.config.val_fraction for arm in study("train", winners=WINNERS).arms] == [0.15, 0.15]
    assert [arm["start"]["val_fraction"] for arm in describe_study(study(winners=WINNERS))["arms"]] == [0.15, 0.15]


def test_the_test_samples_stay_and_the_others_are_all_trained_on():
    """On data without an official test split, where the candidates left a part for validation."""
    tuned, confirmed = study().arms[0].config, study(winners=WINNERS).arms[0].config
    arrays = load(tuned)
    candidate, winner = make_split(tuned, arrays, 0), make_split(confirmed, arrays, 0)
    assert candidate.test_pool_sha256 == winner.test_pool_sha256
    assert sorted([*candidate.train, *candidate.val]) == winner.train.tolist()
    assert len(winner.val) == 0
    training = Training(confirmed, 0, device="cpu", threads=1)
    while not training.done:
        training.step()
    result = training.result()
    assert result["class_train"] == np.bincount(arrays.labels[winner.train]).tolist()
    assert (result["val_top1"], result["status"]) == (None, "complete")
    assert result["test_top1"] > 0


def test_a_search_without_validation_data_is_one_line():
    line = (
        r"^val_fraction: must be above 0 where a search chooses on validation data, got 0 in arm 'CE'; "
        r"Tuning\(confirm_on='train\+val'\) trains the winners on all training data$"
    )
    with pytest.raises(StudyError, match=line):
        study("train", fixed={**TAIL, "val_fraction": 0})
    assert study(tuning=None, fixed={**TAIL, "val_fraction": 0}).arms[0].config.val_fraction == 0


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"factors": {"val_profile": ("balanced", "train")}, "fixed": TAIL, "blocks": ("val_profile",)}, "val_profile"),
        ({"treatments": {"a": {"val_fraction": 0.1}, "b": {"val_fraction": 0.2}}, "baseline": "a"}, "val_fraction"),
        ({"tuning": {"nuisance": {"val_profile": None}, "settings": 2}, "fixed": TAIL}, "val_profile"),
    ],
)
def test_arms_cannot_differ_in_validation_data_that_the_confirm_phase_lacks(changes, line):
    given = {**changes, "tuning": {**TUNING, **changes.get("tuning", {}), "confirm_on": "train+val"}}
    with pytest.raises(StudyError, match=rf"tuning.confirm_on: with train\+val .* arms cannot differ in {line}"):
        study(**given)
    assert study(**{**given, "tuning": {**given["tuning"], "confirm_on": "train"}}).arms


def test_seeds_that_move_nothing_in_the_confirm_phase_are_refused():
    with pytest.raises(StudyError, match="vary: the seed moves nothing in arm 'CE', since split needs a val_fraction"):
        study(fixed={**TAIL, "vary": "split"})
    assert study("train", fixed={**TAIL, "vary": "split"}).arms


def test_a_plan_of_before_keeps_its_hash_and_a_change_is_refused():
    """`confirm_on` at its default is not part of a plan, so that stored plans are the same."""
    before, after = describe_study(study("train")), describe_study(study())
    assert "confirm_on" not in before["tuning"]
    assert describe_study(study(tuning=TUNING))["plan_hash"] == before["plan_hash"] != after["plan_hash"]
    with pytest.raises(StudyError, match=r"tuning.confirm_on: was None and is now 'train\+val'"):
        covers(before, after, "here")


def test_an_unknown_value_is_one_line():
    with pytest.raises(StudyError, match=r"tuning.confirm_on: must be 'train' or 'train\+val', got 'all'"):
        study("all")


def test_a_tuned_value_may_give_the_validation_profile_its_effect():
    one = study(
        "train",
        treatments={"CE": {"lambda_sil": 0.0}, "CE+Sil": {"lambda_sil": 0.2}},
        fixed={"epochs": 3, "imbalance_factor": 10, "val_profile": "train"},
        tuning={**TUNING, "nuisance": {"imbalance": Choice(("none", "long_tail"))}, "settings": 2},
        winners={"CE": {"imbalance": "long_tail"}, "CE+Sil": {"imbalance": "none"}},
    )
    assert [arm.config.val_profile for arm in one.arms] == ["train", "balanced"]
    assert one.arms[0].config == make_config({**TAIL, "val_profile": "train"})


def on_own_data(name, settings) -> Study:
    arms = {"factors": {"lambda_sil": (0.0, 0.2)}, "baseline": {"lambda_sil": 0.0}, "seeds": (0, 1, 2)}
    return make_study({"question": "Does it help?", **arms, "fixed": {"dataset": name, **settings}})


@pytest.mark.parametrize(
    ("field", "value"), [("vary", "all_and_test_split"), ("test_fraction", 0.6), ("split_seed", 5)]
)
def test_own_data_with_test_samples_refuse_settings_that_would_cut_others_off(tmp_path, field, value):
    study = on_own_data(save(tmp_path / "own.npz", arrays_of()), {field: value})
    with pytest.raises(InputError, match=f"^{field}: cuts no test samples off, since npz:.* has its own; remove it"):
        check_own_data(study.start_arms, here=False)
    bare = save(tmp_path / "bare.npz", arrays_of(test_images=None, test_labels=None))
    check_own_data(on_own_data(bare, {field: value}).start_arms, here=False)


def test_a_trial_refuses_them_too(tmp_path):
    path = write_list(tmp_path)
    write_list(tmp_path, "test")
    config = make_config({"dataset": f"image_list:{path}", "split_seed": 1, "image_size": 8})
    with pytest.raises(InputError, match=r"^split_seed: cuts no test samples off"):
        make_split(config, load(config), 0)
