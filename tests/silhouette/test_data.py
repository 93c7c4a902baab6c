"""Splits, imbalance and batches."""

import numpy as np
import pytest

from silhouette import TrialConfig, sources
from silhouette.cache import in_memory
from silhouette.datasets import make_split
from silhouette.imbalance import keep_counts, long_tail_counts
from silhouette.sampling import composition, epoch_batches

DIGITS = in_memory(sources.digits())


def labels():
    return DIGITS.labels


def test_digits():
    digits = DIGITS
    assert digits.images.shape == (1797, 1, 8, 8)
    assert digits.images.dtype == np.uint8
    assert (digits.images.min(), digits.images.max()) == (0, 255)
    assert digits.classes == tuple("0123456789")


def test_a_split_is_disjoint_complete_and_stratified():
    split = make_split(TrialConfig(), DIGITS, 0)
    everything = np.concatenate([split.train, split.val, split.test])
    assert sorted(everything) == list(range(1797))
    for part, share in ((split.test, 0.25), (split.val, 0.15)):
        counts = np.bincount(labels()[part])
        assert np.abs(counts - share * np.bincount(labels())).max() <= 1


def test_imbalance_touches_training_data_only():
    plain = make_split(TrialConfig(), DIGITS, 5)
    tail = make_split(TrialConfig(imbalance="long_tail", imbalance_factor=20), DIGITS, 5)
    assert (plain.val == tail.val).all()
    assert (plain.test == tail.test).all()
    assert set(tail.train) < set(plain.train)


def test_a_stronger_imbalance_keeps_a_subset():
    weak, strong = (
        make_split(TrialConfig(imbalance="long_tail", imbalance_factor=factor), DIGITS, 5).train for factor in (5, 50)
    )
    assert set(strong) < set(weak)


# Counts as Cui et al. 2019 make them for CIFAR-LT: (classes, largest, factor) -> (sum, > 100, 20 to 100, < 20)
@pytest.mark.parametrize(
    ("profile", "total", "groups"),
    [
        ((10, 5000, 10), 20431, (10, 0, 0)),
        ((10, 5000, 50), 13996, (9, 1, 0)),
        ((10, 5000, 100), 12406, (8, 2, 0)),
        ((100, 500, 10), 19573, (69, 31, 0)),
        ((100, 500, 50), 12608, (41, 41, 18)),
        ((100, 500, 100), 10847, (35, 35, 30)),
    ],
)
def test_long_tail_counts(profile, total, groups):
    counts = long_tail_counts(*profile)
    assert sum(counts) == total
    assert groups == (
        sum(c > 100 for c in counts),
        sum(20 <= c <= 100 for c in counts),
        sum(c < 20 for c in counts),
    )


def test_the_profile_is_exact_whichever_class_stands_where():
    available = [104, 110, 109, 108]
    config = TrialConfig(imbalance="long_tail", imbalance_factor=10)
    for seed in range(5):
        assert sorted(keep_counts(config, available, seed), reverse=True) == long_tail_counts(4, 104, 10)
    orders = {tuple(keep_counts(config, available, seed)) for seed in range(20)}
    assert len(orders) > 5
    fixed = config.model_copy(update={"class_order": "fixed"})
    assert keep_counts(fixed, available, 3) == long_tail_counts(4, 104, 10)


def test_batches_are_full_and_use_each_sample_once():
    y = labels()[:300]
    batches = epoch_batches(TrialConfig(batch_size=64), y, 0, 0)
    assert [len(b) for b in batches] == [64] * 4
    assert len(set(np.concatenate(batches))) == 256
    assert [len(b) for b in epoch_batches(TrialConfig(batch_size=512), y, 0, 0)] == [300]


def test_batches_depend_on_seed_and_epoch_alone():
    y, config = labels(), TrialConfig()
    first = epoch_batches(config, y, 0, 3)[0]
    assert (first == epoch_batches(config.model_copy(update={"lambda_sil": 1.0}), y, 0, 3)[0]).all()
    assert (first != epoch_batches(config, y, 0, 4)[0]).any()
    assert (first != epoch_batches(config, y, 1, 3)[0]).any()


def test_composition_by_hand():
    y = np.array([0, 0, 0, 1, 1, 2])
    mixed, single = np.array([0, 1, 3, 5]), np.array([0, 1, 2])
    # mixed: three classes, two of four samples alone; single: one class, nobody alone
    got = composition([mixed, single], y)
    assert (got.classes_per_batch, got.singleton_share, got.single_class_batches) == (2.0, 0.25, 0.5)
