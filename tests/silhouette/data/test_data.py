"""Splits, imbalance and batches."""

import numpy as np
import pytest

from silhouette import TrialConfig
from silhouette.config import ConfigError
from silhouette.data import sources
from silhouette.data.cache import in_memory
from silhouette.data.imbalance import keep_counts, long_tail_counts, noisy_labels
from silhouette.data.sampling import composition, epoch_batches
from silhouette.data.splits import make_split

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


def test_the_profile_is_exact_for_every_order_of_classes():
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


def test_step_imbalance_and_training_fraction():
    available = [100] * 6
    step = TrialConfig(imbalance="step", imbalance_factor=10, step_share=1 / 3, class_order="fixed")
    assert keep_counts(step, available, 0) == [100] * 4 + [10] * 2
    half = TrialConfig(train_fraction=0.5, imbalance="step", imbalance_factor=10, class_order="fixed")
    assert keep_counts(half, available, 0) == [50] * 3 + [5] * 3
    assert keep_counts(TrialConfig(train_fraction=0.001), available, 0) == [1] * 6
    assert keep_counts(step.model_copy(update={"imbalance_factor": 9999.0}), available, 0)[-1] == 1


def test_symmetric_noise_is_exact_and_spread_over_all_other_classes():
    y = np.arange(5000) % 5
    noisy = noisy_labels(TrialConfig(label_noise=0.4), y, 5, 0)
    wrong = noisy != y
    assert wrong.sum() == 2000
    shares = np.bincount((noisy - y)[wrong] % 5, minlength=5) / 2000
    assert shares[0] == 0
    assert np.abs(shares[1:] - 0.25).max() < 0.04
    assert (noisy == noisy_labels(TrialConfig(label_noise=0.4), y, 5, 0)).all()


def test_asymmetric_noise_goes_to_the_next_class():
    y = np.arange(100) % 5
    noisy = noisy_labels(TrialConfig(label_noise=0.2, noise_kind="asymmetric"), y, 5, 0)
    assert set(((noisy - y) % 5).tolist()) == {0, 1}
    assert (noisy != y).sum() == 20


def test_noise_touches_training_labels_only():
    split = make_split(TrialConfig(label_noise=0.5), DIGITS, 0)
    assert 0.45 < (split.train_labels != labels()[split.train]).mean() < 0.55
    assert (make_split(TrialConfig(), DIGITS, 0).train == split.train).all()


def test_balanced_batches_draw_every_class_alike():
    y = np.repeat([0, 1, 2], [900, 90, 10])
    batches = epoch_batches(TrialConfig(sampler="balanced", batch_size=100), y, 0, 0)
    assert [len(b) for b in batches] == [100] * 10
    assert np.abs(np.bincount(y[np.concatenate(batches)]) / 1000 - 1 / 3).max() < 0.05
    rare = np.concatenate(batches)[y[np.concatenate(batches)] == 2]
    assert np.ptp(np.bincount(rare, minlength=1000)[990:]) <= 1  # handed out in turn


def test_pk_batches_hold_p_classes_of_k_samples():
    y = labels()[:400]
    config = TrialConfig(sampler="pk", batch_size=32, samples_per_class=8)
    for batch in epoch_batches(config, y, 0, 0):
        counts = np.bincount(y[batch])
        assert sorted(counts[counts > 0]) == [8] * 4
        assert len(set(batch)) == 32
    assert composition(epoch_batches(config, y, 0, 0), y).classes_per_batch == 4


def test_pk_repeats_samples_of_a_small_class():
    y = np.array([0] * 20 + [1, 1])
    batches = epoch_batches(TrialConfig(sampler="pk", batch_size=8, samples_per_class=4), y, 0, 0)
    for batch in batches:
        assert np.bincount(y[batch]).tolist() == [4, 4]
        assert sorted(batch[y[batch] == 1]) == [20, 20, 21, 21]


def test_pk_without_enough_classes_is_one_line():
    y = np.array([0] * 30 + [1] * 30)
    with pytest.raises(ConfigError, match="samples_per_class: batch_size = 32 needs 8 classes but 2 have"):
        epoch_batches(TrialConfig(sampler="pk", batch_size=32, samples_per_class=4), y, 0, 0)


@pytest.mark.parametrize("sampler", ["uniform", "balanced", "pk"])
def test_all_samplers_make_the_same_number_of_batches(sampler):
    config = TrialConfig(sampler=sampler, batch_size=40)
    assert [len(b) for b in epoch_batches(config, labels()[:430], 0, 0)] == [40] * 10
