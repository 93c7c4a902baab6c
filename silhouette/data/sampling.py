"""The batches of an epoch, and the classes in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silhouette.config import ConfigError, TrialConfig
from silhouette.seeding import numpy_stream

Indices = NDArray[np.int64]


def steps_per_epoch(config: TrialConfig, samples: int) -> int:
    """Return the number of batches: full ones only, or one smaller batch if there are too few samples for a full one.

    >>> steps_per_epoch(TrialConfig(batch_size=64), 300), steps_per_epoch(TrialConfig(batch_size=64), 10)
    (4, 1)
    """
    return max(1, samples // config.batch_size)


def epoch_batches(config: TrialConfig, labels: Indices, seed: int, epoch: int) -> list[Indices]:
    """Return the batches of one epoch as index arrays; they depend on the arguments alone.

    - `uniform`: every sample once in random order. The incomplete last batch is left out, since each of its few
      samples would have more weight than others.
    - `balanced`: every place of a batch first draws a class, all classes with the same probability.
    - `pk`: P = batch_size / K different classes, with K = `samples_per_class` samples of each.

    For the last two, the samples of a class are drawn in random order without replacement, and again from the start
    when all have been drawn. A class with few samples therefore repeats them, within a batch too if it has fewer than
    the batch needs. All three samplers make the same number of batches of the same size.

    Args:
        config: `sampler`, `batch_size` and `samples_per_class` matter.
        labels: (N,) training labels.
        seed: Seed of the trial.
        epoch: Number of the epoch, from 0.

    Raises:
        ConfigError: If `pk` needs more classes than have samples.

    >>> config, labels = TrialConfig(sampler="pk", batch_size=4, samples_per_class=2), np.repeat([0, 1, 2], 4)
    >>> [sorted(labels[batch].tolist()) for batch in epoch_batches(config, labels, seed=0, epoch=0)]
    [[0, 0, 1, 1], [1, 1, 2, 2], [0, 0, 1, 1]]
    """
    rng = numpy_stream(seed, "batches", epoch)
    steps, size = steps_per_epoch(config, len(labels)), min(config.batch_size, len(labels))
    if config.sampler == "uniform":
        return np.split(rng.permutation(len(labels))[: steps * size], steps)
    present = np.unique(labels)
    if config.sampler == "balanced":
        classes = rng.choice(present, size=(steps, config.batch_size))
    else:
        wanted = config.batch_size // config.samples_per_class
        if wanted > len(present):
            raise ConfigError(
                f"samples_per_class: batch_size = {config.batch_size} needs {wanted} classes but "
                f"{len(present)} have training samples, got {config.samples_per_class}"
            )
        drawn = np.stack([rng.permutation(present)[:wanted] for _ in range(steps)])
        classes = drawn.repeat(config.samples_per_class, axis=1)
    together = config.samples_per_class if config.sampler == "pk" else 1
    return list(_draw_samples(classes, labels, together, rng))


def _draw_samples(classes: Indices, labels: Indices, together: int, rng: np.random.Generator) -> Indices:
    """Return, for every class of an array, one of its samples; each class is drawn in its own random order.

    A round through a class is cut to a multiple of `together`, so that `together` draws in a row are different samples.
    """
    flat, out = classes.ravel(), np.empty(classes.size, dtype=np.int64)
    for label in np.unique(flat):
        places, members = np.flatnonzero(flat == label), np.flatnonzero(labels == label)
        length = max(len(members) // together * together, min(together, len(members)))
        rounds = -(-len(places) // length)
        order = np.concatenate([rng.permutation(members)[:length] for _ in range(rounds)])
        out[places] = order[: len(places)]
    return out.reshape(classes.shape)


@dataclass(frozen=True)
class Composition:
    """The classes in batches, as means over batches.

    Attributes:
        classes_per_batch: Number of different classes in a batch.
        singleton_share: Share, in [0, 1], of samples that are alone in their class, so that their silhouette is 0.
        single_class_batches: Share, in [0, 1], of batches with one class only, so that every silhouette is 0.
    """

    classes_per_batch: float
    singleton_share: float
    single_class_batches: float


def composition(batches: Sequence[Indices], labels: Indices) -> Composition:
    """Return the composition of batches.

    Args:
        batches: Index arrays into the labels.
        labels: (N,).

    >>> composition([np.array([0, 1, 2])], np.array([5, 5, 7]))
    Composition(classes_per_batch=2.0, singleton_share=0.3333333333333333, single_class_batches=0.0)
    """
    counts = [np.unique(labels[batch], return_counts=True)[1] for batch in batches]
    return Composition(
        classes_per_batch=float(np.mean([len(c) for c in counts])),
        singleton_share=float(np.mean([(c == 1).sum() / c.sum() for c in counts])),
        single_class_batches=float(np.mean([len(c) == 1 for c in counts])),
    )
