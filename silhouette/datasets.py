"""Datasets as arrays in memory, and their split into training, validation and test samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from silhouette.config import TrialConfig
from silhouette.imbalance import keep_counts, subsample
from silhouette.streams import numpy_stream

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Arrays:
    """A decoded dataset.

    Attributes:
        images: (N, C, H, W) uint8.
        labels: (N,) int64 in [0, K).
        classes: Names of the K classes.
    """

    images: NDArray[np.uint8]
    labels: Indices
    classes: tuple[str, ...]

    @property
    def in_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width


@dataclass(frozen=True)
class Split:
    """Indices into the arrays, disjoint and ascending: what is trained on, chosen on, and reported."""

    train: Indices
    val: Indices
    test: Indices


@lru_cache(maxsize=2)
def load(name: str) -> Arrays:
    """The dataset of this name, decoded once per process."""
    if name != "digits":
        raise ValueError(f"dataset: digits, got {name!r}")
    from sklearn.datasets import load_digits  # takes a second to import

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]
    return Arrays(images, digits.target.astype(np.int64), tuple(map(str, digits.target_names)))


def make_split(config: TrialConfig, labels: Indices, seed: int) -> Split:
    """The split of a trial, stratified by class; imbalance touches the training samples only.

    Args:
        config: The fractions and the imbalance matter.
        labels: (N,).
        seed: Of the trial.
    """
    everything = np.arange(len(labels))
    rest, test = _cut(everything, labels, config.test_fraction, seed, "test split")
    train, val = _cut(rest, labels, config.val_fraction / (1 - config.test_fraction), seed, "val split")
    available = np.bincount(labels[train], minlength=int(labels.max()) + 1).tolist()
    kept = subsample(labels[train], keep_counts(config, available, seed), seed)
    return Split(train[kept], val, test)


def _cut(indices: Indices, labels: Indices, fraction: float, seed: int, purpose: str) -> tuple[Indices, Indices]:
    """(rest, cut) with about `fraction` of every class in the cut, at least one sample on either side."""
    order = indices[numpy_stream(seed, purpose).permutation(len(indices))]
    cut = []
    for label in np.unique(labels[indices]):
        members = order[labels[order] == label]
        cut.append(members[: min(max(round(fraction * len(members)), 1), max(len(members) - 1, 0))])
    chosen = np.sort(np.concatenate(cut))
    return np.setdiff1d(indices, chosen), chosen
