"""Fewer, rarer and wrong training samples: training fraction, class imbalance, label noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from silhouette.config import TrialConfig
from silhouette.seeding import numpy_stream

Indices = NDArray[np.int64]


def long_tail_counts(classes: int, largest: int, factor: float) -> list[int]:
    """Counts int(n_max · ρ^(-c / (K - 1))) from the largest class to the smallest (Cui et al. 2019).

    Args:
        classes: K, at least 1.
        largest: n_max, samples of the largest class.
        factor: ρ ≥ 1, the largest count over the smallest.

    >>> long_tail_counts(5, 100, 10)
    [100, 56, 31, 17, 10]
    """
    return [int(largest * (1 / factor) ** (c / max(classes - 1, 1))) for c in range(classes)]


def step_counts(classes: int, largest: int, factor: float, share: float) -> list[int]:
    """n_max for the first classes and int(n_max / ρ) for the last `share` of them (Buda et al. 2018).

    >>> step_counts(4, 100, 10, share=0.5)
    [100, 100, 10, 10]
    """
    small = min(max(round(share * classes), 1), classes - 1)
    return [largest] * (classes - small) + [int(largest / factor)] * small


def class_order(config: TrialConfig, classes: int, seed: int) -> Indices:
    """Class labels from the largest class to the smallest: a permutation by seed, or the labels' own order."""
    if config.class_order == "fixed":
        return np.arange(classes)
    return numpy_stream(seed, "class order").permutation(classes)


def keep_counts(config: TrialConfig, available: Sequence[int], seed: int) -> list[int]:
    """Training samples to keep of each class, by label.

    The training fraction comes first, in every class. The largest class of a profile then takes what the
    *smallest* class has, so that the profile is exact whichever class stands where. Every class that has samples
    keeps at least one.

    Args:
        config: `train_fraction`, `imbalance` and its options matter.
        available: Samples of each class, by label.
        seed: Of the trial.
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
    """Indices, ascending, of `keep[c]` samples of each class c, drawn without replacement.

    A class keeps the first of one shuffled order, so that a stronger imbalance keeps a subset of a weaker one.
    """
    order = numpy_stream(seed, "subsample").permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # by class, shuffled inside
    counts = np.bincount(labels, minlength=len(keep))
    rank = np.arange(len(labels)) - (np.cumsum(counts) - counts).repeat(counts)
    return np.sort(order[rank < np.asarray(keep).repeat(counts)])


def noisy_labels(config: TrialConfig, labels: Indices, classes: int, seed: int) -> Indices:
    """Labels (N,) of which exactly a share `label_noise`, rounded, is wrong.

    A wrong label is any of the other classes, equally likely (`symmetric`), or the next class (`asymmetric`).
    """
    rng = numpy_stream(seed, "label noise")
    wrong = rng.permutation(len(labels))[: round(config.label_noise * len(labels))]
    shift = rng.integers(1, classes, len(wrong)) if config.noise_kind == "symmetric" else 1
    noisy = labels.copy()
    noisy[wrong] = (labels[wrong] + shift) % classes
    return noisy
