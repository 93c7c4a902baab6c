"""Mean distance of every sample to every class of its batch, from which the silhouette is computed.

Throughout this file z is (B, D), y (B,) holds class indices in [0, K), and counts (K,) the number of samples of each
class as floats. Arrays over classes and samples are class-major (K, B), so that reductions over classes read
contiguous memory. Squared Euclidean and cosine distance need only the mean and the scatter of each class::

    mean_j |x - z_j|² = |x|² - 2 x·μ_c + q_c,    q_c = mean_j |z_j|²
    mean_j (1 - x·z_j) = 1 - x·μ_c               for vectors of length 1

The Euclidean distance needs all pairs. It computes them in tiles of rows, in the forward pass and again in the backward
pass, so a B × B array is held only if one tile covers the batch.

There are two implementations. `CLASS_DISTANCES` uses operations that autograd and `torch.compile` can differentiate.
`KERNELS` has its gradient written out and takes a fraction of the time and memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

BLOCKED = -1e30
"""Exponent of a class that is left out of the soft minimum; finite, so that no gradient becomes NaN."""

_TILE = 1 << 20  # distances held at a time on a CPU: 4 MB in float32, about the size of its caches
_TILE_GPU = 1 << 25
_FEW_CLASSES = 64  # up to this many classes a product with one-hot labels is faster than adding row by row on a CPU


def unit(z: Tensor) -> Tensor:
    """Scale the rows of z (B, D) to length 1; a zero row stays zero, with a finite gradient.

    >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    length = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    return z / torch.where(length > 0, length, 1)


def wide(values: Tensor) -> Tensor:
    """Return values in float32 if they are in half precision, else as they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def sum_by_class(rows: Tensor, y: Tensor, classes: int) -> Tensor:
    """Return (K, ...), the sums of the rows (B, ...) of each class."""
    return rows.new_zeros(classes, *rows.shape[1:]).index_add(0, y, rows)


def root(squared: Tensor, where: Tensor) -> Tensor:
    """Return the square root where asked, elsewhere 0 with gradient 0; it must be positive where asked."""
    return torch.where(where, torch.where(where, squared, 1).sqrt(), 0)


def row_slices(rows: int, columns: int, held: int) -> Iterator[slice]:
    """Return slices of rows that hold at most about so many values over all columns, and at least one row each."""
    step = max(1, held // max(1, columns))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


# --- for autograd: each function returns (own (B,), others (K, B)), the mean distances to the other samples of the own
# --- class and to all samples of each class; 0 where there are none


def cosine(z: Tensor, y: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean cosine distances 1 - cos(angle), in [0, 2], for rows of length 1 or 0."""
    sums = sum_by_class(z, y, len(counts))
    similarity = (z * (sums[y] - z)).sum(1)  # summed over the others of the own class
    means = sums / counts.clamp_min(1)[:, None]
    return (1 - similarity / others_in_class(counts)[y]).clamp_min(0), 1 - means @ z.t()


