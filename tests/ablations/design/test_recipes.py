"""A study that starts from a recipe: what overrides what, and where it is shown."""

import pytest

from ablations.cli.parser import main
from ablations.design.loading import change_study
from ablations.design.plans.describe import describe_study
from ablations.design.plans.fit import covers
from ablations.design.study import Study, make_study
from ablations.errors import StudyError
from search_spaces import RECIPES, Interval
from silhouette.config import TrialConfig

CIFAR10 = RECIPES["cifar10_lt"].settings
BASE = {
    "question": "Does it help on CIFAR-10-LT?",
    "recipe": "cifar10_lt",
    "factors": {"lambda_sil": (0.0, 0.2)},
    "baseline": {"lambda_sil": 0.0},
    "seeds": (0, 1, 2),
}
TUNING = {"nuisance": {"lr": Interval(0.01, 0.2, log=True)}, "settings": 3}


def study(**changes) -> Study:
    return make_study({**BASE, **changes})


def recipe_of(one: Study):
    return describe_study(one)["recipe"]


def test_arms_start_from_the_recipe():
    assert [arm.config for arm in study().arms] == [TrialConfig(**CIFAR10, lambda_sil=lam) for lam in (0.0, 0.2)]
    assert recipe_of(study())["overridden"] == {}


def test_fixed_settings_factors_and_treatments_override_the_recipe():
    one = study(
        fixed={"epochs": 20, "milestones": "10 15", "momentum": 0.9},
        factors={"imbalance_factor": (100, 50)},
        blocks=("imbalance_factor",),
        treatments={"plain": {}, "wide": {"batch_size": 256}},
        baseline="plain",
    )
    assert {arm.config.batch_size for arm in one.arms if arm.treatment == "wide"} == {256}
    assert {arm.config.milestones for arm in one.arms} == {(10, 15)}
    assert recipe_of(one)["overridden"] == {
        "imbalance_factor": [100, 50],
        "epochs": [20],
        "batch_size": [128, 256],
        "milestones": [[10, 15]],
    }


def test_settings_of_the_recipe_that_lose_their_effect_are_no_fault_and_not_overridden():
    one = study(fixed={"imbalance": "none", "optimizer": "adamw", "lr": 0.001})
    assert one.arms[0].config.imbalance_factor == 1
    assert list(recipe_of(one)["overridden"]) == ["imbalance", "lr", "optimizer"]
    with pytest.raises(StudyError, match="fixed: tau_s changes nothing in any arm"):
        study(factors={"width": (8, 16)}, baseline={"width": 8}, fixed={"tau_s": 0.3, "encoder": "mlp"})


def test_a_tuned_setting_is_shown_as_tuned():
    one = study(fixed={"val_fraction": 0.1}, tuning=TUNING)
    assert recipe_of(one)["overridden"] == {"val_fraction": [0.1], "lr": ["tuned"]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lr_scaling", "linear"), ("sampler", "balanced"), ("train_fraction", 0.5), ("label_noise", 0.1),
        ("image_size", 64), ("classifier", "cosine"), ("grad_clip", 1.0), ("amp", "bf16"), ("shot_many", 50),
        ("shot_few", 10),
    ],
)  # fmt: skip
def test_a_default_that_the_protocol_rests_on_is_shown_as_overridden(field, value):
    """Each changes what is trained on, how, or how shot groups are cut, though no setting of the papers names it."""
    assert recipe_of(study(fixed={field: value}))["overridden"] == {field: [value]}


def test_imagenet_weights_are_shown_as_overridden():
    found = recipe_of(study(fixed={"encoder": "resnet18", "pretrained": True}))["overridden"]
    assert found == {"encoder": ["resnet18"], "pretrained": [True]}


def test_a_setting_that_the_recipe_leaves_off_is_given_back_as_it_is_listed():
    one = change_study(study(fixed={"grad_clip": 1.0}), ["grad_clip=None", "image_size=None"])
    assert recipe_of(one)["overridden"] == {}


def test_the_recipe_is_no_identity_of_its_own():
    """The same settings written one by one are the same plan and the same trials."""
    named, written = study(), study(recipe=None, fixed=dict(CIFAR10))
    assert [t.trial_id for t in named.trials()] == [t.trial_id for t in written.trials()]
    assert describe_study(named)["plan_hash"] == describe_study(written)["plan_hash"]
    assert covers(describe_study(written), describe_study(named), "here")
    assert "recipe" not in describe_study(written)


def test_the_command_line_gives_a_recipe():
    plain = study(recipe=None, fixed={"epochs": 20, "milestones": (10, 15), "schedule": "multistep"})
    changed = change_study(plain, ["recipe=cifar100_lt", "batch_size=64"])
    assert changed.recipe == "cifar100_lt"
    assert (changed.arms[0].config.dataset, changed.arms[0].config.batch_size) == ("cifar100", 64)
    with pytest.raises(StudyError, match=r"recipe: must be one of cifar10_lt, cifar100_lt .*, got 'cifar11_lt'"):
        change_study(plain, ["recipe=cifar11_lt"])


def test_a_recipe_given_as_a_data_set_is_one_line():
    line = "^dataset: cifar10_lt is a recipe; give recipe=cifar10_lt, got 'cifar10_lt'$"
    with pytest.raises(StudyError, match=line):
        change_study(study(recipe=None), ["dataset=cifar10_lt"])
    with pytest.raises(StudyError, match=line):
        study(recipe=None, factors={"dataset": ("cifar10", "cifar10_lt")}, baseline={"dataset": "cifar10"})


def test_plan_prints_the_recipe_and_what_is_overridden(tmp_path, capsys):
    file = tmp_path / "tail.py"
    file.write_text(f"from ablations import Study\nSTUDY = Study(**{BASE!r})\n")
    more = ["--set", "epochs=20", "--set", "milestones=10,15", "--set", "nesterov=true"]
    assert main(["plan", str(file), *more, "--results", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "recipe: cifar10_lt (Cao et al. 2019, Cui et al. 2019)" in out
    words = out.split()
    assert {f"{name}={value}" for name, value in (("encoder", "resnet32"), ("subset", "fixed"))} <= set(words)
    assert "milestones=160,180" in words
    assert "  overridden: epochs=20 (recipe: 200)" in out
    assert "  overridden: nesterov=True (recipe: False)" in out
    assert "  overridden: milestones=10,15 (recipe: 160,180)" in out
    assert "image_size=None" in words
    assert main(["plan", str(file), "--set", "grad_clip=1", "--results", str(tmp_path)]) == 0
    assert "  overridden: grad_clip=1 (recipe: None)" in capsys.readouterr().out
    assert main(["plan", str(file), "--set", "epochs=20", "--results", str(tmp_path)]) == 2
    assert "milestones: must be fewer than epochs = 20, got 160,180" in capsys.readouterr().err
