"""The check of labels that a person's own files give as numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from silhouette.errors import InputError

Labels = NDArray[np.int64]


def count_labels(train: Labels, test: Labels, train_name: str, test_name: str) -> int:
    """Return K, after the check that the labels are 0 to K - 1 and that each has training samples.

    Args:
        train: (N,) labels of the training samples.
        test: (M,) labels of the test samples; M may be 0.
        train_name: What a message calls the training samples.
        test_name: The same for the test samples.

    Raises:
        InputError: If a label is negative, missing or for test samples only, or if there are fewer than two.

    >>> count_labels(np.array([1, 0, 2]), np.array([0]), "train.txt", "test.txt")
    3
    >>> count_labels(np.array([0, 2]), np.array([0]), "train.txt", "test.txt")
    Traceback (most recent call last):
    silhouette.errors.InputError: dataset: train.txt: label 1 has no sample, but labels go up to 2; number the classes \
0, 1, 2, … without a gap
    """
    present = np.unique(train)
    for labels, name in ((train, train_name), (test, test_name)):
        if len(labels) and labels.min() < 0:
            raise InputError(f"dataset: {name}: labels must be 0 or more, got {labels.min()}")
    if len(present) < 2:
        raise InputError(f"dataset: {train_name}: must have samples of two or more classes, got {len(present)}")
    gaps = np.flatnonzero(present != np.arange(len(present)))
    if len(gaps):
        raise InputError(
            f"dataset: {train_name}: label {gaps[0]} has no sample, but labels go up to {present[-1]}; "
            "number the classes 0, 1, 2, … without a gap"
        )
    if len(test) and test.max() >= len(present):
        raise InputError(
            f"dataset: {test_name}: label {test.max()} has no training sample; take it out, or add training samples"
        )
    return len(present)
