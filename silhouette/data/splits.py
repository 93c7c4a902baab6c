"""The data of a trial: the arrays of a dataset and their split into training, validation and test samples."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silhouette.config import ConfigError, TrialConfig, options_under
from silhouette.data import functions, own
from silhouette.data.cache import Arrays, Progress, Source, in_memory, open_entry
from silhouette.data.imbalance import fixed_subset, keep_counts, noisy_labels, subsample
from silhouette.registry import DATASETS
from silhouette.registry import load as load_object
from silhouette.seeding import numpy_stream

Indices = NDArray[np.int64]
Settings = tuple[tuple[str, Any], ...]
"""Arguments of the function that reads a dataset, by name."""


@dataclass(frozen=True)
class Split:
    """Indices into the arrays, disjoint and ascending.

    Attributes:
        train: Samples to train on, after training fraction and imbalance.
        val: Samples to choose on, taken from the training data; none with `val_fraction=0`.
        test: Samples to report on: the official test data, or a part cut off by `split_seed`.
        train_labels: Labels to train on, with label noise, in the order of `train`.
    """

    train: Indices
    val: Indices
    test: Indices
    train_labels: Indices

    @property
    def test_pool_sha256(self) -> str:
        """SHA-256, in hex, of the sorted test indices as 64-bit little-endian integers."""
        return hashlib.sha256(np.sort(self.test).astype("<i8").tobytes()).hexdigest()


def load(config: TrialConfig, progress: Progress | None = None) -> Arrays:
    """Return the dataset of a config, opened once per process; it is fetched and decoded first where needed.

    Args:
        config: `dataset`, `image_size`, the `synthetic_` fields and the options of an own data set matter.
        progress: Called with (images decoded, images in all) from time to time.

    Raises:
        InputError: If the files of the dataset are absent and cannot be fetched; the message says which files to
            put where.

    >>> load(TrialConfig()).images.shape
    (1797, 1, 8, 8)
    """
    entry = DATASETS.get(config.dataset)
    settings = {argument: getattr(config, field) for argument, field in entry.settings.items()} if entry else None
    given = options_under(config, "dataset") if settings is None else settings
    return _load(config.dataset, config.size, tuple(given.items()), progress)


@lru_cache(maxsize=4)
def _load(name: str, size: int | None, settings: Settings, progress: Progress | None) -> Arrays:
    entry = DATASETS.get(name)
    if entry is None:
        found = own.find(name, size) or functions.find(name, size, dict(settings))
        return open_entry(*found, progress)

    def source() -> Source:
        read: Source = load_object(entry.where)(size, **entry.arguments, **dict(settings))
        return read

    if not entry.cached:
        return in_memory(source())
    values = "".join(f"-{value:g}" for _, value in settings)
    return open_entry(f"{name}{values}-{size}", source, progress)


def make_split(config: TrialConfig, arrays: Arrays, seed: int) -> Split:
    """Return the split of a trial, stratified by class.

    Imbalance and noise change the training samples only. With `val_profile="train"` the imbalance comes first, and the
    validation samples are taken from those that it keeps.

    Args:
        config: The fractions, the imbalance and the label noise matter.
        arrays: The dataset, from `load`.
        seed: Seed of the trial. `config.vary` says what it moves: the test samples under one value only.

    Raises:
        ConfigError: If no samples are left to train or to validate on.

    >>> split = make_split(TrialConfig(), load(TrialConfig()), seed=0)
    >>> len(split.train), len(split.val), len(split.test)
    (1078, 269, 450)
    """
    labels, seeds = arrays.labels, config.source_seeds(seed)
    rest, test, share = _test_pool(config, arrays, seed)
    keep = partial(_kept, config, arrays, rest, seeds)
    cut = partial(_cut, labels=labels, fraction=share, seed=seeds["split"], purpose="val split")
    if config.val_profile == "train":
        train, val = cut(keep(rest))
    else:
        train, val = cut(rest)
        train = keep(train)
    if len(train) < 2 or (config.val_fraction and not len(val)):
        raise ConfigError(f"dataset: too few samples in {config.dataset} to train and validate on")
    return Split(train, val, test, noisy_labels(config, labels[train], len(arrays.classes), seeds["subset"]))


def check_test_settings(config: TrialConfig) -> None:
    """Refuse settings of the test split for a person's own data that have test samples of their own.

    For a dataset of ours such a field is without effect, which is known before its files are read.

    Raises:
        ConfigError: If `test_fraction`, `split_seed` or `vary` would cut test samples off.
    """
    defaults = TrialConfig.model_fields
    for field in ("test_fraction", "split_seed"):
        if getattr(config, field) != defaults[field].default:
            raise ConfigError(_without_effect(config, field))
    if config.draws_test_split:
        raise ConfigError(_without_effect(config, "vary"))


def _without_effect(config: TrialConfig, field: str) -> str:
    why = f"cuts no test samples off, since {config.dataset} has its own; remove it"
    return f"{field}: {why}, got {getattr(config, field)!r}"


def _test_pool(config: TrialConfig, arrays: Arrays, seed: int) -> tuple[Indices, Indices, float]:
    """Return the samples that are not for testing, those that are, and the share of the former to validate on."""
    everything = np.arange(len(arrays.labels))
    if arrays.train is not None:
        if config.dataset not in DATASETS:
            check_test_settings(config)
        return everything[: arrays.train], everything[arrays.train :], config.val_fraction
    cut_by = seed if config.draws_test_split else config.split_seed
    rest, test = _cut(everything, arrays.labels, config.test_fraction, cut_by, "test split")
    return rest, test, config.val_fraction / (1 - config.test_fraction)


def _kept(config: TrialConfig, arrays: Arrays, rest: Indices, seeds: Mapping[str, int], pool: Indices) -> Indices:
    """Return the samples of a pool that training fraction and imbalance keep.

    Args:
        config: The config.
        arrays: The dataset.
        rest: All samples that are not for testing, among them the pool; the order of a fixed subset is one of these.
        seeds: Seed of each source of chance.
        pool: Samples to keep some of, ascending.
    """
    labels = arrays.labels[pool]
    available = np.bincount(labels, minlength=len(arrays.classes)).tolist()
    counts = keep_counts(config, available, seeds["class_order"])
    if config.subset == "fixed":
        return rest[fixed_subset(arrays.labels[rest], np.isin(rest, pool, assume_unique=True), counts)]
    return pool[subsample(labels, counts, seeds["subset"])]


def _cut(indices: Indices, labels: Indices, fraction: float, seed: int, purpose: str) -> tuple[Indices, Indices]:
    """Return (rest, cut) with about `fraction` of every class in the cut; each side gets at least one sample.

    A fraction of 0 cuts nothing.
    """
    if fraction == 0:
        return indices, indices[:0]
    order = indices[numpy_stream(seed, purpose).permutation(len(indices))]
    order = order[np.argsort(labels[order], kind="stable")]  # by class, in random order within a class
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    sizes = [min(max(round(fraction * len(group)), 1), len(group) - 1) for group in groups]
    chosen = np.sort(np.concatenate([group[:size] for group, size in zip(groups, sizes, strict=True)]))
    return np.setdiff1d(indices, chosen, assume_unique=True), chosen
