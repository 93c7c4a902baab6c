"""The data of a trial: a dataset's arrays and their split into training, validation and test samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from silhouette.config import ConfigError, TrialConfig, make_config
from silhouette.data import sources
from silhouette.data.cache import Arrays, Progress, Source, cache_folder, in_memory, open_entry
from silhouette.data.imbalance import keep_counts, noisy_labels, subsample
from silhouette.registry import FOLDER, check_dataset
from silhouette.seeding import numpy_stream

Indices = NDArray[np.int64]
_IDX = ("mnist", "fashion_mnist", "kmnist")


@dataclass(frozen=True)
class Split:
    """Indices into the arrays, disjoint and ascending: what is trained on, chosen on, and reported.

    Attributes:
        train: After training fraction and imbalance.
        val: Cut from the training data.
        test: The official test data, or a part drawn by seed.
        train_labels: Labels to train on, with label noise, in the order of `train`.
    """

    train: Indices
    val: Indices
    test: Indices
    train_labels: Indices


def prepare(name: str, progress: Progress | None = None, *, image_size: int | None = None) -> Path:
    """Fetch and decode a dataset ahead of time; quick where that has been done.

    Args:
        name: As `TrialConfig.dataset`.
        progress: Called with (images decoded, images in all) now and then.
        image_size: Side of the images; the dataset's own by default.

    Returns:
        The cache folder.

    Raises:
        InputError: If there is no such dataset, or its files are neither there nor to be had; the message says
            which files to put where.
    """
    load(make_config({"dataset": name, "image_size": image_size}), progress)
    return cache_folder()


def load(config: TrialConfig, progress: Progress | None = None) -> Arrays:
    """The dataset of a config, opened once per process; fetched and decoded before, where needed."""
    synthetic = (config.synthetic_classes, config.synthetic_per_class, config.synthetic_spread)
    return _load(config.dataset, config.size, synthetic if config.dataset == "synthetic" else None, progress)


@lru_cache(maxsize=4)
def _load(name: str, size: int, synthetic: tuple[int, int, float] | None, progress: Progress | None) -> Arrays:
    if name == "digits":
        return in_memory(sources.digits())
    if synthetic:
        source: Callable[[], Source] = lambda: sources.synthetic(*synthetic, size)  # noqa: E731
        key = f"synthetic-{'-'.join(f'{v:g}' for v in synthetic)}"
    elif name in _IDX:
        source, key = (lambda: sources.idx(name, size)), name
    elif name.startswith(FOLDER):
        source = lambda: sources.image_folder(name, size)  # noqa: E731
        key = f"folder-{sources.folder_digest(Path(name.removeprefix(FOLDER)))}"
    else:
        source, key = (lambda: sources.torchvision(check_dataset(name), size)), name
    return open_entry(f"{key}-{size}", source, progress)


def make_split(config: TrialConfig, arrays: Arrays, seed: int) -> Split:
    """The split of a trial, stratified by class; imbalance and noise touch the training samples only.

    Args:
        config: The fractions, the imbalance and the label noise matter.
        arrays: Of `load`.
        seed: Of the trial.

    Raises:
        ConfigError: If nothing is left to train or to validate on.
    """
    everything, labels = np.arange(len(arrays.labels)), arrays.labels
    if arrays.train is not None:
        rest, test, share = everything[: arrays.train], everything[arrays.train :], config.val_fraction
    else:
        rest, test = _cut(everything, labels, config.test_fraction, seed, "test split")
        share = config.val_fraction / (1 - config.test_fraction)
    train, val = _cut(rest, labels, share, seed, "val split")
    available = np.bincount(labels[train], minlength=len(arrays.classes)).tolist()
    kept = train[subsample(labels[train], keep_counts(config, available, seed), seed)]
    if len(kept) < 2 or not len(val):
        raise ConfigError(f"dataset: too few samples in {config.dataset} to train and validate on")
    return Split(kept, val, test, noisy_labels(config, labels[kept], len(arrays.classes), seed))


def _cut(indices: Indices, labels: Indices, fraction: float, seed: int, purpose: str) -> tuple[Indices, Indices]:
    """(rest, cut) with about `fraction` of every class in the cut, at least one sample on either side."""
    order = indices[numpy_stream(seed, purpose).permutation(len(indices))]
    order = order[np.argsort(labels[order], kind="stable")]  # by class, shuffled inside
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    sizes = [min(max(round(fraction * len(group)), 1), len(group) - 1) for group in groups]
    chosen = np.sort(np.concatenate([group[:size] for group, size in zip(groups, sizes, strict=True)]))
    return np.setdiff1d(indices, chosen, assume_unique=True), chosen
