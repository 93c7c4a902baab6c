"""Alignment and uniformity on the unit sphere (Wang and Isola 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from silhouette.geometry.tiles import class_means, tiles

_T = 2.0  # of the Gaussian potential, as in the paper


def alignment(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return (K,) mean squared distances of two samples of each class, at least 0; lower is better.

    Wang and Isola compare two views of an image. Here a positive pair is two samples of a class, as for a supervised
    loss. For n samples with mean μ it is 2n/(n-1) · (mean of |x|² - |μ|²), which needs no pairs.

    Args:
        features: (N, D) rows of length 1.
        labels: (N,) in [0, K).
        classes: K.

    Returns:
        Float64; NaN for a class with fewer than two samples.

    >>> alignment(torch.eye(2), torch.tensor([0, 0]), 2).tolist()
    [2.0, nan]
    """
    counts = labels.bincount(minlength=classes).double()
    mean = class_means(features, labels, classes)
    lengths = torch.linalg.vector_norm(features, dim=1, keepdim=True, dtype=torch.double)
    size = class_means(lengths.square(), labels, classes)[:, 0]
    spread = (size - mean.square().sum(1)).clamp_min(0)
    return torch.where(counts > 1, 2 * counts / (counts - 1) * spread, torch.nan)


@torch.no_grad()
def uniformity(features: Tensor) -> float | None:
    """Return log of the mean of exp(-2 |x - x'|²) over all pairs of samples, in [-8, 0]; lower is better.

    Args:
        features: (N, D) rows of length 1.

    Returns:
        None with fewer than two samples.

    >>> round(uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])), 6)
    -8.0
    """
    count, total, size = len(features), 0.0, features.square().sum(1)
    if count < 2:
        return None
    for part in tiles(count, count, features.device):
        squared = torch.addmm(size, features[part], features.t(), alpha=-2) + size[part, None]
        close = squared.clamp_min_(0).mul_(-_T).exp_()
        itself = torch.arange(part.start, part.stop, device=features.device)
        close[itself - part.start, itself] = 0
        total += float(close.sum(dtype=torch.double))
    return math.log(total / (count * (count - 1)))
