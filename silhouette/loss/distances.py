"""Mean distance of every sample to every class of its batch: what the silhouette is made of.

Throughout z is (B, D), y (B,) holds class indices in [0, K), and counts (K,) their numbers as floats. Class-major
(K, B) arrays make the reductions over classes run along memory. For squared Euclidean and cosine distance the
class means and scatter say everything, so no pair is ever formed::

    mean_j |x - z_j|² = |x|² - 2 x·μ_c + q_c,    q_c = mean_j |z_j|²
    mean_j (1 - x·z_j) = 1 - x·μ_c               for vectors of length 1

The Euclidean form needs all pairs; it forms them in tiles of rows, forward and again backward, and so never
holds a B × B array unless one tile does.

There are two implementations. `CLASS_DISTANCES` is made of operations that autograd and `torch.compile` know.
`KERNELS` is the same with its gradient written out, in a fraction of the time and memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

BLOCKED = -1e30  # exponent of a class that does not compete; finite, so that no gradient becomes NaN

_TILE = 1 << 20  # distances held at a time on a CPU: 4 MB in float32, about what its caches take
_TILE_GPU = 1 << 25
_FEW_CLASSES = 64  # up to here a product with the one-hot labels beats adding row by row on a CPU


def unit(z: Tensor) -> Tensor:
    """Rows of z (B, D) scaled to length 1; a zero row stays zero, with a finite gradient."""
    length = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    return z / torch.where(length > 0, length, 1)


# --- in operations that autograd knows: (own (B,), others (K, B)), the mean distances to the other samples of the
# --- own class and to all samples of each class; 0 where there are none


def cosine(z: Tensor, y: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """1 - cos of the angle, for rows of length 1 (or 0)."""
    sums = _by_class(z, y, len(counts))
    together = (z * (sums[y] - z)).sum(1)  # with the others of the own class
    means = sums / counts.clamp_min(1)[:, None]
    return (1 - together / mates(counts)[y]).clamp_min(0), 1 - means @ z.t()


def sqeuclidean(z: Tensor, y: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Squared Euclidean distance."""
    z = _centred(z)
    size, means, scatter = _moments(z, y, counts)
    to_own = size + scatter[y] - 2 * (z * means[y]).sum(1)
    own = to_own.clamp_min(0) * (counts / mates(counts))[y]
    return own, scatter[:, None] + size - 2 * (means @ z.t())


