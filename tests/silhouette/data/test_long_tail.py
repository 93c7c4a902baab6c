"""The protocol of CIFAR-LT: its counts, its fixed subset, and validation data beside it."""

import numpy as np
import pytest

from silhouette.config import TrialConfig
from silhouette.data.cache import Arrays
from silhouette.data.splits import make_split
from silhouette.metrics import shot_groups

TAIL = {"imbalance": "long_tail", "imbalance_factor": 100, "class_order": "fixed", "subset": "fixed"}
COUNTS = {
    ("cifar10", 100): [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50],
    ("cifar100", 100): 10_847,
    ("cifar100", 50): 12_608,
    ("cifar100", 10): 19_573,
}
"""Training images that the papers report: of each class, or of all."""


def cifar(name):
    """Labels as CIFAR has them: 50,000 training and 10,000 test images, all classes alike, in mixed order."""
    classes = 10 if name == "cifar10" else 100
    rng = np.random.default_rng(0)
    labels = np.concatenate([rng.permutation(np.arange(count) % classes) for count in (50_000, 10_000)])
    return Arrays(np.zeros((60_000, 3, 1, 1), np.uint8), labels, tuple(map(str, range(classes))), 50_000, "")


CIFAR10 = cifar("cifar10")


def split(seed=0, arrays=CIFAR10, **settings):
    return make_split(TrialConfig(dataset="cifar10", **{**TAIL, **settings}), arrays, seed)


def counts(indices, arrays=CIFAR10):
    return np.bincount(arrays.labels[indices], minlength=len(arrays.classes)).tolist()


@pytest.mark.parametrize(("name", "factor"), COUNTS)
def test_counts_are_those_of_the_papers(name, factor):
    arrays = cifar(name)
    config = TrialConfig(dataset=name, **{**TAIL, "imbalance_factor": factor}, val_fraction=0)
    found = counts(make_split(config, arrays, 3).train, arrays)
    assert COUNTS[name, factor] in (found, sum(found))
    assert found == sorted(found, reverse=True)
    if (name, factor) == ("cifar100", 100):
        assert [len(labels) for labels in shot_groups(found).values()] == [35, 35, 30]


def test_the_fixed_subset_is_that_of_the_published_code():
    """Class by class, the first images of a shuffled list, from NumPy's global generator with seed 0."""
    np.random.seed(0)  # noqa: NPY002 - as the published code does
    wanted = []
    for label, count in enumerate(COUNTS["cifar10", 100]):
        members = np.where(CIFAR10.labels[:50_000] == label)[0]
        np.random.shuffle(members)  # noqa: NPY002
        wanted += members[:count].tolist()
    assert split(val_fraction=0).train.tolist() == sorted(wanted)


def test_the_fixed_subset_moves_with_no_seed_and_shrinks_with_the_imbalance():
    first = split(val_fraction=0).train
    assert np.array_equal(split(seed=7, val_fraction=0).train, first)
    assert not np.array_equal(split(seed=7, val_fraction=0, subset="seed").train, first)
    assert set(first) < set(split(val_fraction=0, imbalance_factor=10).train)


def test_a_fixed_subset_replaces_only_the_images_that_are_for_validation():
    whole, part = split(val_fraction=0, imbalance_factor=10), split(seed=7, val_fraction=0.1, imbalance_factor=10)
    assert not set(part.train) & set(part.val)
    assert len(part.val) == 5000
    assert counts(part.train) == [int(n) for n in 4500 * 0.1 ** (np.arange(10) / 9)]
    kept = np.setdiff1d(whole.train, part.val)
    assert len(np.intersect1d(part.train, kept)) > 0.98 * len(part.train)


@pytest.mark.parametrize("subset", ["fixed", "seed"])
def test_validation_with_the_profile_of_training_is_taken_from_the_samples_kept(subset):
    settings = {"subset": subset, "class_order": subset}
    whole = split(seed=4, val_fraction=0, **settings)
    balanced, same = (split(seed=4, val_fraction=0.2, val_profile=p, **settings) for p in ("balanced", "train"))
    assert counts(balanced.val) == [1000] * 10
    assert sorted([*same.train, *same.val]) == whole.train.tolist()
    assert counts(same.val) == [round(0.2 * n) for n in counts(whole.train)]
    assert np.array_equal(same.test, balanced.test)


def test_validation_by_profile_leaves_a_class_of_one_sample_to_training():
    one = split(val_fraction=0.5, val_profile="train", imbalance_factor=5000)
    assert counts(one.train)[-1] == 1
    assert counts(one.val)[-1] == 0


def test_without_an_official_test_split_validation_does_not_move_the_test_samples():
    labels = np.arange(1000) % 4
    arrays = Arrays(np.zeros((1000, 1, 1, 1), np.uint8), labels, ("a", "b", "c", "d"), None, "")
    settings = {"dataset": "synthetic", "synthetic_classes": 4, "imbalance": "long_tail", "imbalance_factor": 5}
    splits = [
        make_split(TrialConfig(**settings, **own), arrays, 1)
        for own in ({}, {"val_fraction": 0}, {"val_profile": "train"}, {"val_fraction": 0, "subset": "fixed"})
    ]
    assert {found.test_pool_sha256 for found in splits} == {splits[0].test_pool_sha256}
    for found in splits:
        assert not {*found.train, *found.val} & set(found.test)
