"""Which training samples form the batches of an epoch, and how mixed those batches are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silhouette.config import TrialConfig
from silhouette.streams import numpy_stream

Indices = NDArray[np.int64]


def steps_per_epoch(config: TrialConfig, samples: int) -> int:
    """Number of batches: full ones only, or a single smaller one where no full batch exists."""
    return max(1, samples // config.batch_size)


def epoch_batches(config: TrialConfig, labels: Indices, seed: int, epoch: int) -> list[Indices]:
    """Index arrays of the batches of one epoch; a function of its arguments alone.

    Every sample is drawn once in shuffled order; the incomplete last batch is left out, since its few samples
    would weigh more than others and its composition would differ.

    Args:
        config: `batch_size` matters.
        labels: (N,) training labels.
        seed: Of the trial.
        epoch: From 0.
    """
    order = numpy_stream(seed, "batches", epoch).permutation(len(labels))
    steps = steps_per_epoch(config, len(labels))
    return np.array_split(order[: steps * config.batch_size], steps)


@dataclass(frozen=True)
class Composition:
    """How mixed batches are, as means over batches.

    Attributes:
        classes_per_batch: Number of different classes in a batch.
        singleton_share: Share of a batch's samples that are alone in their class, so that their score is 0.
        single_class_batches: Share of the batches that hold one class only, so that every score is 0.
    """

    classes_per_batch: float
    singleton_share: float
    single_class_batches: float


def composition(batches: Sequence[Indices], labels: Indices) -> Composition:
    """Composition of some batches (index arrays into labels (N,))."""
    counts = [np.unique(labels[batch], return_counts=True)[1] for batch in batches]
    return Composition(
        classes_per_batch=float(np.mean([len(c) for c in counts])),
        singleton_share=float(np.mean([(c == 1).sum() / c.sum() for c in counts])),
        single_class_batches=float(np.mean([len(c) == 1 for c in counts])),
    )
