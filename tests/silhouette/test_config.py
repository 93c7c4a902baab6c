"""Configs: inert fields, identity, and errors of one line."""

import subprocess
import sys

import pytest

from silhouette.config import ConfigError, TrialConfig, inert_fields, make_config, trial_id


def test_settings_that_train_the_same_are_the_same_trial():
    plain = make_config({})
    assert make_config({"tau_s": 5, "distance": "cosine", "class_order": "fixed"}) == plain
    assert trial_id(make_config({"tau_s": 5}), 0, "confirm") == trial_id(plain, 0, "confirm")
    assert make_config({"tau_s": 5, "lambda_sil": 1}).tau_s == 5


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((TrialConfig(), 0, "confirm"), (TrialConfig(), 1, "confirm")),
        ((TrialConfig(), 0, "confirm"), (TrialConfig(), 0, "tune")),
        ((TrialConfig(), 0, "confirm"), (TrialConfig(epochs=2), 0, "confirm")),
    ],
)
def test_identity_tells_trials_apart(a, b):
    assert trial_id(*a) != trial_id(*b)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lambda_sil": "banana"}, "lambda_sil: input should be a valid number, got 'banana'"),
        ({"lambda_sil": -1}, "lambda_sil: input should be greater than or equal to 0, got -1"),
        ({"epochs": 0}, "epochs: input should be greater than or equal to 1, got 0"),
        (
            {"imbalance": "long_tail"},
            "imbalance_factor: must be above 1 with imbalance=long_tail, got 1",
        ),
        (
            {"val_fraction": 0.5, "test_fraction": 0.4},
            "val_fraction + test_fraction: must leave a tenth for training (sum < 0.9), got 0.5 + 0.4",
        ),
    ],
)
def test_a_bad_setting_is_one_line(values, message):
    with pytest.raises(ConfigError) as caught:
        make_config(values)
    assert str(caught.value) == message


def test_an_unknown_field_lists_the_known():
    with pytest.raises(ConfigError, match=r"lambda: no such setting; known are dataset, .*lambda_sil"):
        make_config({"lambda": 1})


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