def euclidean(z: Tensor, y: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Euclidean distance, holding all pairs."""
    z = _centred(z)
    size = z.square().sum(1)
    squared = size[:, None] + size - 2 * (z @ z.t())
    apart = (squared > 0) & ~torch.eye(len(z), dtype=torch.bool, device=z.device)
    sums = _one_hot(y, counts) @ torch.where(apart, torch.where(apart, squared, 1).sqrt(), 0)
    return sums.gather(0, y[None])[0] / mates(counts)[y], sums / counts.clamp_min(1)[:, None]


CLASS_DISTANCES: dict[str, Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "euclidean": euclidean,
    "sqeuclidean": sqeuclidean,
    "cosine": cosine,
}


# --- with the gradient written out


class Weighed(NamedTuple):
    """Distances as the soft minimum wants them.

    Attributes:
        own: (B,), as above.
        offset: (B,) or a number; mean distance to class c = offset - tau · exponents[c].
        exponents: (K, B), fresh memory; `BLOCKED` in the rows of absent classes.
        kept: What `pull` needs, beside z.
    """

    own: Tensor
    offset: Tensor | float
    exponents: Tensor
    kept: tuple[Tensor, ...]


class Kernel(NamedTuple):
    """Forward and backward of a distance.

    Attributes:
        weigh: (z, y, counts, tau) -> Weighed.
        pull: (z, y, counts, weights, kept) -> (B, D), the gradient with respect to z of Σ weights[c, i] · mean
            distance of i to class c, the mean of the own class being over all its members, the sample too.
            May overwrite the weights.
    """

    weigh: Callable[[Tensor, Tensor, Tensor, float], Weighed]
    pull: Callable[[Tensor, Tensor, Tensor, Tensor, tuple[Tensor, ...]], Tensor]


def _weigh_cosine(z: Tensor, y: Tensor, counts: Tensor, tau: float) -> Weighed:
    sums = _by_class(z, y, len(counts))
    means = sums / counts.clamp_min(1)[:, None]
    together = (z * (sums[y] - z)).sum(1)
    own = (1 - together / mates(counts)[y]).clamp_min_(0)
    exponents = torch.addmm(_block(counts), means, z.t(), alpha=1 / tau)
    return Weighed(own, 1.0, exponents, (means,))


def _pull_cosine(z: Tensor, y: Tensor, counts: Tensor, weights: Tensor, kept: tuple[Tensor, ...]) -> Tensor:
    itself = weights.gather(0, y[None])[0] / counts[y]  # 1 - z·z is counted for no pair
    towards = torch.mm(weights.t(), kept[0])
    return (2 * itself)[:, None] * z - towards - (weights @ z).div_(counts.clamp_min(1)[:, None])[y]


def _weigh_sqeuclidean(z: Tensor, y: Tensor, counts: Tensor, tau: float) -> Weighed:
    z = _centred(z)
    size, means, scatter = _moments(z, y, counts)
    own = (size + scatter[y]).sub_((z * means[y]).sum(1), alpha=2).clamp_min_(0)
    own.mul_((counts / mates(counts))[y])
    base = _block(counts).sub_(scatter[:, None], alpha=1 / tau)
    return Weighed(own, size, torch.addmm(base, means, z.t(), alpha=2 / tau), (z, means))


def _pull_sqeuclidean(_: Tensor, y: Tensor, counts: Tensor, weights: Tensor, kept: tuple[Tensor, ...]) -> Tensor:
    z, means = kept
    per_class = counts.clamp_min(1)
    scale = weights.sum(0).add_((weights.sum(1) / per_class)[y])
    away = (weights @ z).div_(per_class[:, None])[y]
    return (scale[:, None] * z).sub_(torch.mm(weights.t(), means)).sub_(away).mul_(2)


def _weigh_euclidean(z: Tensor, y: Tensor, counts: Tensor, tau: float) -> Weighed:
    z = _centred(z)
    size = z.square().sum(1)
    sums, tiles = z.new_zeros(len(counts), len(z)), list(_tiles(z))
    hot, tile = _hot_if_few(y, counts), size
    for rows in tiles:
        tile = _distance_tile(z, size, rows)
        if hot is None:
            sums.index_add_(0, y[rows], tile)
        else:
            sums.addmm_(hot[:, rows], tile)
    own = sums.gather(0, y[None])[0].div_(mates(counts)[y])
    sums.div_((-tau * counts.clamp_min(1))[:, None]).add_(_block(counts))
    return Weighed(own, 0.0, sums, (z, size, *([tile] if len(tiles) == 1 else [])))


def _pull_euclidean(_: Tensor, y: Tensor, counts: Tensor, weights: Tensor, kept: tuple[Tensor, ...]) -> Tensor:
    z, size, *whole = kept
    weights.div_(counts.clamp_min(1)[:, None])
    by_sample, out, hot = weights.t().contiguous(), torch.empty_like(z), _hot_if_few(y, counts)
    for rows in _tiles(z):
        # d(i, j) stands in the mean distance of i to j's class and in that of j to i's class
        pull, mine = weights[y[rows]], by_sample[rows]
        pull = pull.add_(mine.index_select(1, y)) if hot is None else pull.addmm_(mine, hot)
        distances = whole[0] if whole else _distance_tile(z, size, rows)
        pull.div_(distances).masked_fill_(distances == 0, 0)  # two samples at one point do not pull
        torch.sub(z[rows] * pull.sum(1, keepdim=True), pull @ z, out=out[rows])
    return out


KERNELS = {
    "euclidean": Kernel(_weigh_euclidean, _pull_euclidean),
    "sqeuclidean": Kernel(_weigh_sqeuclidean, _pull_sqeuclidean),
    "cosine": Kernel(_weigh_cosine, _pull_cosine),
}


def _centred(z: Tensor) -> Tensor:
    """Distances do not change, and cancel less; nor do gradients, so the mean is a constant."""
    return z - z.detach().mean(0)


def mates(counts: Tensor) -> Tensor:
    """(K,) what a mean over the others of a class divides by."""
    return (counts - 1).clamp_min(1)


def _block(counts: Tensor) -> Tensor:
    """(K, 1) of `BLOCKED` for absent classes and 0 for the others."""
    return (counts == 0).to(counts.dtype).mul_(BLOCKED)[:, None]


def _moments(z: Tensor, y: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Squared lengths (B,), class means (K, D), and mean squared length of each class (K,)."""
    size, per_class = z.square().sum(1), counts.clamp_min(1)
    means = _by_class(z, y, len(counts)) / per_class[:, None]
    return size, means, _by_class(size, y, len(counts)) / per_class


def _by_class(rows: Tensor, y: Tensor, classes: int) -> Tensor:
    """(K, ...) sums of the rows (B, ...) of each class."""
    return rows.new_zeros(classes, *rows.shape[1:]).index_add(0, y, rows)


def _one_hot(y: Tensor, counts: Tensor) -> Tensor:
    """(K, B) of 0 and 1."""
    return (torch.arange(len(counts), device=y.device)[:, None] == y).to(counts.dtype)


def _hot_if_few(y: Tensor, counts: Tensor) -> Tensor | None:
    """One-hot labels where a product with them is the quicker way to add or to spread by class."""
    return _one_hot(y, counts) if len(counts) <= _FEW_CLASSES or y.is_cuda else None


def _tiles(z: Tensor) -> Iterator[slice]:
    step = max(1, (_TILE_GPU if z.is_cuda else _TILE) // max(len(z), 1))
    return (slice(start, min(start + step, len(z))) for start in range(0, len(z), step))


def _distance_tile(z: Tensor, size: Tensor, rows: slice) -> Tensor:
    """(T, B) distances from the samples in `rows` to all; exactly 0 from each to itself."""
    tile = torch.addmm(size, z[rows], z.t(), alpha=-2)
    tile.add_(size[rows, None]).clamp_min_(0).sqrt_()
    tile.diagonal(rows.start).zero_()
    return tile
