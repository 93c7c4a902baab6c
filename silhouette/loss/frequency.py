"""Corrections for unequal class frequencies, from the number of training samples n_c of each class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def log_class_weights(counts: Sequence[int] | Tensor, power: float) -> Tensor:
    """Return (K,) log w_c of the weights n_c^p, scaled to mean 1 over the classes that have samples.

    They weight the classes in the soft minimum. p = 1 is what balanced softmax (Ren et al. 2020) does to logits: a
    frequent class competes more, by τ_s·log n_c in distance. p = -1 is the inverse.

    Args:
        counts: (K,) n_c; a count of 0 is taken as 1, and left out of the mean.
        power: p.

    >>> log_class_weights([6, 2, 0], 1.0).exp()
    tensor([1.5000, 0.5000, 0.2500], dtype=torch.float64)
    """
    numbers = torch.as_tensor(counts, dtype=torch.float64)
    logs = power * numbers.clamp_min(1).log()
    present = logs[numbers > 0]
    return logs - present.logsumexp(0) + math.log(len(present))


def sample_weights(counts: Sequence[int] | Tensor) -> Tensor:
    """Return (K,) N / (K·n_c), the weight of a sample of class c that gives every class the same weight.

    With them the mean over all training samples is the mean over classes of their means. N and K count the classes that
    have samples alone.

    Args:
        counts: (K,) n_c; a count of 0 is taken as 1.

    >>> sample_weights([6, 2])
    tensor([0.6667, 2.0000], dtype=torch.float64)
    """
    numbers = torch.as_tensor(counts, dtype=torch.float64)
    return numbers.sum() / ((numbers > 0).sum() * numbers.clamp_min(1))
