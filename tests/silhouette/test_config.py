"""Configs: inert fields, identity, and errors of one line."""

import json
import subprocess
import sys
from typing import get_args

import pytest

from silhouette.config import (
    CONFIG_VERSION,
    ConfigError,
    TrialConfig,
    as_version_0_2,
    inert_fields,
    make_config,
    trial_id,
)
from silhouette.config.crossed import Alone


def test_fields_without_effect_do_not_change_the_trial_id():
    plain = make_config({})
    assert make_config({"tau_s": 5, "distance": "cosine", "class_order": "fixed"}) == plain
    assert trial_id(make_config({"tau_s": 5}), 0, "confirm") == trial_id(plain, 0, "confirm")
    assert make_config({"tau_s": 5, "lambda_sil": 1}).tau_s == 5


def test_a_memory_has_an_effect_only_in_a_silhouette_with_its_kind():
    assert make_config({"class_memory": "queue", "class_prior": 1, "sampler": "balanced"}) == make_config(
        {"sampler": "balanced"}
    )
    queue = {"lambda_sil": 1, "class_memory": "queue"}
    assert make_config({**queue, "memory_momentum": 0.5}) == make_config(queue)
    assert make_config({**queue, "memory_least": 3}).memory_least == 3
    assert make_config({"lambda_sil": 1, "memory_least": 3}) == make_config({"lambda_sil": 1})
    assert make_config({**queue, "memory_size": 2}) != make_config(queue)
    assert make_config({"lambda_sil": 1, "class_memory": "momentum", "memory_momentum": 0.5}).memory_momentum == 0.5


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((TrialConfig(), 0, "confirm"), (TrialConfig(), 1, "confirm")),
        ((TrialConfig(), 0, "confirm"), (TrialConfig(), 0, "tune")),
        ((TrialConfig(), 0, "confirm"), (TrialConfig(epochs=2), 0, "confirm")),
    ],
)
def test_different_trials_have_different_ids(a, b):
    assert trial_id(*a) != trial_id(*b)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lambda_sil": "banana"}, "lambda_sil: must be a number, got 'banana'"),
        ({"lambda_sil": -1}, "lambda_sil: must be greater than or equal to 0, got -1"),
        ({"epochs": 0}, "epochs: must be greater than or equal to 1, got 0"),
        (
            {"imbalance": "long_tail"},
            "imbalance_factor: must be above 1 with imbalance=long_tail; imbalance=none is a factor of 1, got 1",
        ),
        (
            {"val_fraction": 0.5, "test_fraction": 0.4},
            "val_fraction + test_fraction: must leave a tenth for training (sum < 0.9), got 0.5 + 0.4",
        ),
    ],
)
def test_a_bad_value_is_one_line(values, message):
    with pytest.raises(ConfigError) as caught:
        make_config(values)
    assert str(caught.value) == message


def test_an_unknown_field_says_what_lists_the_known():
    with pytest.raises(ConfigError, match=r"^colour: no such setting; `ablate list --spaces` and docs/study\.md"):
        make_config({"colour": 1})


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("lamda_sil", "lambda_sil"),
        ("lambda", "lambda_sil"),
        ("batchsize", "batch_size"),
        ("learning_rate", "lr"),
        ("weight", "lambda_sil"),
    ],
)
def test_a_misspelt_field_names_the_one_it_resembles(misspelt, meant):
    with pytest.raises(ConfigError, match=f"^{misspelt}: no such setting; did you mean {meant}\\?$"):
        make_config({misspelt: 1})


@pytest.mark.parametrize("seed", [-1, 2**31, 1.0, True])
def test_a_bad_seed_is_an_error(seed):
    with pytest.raises(ConfigError, match="seed: must be an integer from 0"):
        trial_id(TrialConfig(), seed, "confirm")


def test_inert_fields_are_fields():
    assert inert_fields(TrialConfig()) <= set(TrialConfig.model_fields)


