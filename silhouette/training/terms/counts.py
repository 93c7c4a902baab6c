"""Quantities of a class that follow from its number of training samples, all in float64.

A class without training samples (label noise can take the last one) is treated as if it had one, so that all stay
finite.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def count_tensor(counts: Sequence[int]) -> Tensor:
    """Return (K,) counts, at least 1.

    >>> count_tensor([3, 0]).tolist()
    [3.0, 1.0]
    """
    return torch.tensor(counts, dtype=torch.float64).clamp_min(1)


def log_prior(counts: Sequence[int]) -> Tensor:
    """Return (K,) log π_c, the logarithms of the shares of the classes in the training samples.

    >>> log_prior([3, 1]).exp().tolist()
    [0.75, 0.25]
    """
    n = count_tensor(counts)
    return (n / n.sum()).log()


def effective_weights(counts: Sequence[int], beta: float) -> Tensor:
    """Return (K,) weights proportional to (1 - β) / (1 - β^n_c), with mean 1 (Cui et al. 2019).

    Args:
        counts: Training samples of each class.
        beta: β in [0, 1); 0 gives equal weights, values near 1 weights proportional to 1 / n_c.

    >>> [round(w, 9) for w in effective_weights([2, 1], 0.5).tolist()]  # 1 / 0.75 and 1 / 0.5, scaled to mean 1
    [0.8, 1.2]
    """
    n = count_tensor(counts)
    inverse = 1 / -torch.expm1(n * torch.tensor(beta, dtype=torch.float64).log())
    return inverse * (len(n) / inverse.sum())


def label_margins(counts: Sequence[int], largest: float) -> Tensor:
    """Return (K,) margins Δ_c = C / n_c^(1/4), with C so that the largest is `largest` (Cao et al. 2019).

    >>> label_margins([16, 1], 0.5).tolist()
    [0.25, 0.5]
    """
    margins = count_tensor(counts) ** -0.25
    return margins * (largest / margins.max())
