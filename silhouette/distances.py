"""Mean distance of every sample to every class of its batch: what the silhouette is made of.

Every function takes z (B, D), class indices y (B,) in [0, K) and counts (K,) as floats, and returns

- own: (B,), mean distance to the *other* samples of the sample's class (0 if there is none),
- others: (K, B), mean distance to all samples of each class (0 for an absent class).

Class-major (K, B) arrays make the reductions over classes run along memory. For squared Euclidean and cosine
distance the class means and scatter say everything, so no pair is ever formed::

    mean_j |x - z_j|² = |x|² - 2 x·μ_c + q_c,    q_c = mean_j |z_j|²
    mean_j (1 - x·z_j) = 1 - x·μ_c               for vectors of length 1

The Euclidean form needs all pairs; it forms them in tiles of rows, forward and again backward, and so never
holds a B × B array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

_TILE = 1 << 20  # distances held at a time on a CPU: 4 MB in float32, about what its caches take
_TILE_GPU = 1 << 25
_FEW_CLASSES = 64  # up to here a product with the one-hot labels beats adding row by row on a CPU


def unit(z: Tensor) -> Tensor:
    """Rows of z (B, D) scaled to length 1; a zero row stays zero, with a finite gradient."""
    length = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    return z / torch.where(length > 0, length, 1)


def cosine(z: Tensor, y: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """1 - cos of the angle, for rows of length 1 (or 0); see the module for what is returned."""
    sums = _by_class(z, y, len(counts))
    together = (z * (sums[y] - z)).sum(1)  # with the others of the own class
    mates = (counts[y] - 1).clamp_min(1)
    means = sums / counts.clamp_min(1)[:, None]
    return (1 - together / mates).clamp_min(0), 1 - means @ z.t()


def sqeuclidean(z: Tensor, y: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Squared Euclidean distance; see the module for what is returned."""
    z = z - z.detach().mean(0)  # distances do not change, and cancel less
    size = z.square().sum(1)
    per_class = counts.clamp_min(1)
    means = _by_class(z, y, len(counts)) / per_class[:, None]
    scatter = _by_class(size[:, None], y, len(counts))[:, 0] / per_class
    to_own = size + scatter[y] - 2 * (z * means[y]).sum(1)
    own = to_own.clamp_min(0) * per_class[y] / (per_class[y] - 1).clamp_min(1)
    return own, torch.addmm(scatter[:, None] + size, means, z.t(), alpha=-2)


def euclidean(z: Tensor, y: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Euclidean distance; see the module for what is returned."""
    z = z - z.detach().mean(0)
    compiling = torch.compiler.is_compiling()
    sums = _pairwise_sums(z, y, len(counts)) if compiling else _class_sums(z, y, len(counts))
    own = sums.gather(0, y[None])[0] / (counts[y] - 1).clamp_min(1)
    return own, sums / counts.clamp_min(1)[:, None]


CLASS_DISTANCES: dict[str, Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "euclidean": euclidean,
    "sqeuclidean": sqeuclidean,
    "cosine": cosine,
}


def _by_class(rows: Tensor, y: Tensor, classes: int) -> Tensor:
    """(K, ...) sums of the rows (B, ...) of each class."""
    return rows.new_zeros(classes, *rows.shape[1:]).index_add(0, y, rows)


def _one_hot(y: Tensor, classes: int, like: Tensor) -> Tensor:
    """(K, B) of 0 and 1."""
    return (torch.arange(classes, device=y.device)[:, None] == y).to(like.dtype)


def _pairwise_sums(z: Tensor, y: Tensor, classes: int) -> Tensor:
    """(K, B) sums of the distances to each class, in operations that autograd and the compiler know."""
    size = z.square().sum(1)
    squared = torch.addmm(size[:, None] + size, z, z.t(), alpha=-2)
    apart = (squared > 0) & ~torch.eye(len(z), dtype=torch.bool, device=z.device)
    distances = torch.where(apart, torch.where(apart, squared, 1).sqrt(), 0)
    return _one_hot(y, classes, z) @ distances


def _class_sums(z: Tensor, y: Tensor, classes: int) -> Tensor:
    return _ClassSums.apply(z, y, classes)  # type: ignore[no-any-return]


class _ClassSums(torch.autograd.Function):
    """As `_pairwise_sums`, by tiles: memory for one tile, not for all pairs."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, y: Tensor, classes: int) -> Tensor:
        ctx.save_for_backward(z, y)
        ctx.classes = classes
        size = z.square().sum(1)
        sums = z.new_zeros(classes, len(z))
        few = classes <= _FEW_CLASSES or z.is_cuda
        hot = _one_hot(y, classes, z) if few else None
        for rows in _tiles(z):
            tile = _distance_tile(z, size, rows)
            if hot is None:
                sums.index_add_(0, y[rows], tile)
            else:
                sums.addmm_(hot[:, rows], tile)
        return sums

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (grad,) = grads
        z, y = ctx.saved_tensors
        if torch.is_grad_enabled():  # second derivatives: through operations that autograd knows
            sums = _pairwise_sums(z, y, ctx.classes)
            return torch.autograd.grad(sums, z, grad, create_graph=True)[0], None, None
        size, by_sample, out = z.square().sum(1), grad.t().contiguous(), torch.empty_like(z)
        for rows in _tiles(z):
            # d(i, j) stands in the sum of i to j's class and of j to i's class
            pull = _inverse_(_distance_tile(z, size, rows))
            pull.mul_(grad[y[rows]].add_(by_sample[rows][:, y]))
            out[rows] = z[rows] * pull.sum(1, keepdim=True) - pull @ z
        return out, None, None


def _tiles(z: Tensor) -> Iterator[slice]:
    step = max(1, (_TILE_GPU if z.is_cuda else _TILE) // max(len(z), 1))
    return (slice(start, min(start + step, len(z))) for start in range(0, len(z), step))


def _distance_tile(z: Tensor, size: Tensor, rows: slice) -> Tensor:
    """(T, B) distances from the samples in `rows` to all; exactly 0 from each to itself."""
    tile = torch.addmm(size, z[rows], z.t(), alpha=-2)
    tile.add_(size[rows, None]).clamp_min_(0).sqrt_()
    tile.diagonal(rows.start).zero_()
    return tile


def _inverse_(distances: Tensor) -> Tensor:
    """1 / d in place, and 0 where d is 0: two samples at one point do not pull."""
    zero = distances == 0
    return distances.reciprocal_().masked_fill_(zero, 0)
