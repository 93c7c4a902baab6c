"""Which training samples form the batches of an epoch, and how mixed those batches are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silhouette.config import ConfigError, TrialConfig
from silhouette.seeding import numpy_stream

Indices = NDArray[np.int64]


def steps_per_epoch(config: TrialConfig, samples: int) -> int:
    """Number of batches: full ones only, or a single smaller one where no full batch exists."""
    return max(1, samples // config.batch_size)


def epoch_batches(config: TrialConfig, labels: Indices, seed: int, epoch: int) -> list[Indices]:
    """Index arrays of the batches of one epoch; a function of its arguments alone.

    - `uniform`: every sample once in shuffled order; the incomplete last batch is left out, since its few
      samples would weigh more than others and its composition would differ.
    - `balanced`: each sample of a batch first draws its class, all equally likely.
    - `pk`: P = batch_size / K different classes and K = `samples_per_class` samples of each.

    In the last two, a class hands out its samples in shuffled order and starts over when it has none left, so
    that rare classes repeat theirs, in one batch too if they have fewer than are asked for. All three have
    as many batches of the same size.

    Args:
        config: `sampler`, `batch_size` and `samples_per_class` matter.
        labels: (N,) training labels.
        seed: Of the trial.
        epoch: From 0.

    Raises:
        ConfigError: If `pk` asks for more classes than have samples.
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
    """For every wanted class a sample of it, each class in its own shuffled, endless order.

    A round of a class is cut to a multiple of `together`, so that so many in a row are different samples.
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