def test_readers_import_no_torch():
    code = (
        "import sys, silhouette, silhouette.config, silhouette.results, silhouette.metrics\n"
        "assert not {'torch', 'sklearn', 'ray'} & set(sys.modules)\n"
        "silhouette.soft_silhouette; assert 'torch' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"objective": "ce + magic"},
            "objective: must be terms of ce, logit_adjusted, .*, each once, joined by",
        ),
        ({"objective": "ce + ce"}, "objective: must be terms of"),
        ({"objective": "0*ce"}, "objective: a weight must be a number above 0"),
        ({"encoder": "resnet19"}, "encoder: must be small_cnn, mlp, resnet32, a torchvision classification model"),
        ({"dataset": "imagenet"}, "dataset: must be one of digits, synthetic, mnist, "),
        ({"objective": "supcon2"}, "transform: supcon2 compares two different views"),
        ({"sampler": "pk", "samples_per_class": 5}, "samples_per_class: must divide batch_size = 64, got 5"),
        (
            {"sampler": "pk", "samples_per_class": 4},
            "samples_per_class: batch_size = 64 needs 16 classes, digits has 10; give a larger number, got 4",
        ),
        ({"warmup_epochs": 30}, "warmup_epochs: must be fewer than epochs = 30, got 30"),
        (
            {"schedule": "multistep"},
            "milestones: must be fewer than epochs = 30, got 160,180; set others, as in milestones=16,18",
        ),
        (
            {"milestones": "18,16"},
            r"milestones: must be one or more rising numbers of epochs from 1 on, got \[18, 16\]",
        ),
        ({"milestones": ""}, r"milestones: must be one or more rising numbers of epochs from 1 on, got \[\]"),
        ({"milestones": "8,x"}, "milestones.1: must be an integer, got 'x'"),
        (
            {"lambda_sil": 1, "reduction": "balanced", "sampler": "pk", "samples_per_class": 8},
            "reduction: balanced corrects for unequal classes, which sampler=pk does already; "
            "use sampler=uniform or reduction=macro, got 'balanced'",
        ),
        (
            {"lambda_sil": 1, "class_prior": 1, "sampler": "balanced"},
            "class_prior: corrects for unequal classes, which sampler=balanced does already; "
            "use sampler=uniform or class_prior=0, got 1",
        ),
        (
            {"lambda_sil": 1, "reduction": "balanced", "reweight": "drw", "drw_epoch": 9},
            "reweight: reduction=balanced weights the classes already; give reweight=none, or reduction=mean, "
            "got 'drw'",
        ),
        ({"memory_momentum": 1}, "memory_momentum: must be less than 1, got 1"),
        ({"imbalance_factor": 0.5}, "imbalance_factor: must be greater than or equal to 1, got 0.5"),
        ({"shot_few": 200}, r"shot_few: must not be above shot_many \+ 1 = 100 \+ 1, got 200"),
        ({"image_size": 16}, "image_size: digits are 8 pixels wide, got 16"),
    ],
)
def test_rules_name_field_rule_and_value(values, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        make_config(values)


def test_equal_objectives_are_equal_trials():
    a, b = make_config({"objective": "0.50*center+ce"}), make_config({"objective": "ce + 0.5 * center"})
    assert a == b
    assert a.objective == "ce + 0.5*center"
    assert a.terms == {"ce": 1, "center": 0.5}


@pytest.mark.parametrize(
    ("values", "inert"),
    [
        ({"dataset": "cifar10", "test_fraction": 0.3}, "test_fraction"),
        ({"dataset": "mnist", "image_size": 28}, "image_size"),
        ({"temperature": 2.0}, "temperature"),
        ({"momentum": 0.5}, "momentum"),
        ({"encoder": "resnet18", "dataset": "cifar10", "width": 3}, "width"),
        ({"encoder": "resnet32", "width": 3}, "width"),
        ({"milestones": (2, 4)}, "milestones"),
        ({"lr_factor": 0.5}, "lr_factor"),
        ({"nesterov": False}, "nesterov"),
        ({"optimizer": "sgd", "momentum": 0, "nesterov": False}, "nesterov"),
        ({"weight_decay": 0, "decay_all": True}, "decay_all"),
        ({"subset": "fixed"}, "subset"),
        ({"val_profile": "train"}, "val_profile"),
        ({"imbalance": "step", "imbalance_factor": 9, "val_fraction": 0, "val_profile": "train"}, "val_profile"),
        ({"val_fraction": 0, "eval_every": 5}, "eval_every"),
    ],
)
def test_fields_without_effect_are_set_back(values, inert):
    assert getattr(make_config(values), inert) == TrialConfig.model_fields[inert].default


DEFAULTS_OF_VERSION_1 = {
    "dataset": "digits", "image_size": None, "val_fraction": 0.15, "test_fraction": 0.25, "train_fraction": 1.0,
    "imbalance": "none", "imbalance_factor": 1.0, "step_share": 0.5, "class_order": "seed", "label_noise": 0.0,
    "noise_kind": "symmetric", "synthetic_classes": 10, "synthetic_per_class": 100, "synthetic_spread": 1.0,
    "transform": "none", "sampler": "uniform", "samples_per_class": 4, "objective": "ce", "lambda_sil": 0.0,
    "tau_s": 0.1, "tau_m": 0.1, "distance": "euclidean", "softmin": "sum", "reduction": "mean",
    "temperature": 0.1, "margin": 0.2, "proxy_scale": 32.0, "loss_lr_scale": 10.0, "encoder": "small_cnn",
    "pretrained": False, "width": 16, "embedding_dim": 64, "epochs": 30, "batch_size": 64, "lr": 0.003,
    "lr_scaling": "none", "optimizer": "adamw", "momentum": 0.9, "weight_decay": 0.0001, "schedule": "cosine",
    "warmup_epochs": 0.0, "grad_clip": None, "amp": "none", "channels_last": False, "compile": False,
    "eval_every": 1, "knn_k": 20, "shot_many": 100, "shot_few": 20, "corruptions": False,
}  # fmt: skip


def test_defaults_do_not_change_within_a_version():
    """Trial ids leave defaults out: to change one, raise CONFIG_VERSION; a new field needs only an inert default."""
    assert CONFIG_VERSION == 1
    assert DEFAULTS_OF_VERSION_1.items() <= TrialConfig().model_dump().items()
    assert trial_id(TrialConfig(vary="all_and_test_split"), 0, "confirm") == "d2147081139b8ee5"


def test_identities_of_version_0_1_keep_their_meaning():
    """Ids that version 0.1.0 gave: only where the seed moves less than it did then is the identity another."""
    of_0_1 = {
        ("digits", "all"): "d2147081139b8ee5",
        ("digits", "init"): "6479cd1a4da9839a",
        ("mnist", "all"): "c725b5b7a5f7cf56",
        ("mnist", "split"): "4b821e6e9cfae158",
    }
    now = {key: trial_id(TrialConfig(dataset=key[0], vary=key[1]), 0, "confirm") for key in of_0_1}
    assert {key for key in of_0_1 if now[key] != of_0_1[key]} == {("digits", "all"), ("mnist", "split")}
    assert as_version_0_2({"dataset": "digits", "vary": "split"})["vary"] not in get_args(Alone)


def test_split_seed_matters_where_it_cuts_the_test_samples():
    assert trial_id(TrialConfig(split_seed=1), 0, "tune") != trial_id(TrialConfig(), 0, "tune")
    assert TrialConfig(dataset="mnist", split_seed=1).split_seed == 0
    assert TrialConfig(split_seed=1, vary="all_and_test_split").split_seed == 0
    assert TrialConfig(dataset="mnist", vary="all_and_test_split").vary == "all"
    with pytest.raises(ConfigError, match="split_seed: must be greater than or equal to 0, got -1"):
        make_config({"split_seed": -1})


def test_milestones_are_read_from_text():
    values = {"schedule": "multistep", "epochs": 20}
    for given in ("16,18", "16 18", ["16", 18], (16, 18)):
        config = make_config({**values, "milestones": given})
        assert config.milestones == (16, 18)
        assert make_config(json.loads(config.model_dump_json())) == config


def test_a_config_is_equal_after_json():
    config = make_config({"objective": "ce + 0.1*center", "lambda_sil": 0.3, "grad_clip": 1})
    again = make_config(json.loads(config.model_dump_json()))
    assert again == config
    assert trial_id(again, 1, "tune") == trial_id(config, 1, "tune")
