"""Normalised mutual information of a clustering and the classes."""

from __future__ import annotations

import torch
from torch import Tensor

from silhouette.geometry.tiles import class_sums, tiles

_STARTS = 5
_STEPS = 100  # of Lloyd's algorithm, at most; it ends when no sample changes its cluster
_SEED = 0  # of the starts: the result is a function of the features, not of the trial's seed


def normalised_mutual_information(a: Tensor, b: Tensor) -> float:
    """Return the mutual information of two labellings over the mean of their entropies, in [0, 1].

    Higher is better. Equal to `sklearn.metrics.normalized_mutual_info_score`: 1 if both have a single value.

    Args:
        a: (N,) integers of at least 0, N above 0.
        b: (N,) integers of at least 0.

    >>> round(normalised_mutual_information(torch.tensor([0, 0, 1, 1]), torch.tensor([5, 5, 2, 2])), 9)
    1.0
    """
    size = int(b.max()) + 1
    joint = (a * size + b).bincount(minlength=(int(a.max()) + 1) * size).double().reshape(-1, size) / len(a)
    of_a, of_b, of_both = _entropy(joint.sum(1)), _entropy(joint.sum(0)), _entropy(joint.flatten())
    if of_a + of_b == 0:
        return 1.0
    return min(1.0, max(0.0, 2 * (of_a + of_b - of_both) / (of_a + of_b)))


def _entropy(shares: Tensor) -> float:
    shares = shares[shares > 0]
    return max(0.0, float(-(shares * shares.log()).sum()))


@torch.no_grad()
def k_means(points: Tensor, clusters: int) -> Tensor:
    """Return (N,) the cluster of each point: the best of five starts of k-means++ and Lloyd's algorithm.

    The starts come from a generator of their own, so that equal points have equal clusters.

    Args:
        points: (N, D), N above 0.
        clusters: Number of clusters, at most N.

    >>> k_means(torch.tensor([[0.0], [0.1], [5.0]]), 2).tolist() in ([0, 0, 1], [1, 1, 0])
    True
    """
    draw = torch.Generator().manual_seed(_SEED)
    found = [_lloyd(points, _first_centres(points, clusters, draw)) for _ in range(_STARTS)]
    return min(found, key=lambda one: one[1])[0]


def _first_centres(points: Tensor, clusters: int, draw: torch.Generator) -> Tensor:
    """Return centres drawn from the points, far ones more likely (k-means++, Arthur and Vassilvitskii 2007)."""
    chosen, size = [int(torch.randint(len(points), (), generator=draw))], points.square().sum(1)
    far = torch.full_like(size, torch.inf)
    while len(chosen) < clusters:
        last = chosen[-1]
        far = torch.minimum(far, torch.addmv(size + size[last], points, points[last], alpha=-2).clamp_min(0))
        reach = far.double().cpu().cumsum(0)  # on the CPU, since a sum on a GPU has no fixed order
        at = torch.rand((), dtype=torch.double, generator=draw) * reach[-1]
        chosen.append(min(int(torch.searchsorted(reach, at, right=True)), len(points) - 1))
    return points[chosen]


def _lloyd(points: Tensor, centres: Tensor) -> tuple[Tensor, float]:
    """Return the clusters that the centres lead to, and their spread as `_nearest` gives it."""
    cluster, spread = _nearest(points, centres)
    for _ in range(_STEPS):
        counts = cluster.bincount(minlength=len(centres))[:, None]
        means = (class_sums(points, cluster, len(centres)) / counts).to(points.dtype)
        centres = torch.where(counts > 0, means, centres)  # an empty cluster keeps its centre
        before, (cluster, spread) = cluster, _nearest(points, centres)
        if torch.equal(cluster, before):
            break
    return cluster, spread


def _nearest(points: Tensor, centres: Tensor) -> tuple[Tensor, float]:
    """Return (N,) the index of the nearest centre, and the sum of |x - c|² - |x|², which starts are compared by."""
    size, found, spread = centres.square().sum(1), [], 0.0
    for part in tiles(len(points), len(centres), points.device):
        least = torch.addmm(size, points[part], centres.t(), alpha=-2).min(1)
        found.append(least.indices)
        spread += float(least.values.sum(dtype=torch.double))
    return torch.cat(found), spread
