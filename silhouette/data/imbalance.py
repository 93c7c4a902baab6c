"""Changes of the training samples: training fraction, class imbalance, label noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from silhouette.config import TrialConfig
from silhouette.seeding import numpy_stream

Indices = NDArray[np.int64]


def long_tail_counts(classes: int, largest: int, factor: float) -> list[int]:
    """Return counts int(n_max · ρ^(-c / (K - 1))) from the largest class to the smallest (Cui et al. 2019).

    Args:
        classes: K, at least 1.
        largest: n_max, samples of the largest class.
        factor: ρ ≥ 1, the largest count over the smallest.

    >>> long_tail_counts(5, 100, 10)
    [100, 56, 31, 17, 10]
    """
    return [int(largest * (1 / factor) ** (c / max(classes - 1, 1))) for c in range(classes)]


def step_counts(classes: int, largest: int, factor: float, share: float) -> list[int]:
    """Return n_max for the first classes and int(n_max / ρ) for the last `share` of them (Buda et al. 2018).

    Args:
        classes: K, at least 2.
        largest: n_max, samples of a large class.
        factor: ρ ≥ 1, the largest count over the smallest.
        share: Share of the classes that are small, in (0, 1); at least one class is small and one large.

    >>> step_counts(4, 100, 10, share=0.5)
    [100, 100, 10, 10]
    """
    small = min(max(round(share * classes), 1), classes - 1)
    return [largest] * (classes - small) + [int(largest / factor)] * small


def class_order(config: TrialConfig, classes: int, seed: int) -> Indices:
    """Return the labels from the largest class to the smallest: a permutation by seed, or their own order."""
    if config.class_order == "fixed":
        return np.arange(classes)
    return numpy_stream(seed, "class order").permutation(classes)


def keep_counts(config: TrialConfig, available: Sequence[int], seed: int) -> list[int]:
    """Return the number of training samples to keep of each class, by label.

    The training fraction is applied first, in every class. The largest class of a profile then keeps as many samples
    as the *smallest* class has, so that the profile is exact for every order of the classes. A class that has samples
    keeps at least one.

    Args:
        config: `train_fraction`, `imbalance` and its options matter.
        available: Samples of each class, by label.
        seed: Seed of the trial.

    >>> keep_counts(TrialConfig(train_fraction=0.5), [100, 60], seed=0)
    [50, 30]
    """
    fraction = [min(n, max(1, round(config.train_fraction * n))) for n in available]
    if config.imbalance == "none":
        return fraction
    classes, largest, factor = len(fraction), min(n for n in fraction if n), config.imbalance_factor
    if config.imbalance == "step":
        profile = step_counts(classes, largest, factor, config.step_share)
    else:
        profile = long_tail_counts(classes, largest, factor)
    kept = [0] * classes
    for label, count in zip(class_order(config, classes, seed), profile, strict=True):
        kept[label] = min(max(count, 1), fraction[label])
    return kept


def subsample(labels: Indices, keep: Sequence[int], seed: int) -> Indices:
    """Return ascending indices of `keep[c]` samples of each class c, drawn without replacement.

    A class keeps the first samples of one random order, so a stronger imbalance keeps a subset of a weaker one.

    >>> subsample(np.array([0, 0, 0, 1, 1]), [1, 2], seed=0).tolist()[1:]
    [3, 4]
    """
    order = numpy_stream(seed, "subsample").permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # by class, in random order within a class
    counts = np.bincount(labels, minlength=len(keep))
    rank = np.arange(len(labels)) - (np.cumsum(counts) - counts).repeat(counts)
    return np.sort(order[rank < np.asarray(keep).repeat(counts)])


def fixed_subset(labels: Indices, free: NDArray[np.bool_], keep: Sequence[int]) -> Indices:
    """Return ascending indices of `keep[c]` samples of each class c: the first free ones of an order without a seed.

    The order is that of the published code of Cao et al. (2019): each class in turn is shuffled by NumPy's generator
    `RandomState` from seed 0. On all of CIFAR's training data, the samples are therefore those of that code. A stronger
    imbalance keeps a subset of a weaker one.

    Args:
        labels: (N,) of all samples that could be for training.
        free: (N,), False for those that are for validation.
        keep: Samples to keep of each class, at most its free ones.

    >>> fixed_subset(np.array([0, 0, 0, 1, 1]), np.array([True, True, True, False, True]), [1, 1]).tolist()
    [2, 4]
    """
    rng, chosen = np.random.RandomState(0), []  # its numbers are those of the published code
    for label, count in enumerate(keep):
        members = np.flatnonzero(labels == label)
        rng.shuffle(members)
        chosen.append(members[free[members]][:count])
    return np.sort(np.concatenate(chosen))


def noisy_labels(config: TrialConfig, labels: Indices, classes: int, seed: int) -> Indices:
    """Return labels (N,) of which exactly a share `label_noise`, rounded, is wrong.

    A wrong label is any other class with the same probability (`symmetric`), or the next class (`asymmetric`).

    >>> noisy = noisy_labels(TrialConfig(label_noise=0.5), np.array([0, 1, 2, 0]), 3, seed=0)
    >>> int((noisy != [0, 1, 2, 0]).sum())
    2
    """
    rng = numpy_stream(seed, "label noise")
    wrong = rng.permutation(len(labels))[: round(config.label_noise * len(labels))]
    shift = rng.integers(1, classes, len(wrong)) if config.noise_kind == "symmetric" else 1
    noisy = labels.copy()
    noisy[wrong] = (labels[wrong] + shift) % classes
    return noisy
