"""Class imbalance made from balanced data: how many training samples of each class are kept, and which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from silhouette.config import TrialConfig
from silhouette.streams import numpy_stream

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


def class_order(config: TrialConfig, classes: int, seed: int) -> Indices:
    """Class labels from the largest class to the smallest: a permutation by seed, or the labels' own order."""
    if config.class_order == "fixed":
        return np.arange(classes)
    return numpy_stream(seed, "class order").permutation(classes)


def keep_counts(config: TrialConfig, available: Sequence[int], seed: int) -> list[int]:
    """Training samples to keep of each class, by label.

    The largest class of a profile takes what the *smallest* class has, so that the profile is exact whichever
    class stands where; every class keeps at least one sample.

    Args:
        config: `imbalance`, `imbalance_factor` and `class_order` matter.
        available: Samples of each class, by label.
        seed: Of the trial.
    """
    if config.imbalance == "none":
        return list(available)
    profile = long_tail_counts(len(available), min(available), config.imbalance_factor)
    kept = [0] * len(available)
    for label, count in zip(class_order(config, len(available), seed), profile, strict=True):
        kept[label] = max(count, 1)
    return kept


def subsample(labels: Indices, keep: Sequence[int], seed: int) -> Indices:
    """Indices, ascending, of `keep[c]` samples of each class c, drawn without replacement.

    A class keeps the first of one shuffled order, so that a stronger imbalance keeps a subset of a weaker one.
    """
    rng = numpy_stream(seed, "subsample")
    order = rng.permutation(len(labels))
    parts = [order[labels[order] == c][:count] for c, count in enumerate(keep)]
    return np.sort(np.concatenate(parts))
