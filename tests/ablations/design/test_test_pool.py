"""The test samples of a dataset are cut off once: no trial of a built-in study trains or validates on one of them."""

import json

import numpy as np
import pytest

from ablations.design.loading import built_in, load_study
from silhouette import TrialConfig
from silhouette.data.splits import load, make_split

SEEDS = range(200)
DRAWS = (
    "dataset", "val_fraction", "test_fraction", "train_fraction", "split_seed", "vary", "imbalance",
    "imbalance_factor", "class_order", "label_noise",
)  # fmt: skip
"""Settings that decide which samples a trial has, beside its seed."""


def configs_of(study):
    """One config for each way in which the trials of a study draw their samples."""
    ways = {json.dumps({name: getattr(arm.config, name) for name in DRAWS}): arm.config for arm in study.start_arms}
    return list(ways.values())


@pytest.mark.parametrize("name", built_in())
def test_no_trial_of_a_built_in_study_touches_a_test_sample(name):
    """In both phases: a trial of the search has other seeds, and the same function draws its samples."""
    study = load_study(name)
    seeds = {*SEEDS, *study.seeds, *(study.tuning.seeds if study.tuning else ())}
    for config in configs_of(study):
        arrays = load(config)
        assert arrays.train is None or config.vary != "all_and_test_split"
        pool = make_split(config, arrays, 0)
        for seed in seeds:
            split = make_split(config, arrays, seed)
            assert split.test_pool_sha256 == pool.test_pool_sha256
            assert not np.isin(np.concatenate([split.train, split.val]), pool.test).any()


def test_arms_share_the_test_samples_whatever_is_done_to_the_training_samples():
    settings = [{}, {"imbalance": "long_tail", "imbalance_factor": 20}, {"label_noise": 0.4}, {"train_fraction": 0.2}]
    configs = [TrialConfig(**given, vary=vary) for given in settings for vary in ("all", "split", "init", "subset")]
    found = {make_split(config, load(config), seed).test_pool_sha256 for config in configs for seed in range(3)}
    assert len(found) == 1
    other = make_split(TrialConfig(split_seed=1), load(TrialConfig()), 0)
    assert other.test_pool_sha256 not in found


def test_new_test_samples_are_drawn_on_purpose_only():
    config = TrialConfig(vary="all_and_test_split")
    assert len({make_split(config, load(config), seed).test_pool_sha256 for seed in range(5)}) == 5
