"""Settings that change nothing are refused when the study is read; arms that they make equal are announced."""

import numpy as np
import pytest

from ablations.cli.parser import main
from ablations.design.loading import built_in, load_study
from ablations.design.study import make_study
from ablations.design.tuning import make_space
from ablations.errors import StudyError
from search_spaces import Choice, Interval
from silhouette.config import TrialConfig, needed_for
from silhouette.config.rules import INERT
from silhouette.data.splits import load, make_split
from tests.helpers.pretend import PRETEND

LR = Interval(1e-3, 1e-1, log=True)


def study(**changes):
    base = {"question": "?", "factors": {"lambda_sil": (0.0, 0.2)}, "baseline": {"lambda_sil": 0.0}, "seeds": range(3)}
    return make_study({**base, **changes})


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"fixed": {"imbalance_factor": 20}},
            "fixed: imbalance_factor changes nothing in any arm, since it needs imbalance=long_tail or imbalance=step; "
            "set that, or remove imbalance_factor (--set imbalance_factor=1.0), got 20.0",
        ),
        (
            {"factors": {"lambda_sil": (0.0, 0.2), "imbalance_factor": (1, 10, 50)}, "blocks": ("imbalance_factor",)},
            "factors: imbalance_factor changes nothing in any arm, since it needs imbalance=long_tail or "
            "imbalance=step; set that, or remove imbalance_factor, got [1.0, 10.0, 50.0]",
        ),
        (
            {"factors": {"lambda_sil": (0.0, 0.2), "samples_per_class": (2, 4, 8)}},
            "factors: samples_per_class changes nothing in any arm, since it needs sampler=pk",
        ),
        (
            {"factors": {"tau_s": (0.1, 0.3)}, "baseline": {"tau_s": 0.1}},
            "factors: tau_s changes nothing in any arm, since it needs lambda_sil above 0",
        ),
        (
            {"factors": {"lambda_sil": (0.0, 0.2), "momentum": (0.5,)}},
            "factors: momentum changes nothing in any arm, since it needs optimizer=sgd",
        ),
        (
            {"treatments": {"CE": {"momentum": 0.5}, "SGD": {"momentum": 0.9}}, "factors": {}, "baseline": "CE"},
            "treatments: momentum changes nothing in any arm, since it needs optimizer=sgd",
        ),
        (
            {"treatments": {"CE": {}, "CE again": {"tau_s": 0.1}}, "factors": {}, "baseline": "CE"},
            "treatments: 'CE again' trains the same as 'CE' in every arm; change or remove one",
        ),
        (
            {"factors": {"lambda_sil": (0.0, 0.2), "shot_many": (50, 100)}, "blocks": ("shot_many",)},
            "factors: shot_many changes what is measured and not what is trained, so its arms are the same runs; give "
            "one value in fixed, got [50, 100]",
        ),
        (
            {
                "factors": {"lambda_sil": (0.0, 0.2), "split_seed": (0, 1)},
                "baseline": {"lambda_sil": 0.0, "split_seed": 0},
            },
            "split_seed: the arms of a block must be tested on the same samples; name split_seed in blocks, got [0, 1]",
        ),
        (
            {"tuning": {"nuisance": {"lr": LR, "samples_per_class": None}, "settings": 2}},
            "tuning.nuisance: samples_per_class changes nothing in any arm, since it needs sampler=pk; remove it",
        ),
    ],
)
def test_a_setting_without_effect_is_one_line(changes, line):
    with pytest.raises(StudyError) as caught:
        study(**changes)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"fixed": {"imbalance_factor": 1.0, "tau_s": 0.1, "image_size": 8}},
        {"fixed": {"tau_s": 0.3}},
        {"factors": {"lambda_sil": (0.0, 0.2), "tau_s": (0.1, 0.3)}},
        {"fixed": {"imbalance": "long_tail", "imbalance_factor": 20}},
        {"factors": {"lambda_sil": (0.0, 0.2), "split_seed": (0, 1)}, "blocks": ("split_seed",)},
    ],
)
def test_a_setting_at_its_default_or_with_effect_in_one_arm_is_accepted(changes):
    assert study(**changes).arms


@pytest.mark.parametrize(
    ("fixed", "needs"),
    [
        ({"vary": "augment"}, "a transform"),
        ({"vary": "class_order", "train_fraction": 0.5}, "an imbalance whose class_order is drawn by seed"),
        ({"vary": "subset"}, "label_noise, or an imbalance or a train_fraction below 1 whose subset is drawn by seed"),
        ({"vary": "subset", "train_fraction": 0.5, "subset": "fixed"}, "label_noise, or an imbalance or a train_frac"),
        ({"vary": "split", "val_fraction": 0}, "a val_fraction above 0"),
    ],
)
def test_seeds_that_would_all_give_the_same_result_are_refused(fixed, needs):
    line = f"vary: the seed moves nothing in arm 'λ=0', since {fixed['vary']} needs {needs}"
    with pytest.raises(StudyError, match=line):
        study(fixed=fixed)
    config = TrialConfig(**fixed)
    arrays = load(config)
    splits = [make_split(config, arrays, seed) for seed in (0, 1)]
    assert all(np.array_equal(getattr(splits[0], part), getattr(splits[1], part)) for part in ("train", "val", "test"))
    assert study(fixed={"vary": "subset", "train_fraction": 0.5}).arms
    assert study(fixed=fixed, experiment=PRETEND).arms


@pytest.mark.parametrize("name", built_in())
def test_every_setting_of_a_built_in_study_has_an_effect(name):
    assert load_study(name).replaced().arms


def test_a_search_may_give_a_setting_its_effect_and_then_uses_it():
    tuning = {"nuisance": {"lr": LR, "sampler": Choice(("uniform", "pk"))}, "settings": 2}
    one = study(fixed={"samples_per_class": 8}, tuning=tuning)
    space = make_space(one.tuning, one.arms[0])
    assert space.start.samples_per_class == TrialConfig().samples_per_class
    assert space.config({"lr": 0.01, "sampler": "pk"}).samples_per_class == 8
    confirmed = one.replaced(winners={arm.label: {"lr": 0.01, "sampler": "pk"} for arm in one.arms})
    assert {arm.config.samples_per_class for arm in confirmed.arms} == {8}


def test_arms_that_merge_are_announced():
    factors = {"lambda_sil": (0.0, 0.2), "tau_s": (0.03, 0.1, 0.3)}
    assert [str(merge) for merge in study(factors=factors).merges] == [
        "λ=0: τ_s has no effect, 3 settings are one arm",
    ]
    both = study(factors={**factors, "distance": ("euclidean", "cosine")}).merges
    assert [str(merge) for merge in both] == ["λ=0: τ_s and distance have no effect, 6 settings are one arm"]
    assert study().merges == ()


def test_plan_prints_the_arms_that_merge(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(
        "from ablations import Study\n"
        "STUDY = Study(question='?', factors={'lambda_sil': (0.0, 0.2), 'tau_s': (0.03, 0.1, 0.3)},\n"
        "              baseline={'lambda_sil': 0.0})\n"
    )
    assert main(["plan", "own.py"]) == 0
    assert "λ=0: τ_s has no effect, 3 settings are one arm" in capsys.readouterr().out.splitlines()


def test_every_field_that_can_be_without_effect_says_what_it_needs():
    fields = [name for _, names, _ in INERT for name in names]
    assert len(set(fields)) == len(fields)
    assert all(needed_for(name) for name in fields)