def sqeuclidean(z: Tensor, y: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean squared Euclidean distances, at least 0."""
    z = _centred(z)
    size, means, scatter = _moments(z, y, counts)
    to_own = size + scatter[y] - 2 * (z * means[y]).sum(1)
    own = to_own.clamp_min(0) * (counts / others_in_class(counts))[y]
    return own, scatter[:, None] + size - 2 * (means @ z.t())


def euclidean(z: Tensor, y: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean Euclidean distances, at least 0; holds all pairs."""
    z = _centred(z)
    size = z.square().sum(1)
    squared = size[:, None] + size - 2 * (z @ z.t())
    distinct = (squared > 0) & ~torch.eye(len(z), dtype=torch.bool, device=z.device)
    sums = _one_hot(y, counts) @ root(squared, distinct)
    return sums.gather(0, y[None])[0] / others_in_class(counts)[y], sums / counts.clamp_min(1)[:, None]


CLASS_DISTANCES: dict[str, Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "euclidean": euclidean,
    "sqeuclidean": sqeuclidean,
    "cosine": cosine,
}
"""Name of a distance -> its function for autograd."""


# --- with the gradient written out


class ClassDistances(NamedTuple):
    """Result of a kernel's forward pass, in the form that the soft minimum needs.

    Attributes:
        own: (B,) mean distance to the other samples of the own class; 0 where there are none.
        offset: (B,) or a number; mean distance to class c = offset - tau · exponents[c].
        exponents: (K, B), newly allocated; `BLOCKED` in the rows of absent classes.
        saved: Tensors for the backward pass, beside z.
    """

    own: Tensor
    offset: Tensor | float
    exponents: Tensor
    saved: tuple[Tensor, ...]


class Kernel(NamedTuple):
    """Forward and backward pass of a distance.

    Attributes:
        forward: (z, y, counts, tau) -> `ClassDistances`.
        backward: (z, y, counts, weights, saved) -> (B, D), the gradient with respect to z of Σ weights[c, i] · mean
            distance of i to class c, where the mean of the own class is over all its samples, i itself included.
            May overwrite the weights (K, B).
    """

    forward: Callable[[Tensor, Tensor, Tensor, float], ClassDistances]
    backward: Callable[[Tensor, Tensor, Tensor, Tensor, tuple[Tensor, ...]], Tensor]


def _cosine_forward(z: Tensor, y: Tensor, counts: Tensor, tau: float) -> ClassDistances:
    sums = sum_by_class(z, y, len(counts))
    means = sums / counts.clamp_min(1)[:, None]
    similarity = (z * (sums[y] - z)).sum(1)
    own = (1 - similarity / others_in_class(counts)[y]).clamp_min_(0)
    exponents = torch.addmm(_absent_exponents(counts), means, z.t(), alpha=1 / tau)
    return ClassDistances(own, 1.0, exponents, (means,))


def _cosine_backward(z: Tensor, y: Tensor, counts: Tensor, weights: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
    itself = weights.gather(0, y[None])[0] / counts[y]  # no pair contains 1 - z·z of a sample with itself
    towards = torch.mm(weights.t(), saved[0])
    return (2 * itself)[:, None] * z - towards - (weights @ z).div_(counts.clamp_min(1)[:, None])[y]


def _sqeuclidean_forward(z: Tensor, y: Tensor, counts: Tensor, tau: float) -> ClassDistances:
    z = _centred(z)
    size, means, scatter = _moments(z, y, counts)
    own = (size + scatter[y]).sub_((z * means[y]).sum(1), alpha=2).clamp_min_(0)
    own.mul_((counts / others_in_class(counts))[y])
    base = _absent_exponents(counts).sub_(scatter[:, None], alpha=1 / tau)
    return ClassDistances(own, size, torch.addmm(base, means, z.t(), alpha=2 / tau), (z, means))


def _sqeuclidean_backward(_: Tensor, y: Tensor, counts: Tensor, weights: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
    z, means = saved
    per_class = counts.clamp_min(1)
    scale = weights.sum(0).add_((weights.sum(1) / per_class)[y])
    away = (weights @ z).div_(per_class[:, None])[y]
    return (scale[:, None] * z).sub_(torch.mm(weights.t(), means)).sub_(away).mul_(2)


def _euclidean_forward(z: Tensor, y: Tensor, counts: Tensor, tau: float) -> ClassDistances:
    z = _centred(z)
    size = z.square().sum(1)
    sums, tiles = z.new_zeros(len(counts), len(z)), list(_tiles(z))
    one_hot, tile = _one_hot_if_faster(y, counts), size
    for rows in tiles:
        tile = _distance_tile(z, size, rows)
        if one_hot is None:
            sums.index_add_(0, y[rows], tile)
        else:
            sums.addmm_(one_hot[:, rows], tile)
    own = sums.gather(0, y[None])[0].div_(others_in_class(counts)[y])
    sums.div_((-tau * counts.clamp_min(1))[:, None]).add_(_absent_exponents(counts))
    return ClassDistances(own, 0.0, sums, (z, size, *([tile] if len(tiles) == 1 else [])))


def _euclidean_backward(_: Tensor, y: Tensor, counts: Tensor, weights: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
    z, size, *all_pairs = saved
    weights.div_(counts.clamp_min(1)[:, None])
    by_sample, out, one_hot = weights.t().contiguous(), torch.empty_like(z), _one_hot_if_faster(y, counts)
    for rows in _tiles(z):
        # d(i, j) is part of the mean distance of i to j's class, and of that of j to i's class
        pair, mine = weights[y[rows]], by_sample[rows]
        pair = pair.add_(mine.index_select(1, y)) if one_hot is None else pair.addmm_(mine, one_hot)
        distances = all_pairs[0] if all_pairs else _distance_tile(z, size, rows)
        pair.div_(distances).masked_fill_(distances == 0, 0)  # two samples at one point have no gradient
        torch.sub(z[rows] * pair.sum(1, keepdim=True), pair @ z, out=out[rows])
    return out


KERNELS = {
    "euclidean": Kernel(_euclidean_forward, _euclidean_backward),
    "sqeuclidean": Kernel(_sqeuclidean_forward, _sqeuclidean_backward),
    "cosine": Kernel(_cosine_forward, _cosine_backward),
}
"""Name of a distance -> its forward and backward pass."""


def _centred(z: Tensor) -> Tensor:
    """Return z minus its mean: distances and gradients stay the same, with smaller rounding errors."""
    return z - z.detach().mean(0)


def others_in_class(counts: Tensor) -> Tensor:
    """Return (K,) the number of other samples in the class of a sample, at least 1."""
    return (counts - 1).clamp_min(1)


def _absent_exponents(counts: Tensor) -> Tensor:
    """Return (K, 1): `BLOCKED` for absent classes and 0 for the others."""
    return (counts == 0).to(counts.dtype).mul_(BLOCKED)[:, None]


def _moments(z: Tensor, y: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return squared lengths (B,), class means (K, D), and the mean squared length of each class (K,)."""
    size, per_class = z.square().sum(1), counts.clamp_min(1)
    means = sum_by_class(z, y, len(counts)) / per_class[:, None]
    return size, means, sum_by_class(size, y, len(counts)) / per_class


def _one_hot(y: Tensor, counts: Tensor) -> Tensor:
    """Return the labels as (K, B) zeros and ones."""
    return (torch.arange(len(counts), device=y.device)[:, None] == y).to(counts.dtype)


def _one_hot_if_faster(y: Tensor, counts: Tensor) -> Tensor | None:
    """Return one-hot labels where a product with them is faster than indexing by class, else None."""
    return _one_hot(y, counts) if len(counts) <= _FEW_CLASSES or y.is_cuda else None


def _tiles(z: Tensor) -> Iterator[slice]:
    """Return slices of rows whose distances to all samples fit the tile size."""
    return row_slices(len(z), len(z), _TILE_GPU if z.is_cuda else _TILE)


def _distance_tile(z: Tensor, size: Tensor, rows: slice) -> Tensor:
    """Return (T, B) distances from the samples in `rows` to all samples; exactly 0 from each to itself."""
    tile = torch.addmm(size, z[rows], z.t(), alpha=-2)
    tile.add_(size[rows, None]).clamp_min_(0).sqrt_()
    tile.diagonal(rows.start).zero_()
    return tile
