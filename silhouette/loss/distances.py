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


class Groups(NamedTuple):
    """The samples of a batch by class.

    Attributes:
        y: (B,) class indices in [0, K).
        counts: (K,) samples of each class, as floats.
        own: (B,) samples of each sample's class.
        others: (B,) the same without the sample itself, at least 1.
        hot: (K, B) one-hot labels where a product with them is faster than indexing by class, else None.
        least: Samples that every class is known to have: 1 or more as `complete`, and 2 or more as `paired`.
    """

    y: Tensor
    counts: Tensor
    own: Tensor
    others: Tensor
    hot: Tensor | None
    least: float

    @property
    def complete(self) -> bool:
        """True if every class is known to have samples."""
        return self.least >= 1

    @property
    def paired(self) -> bool:
        """True if no sample is alone in its class."""
        return self.least >= 2

    @property
    def per_class(self) -> Tensor:
        """(K,) samples of each class, at least 1."""
        return self.counts if self.complete else self.counts.clamp_min(1)


def group(y: Tensor, classes: int, like: Tensor, *, complete: bool) -> Groups:
    """Return the groups of class indices y (B,) in [0, K), with numbers of the dtype and on the device of `like`.

    Args:
        y: Class indices.
        classes: K.
        like: Any tensor.
        complete: True if every class is known to have samples. On a CPU it is looked at; a GPU would be waited for.
    """
    hot = None
    if classes <= _FEW_CLASSES:
        hot = _identity(classes, like.dtype, like.device).index_select(1, y)
    elif y.is_cuda:
        hot = (torch.arange(classes, device=y.device)[:, None] == y).to(like.dtype)
    counts = sum_by_class(like.new_ones(len(y)), y, classes) if hot is None else hot.sum(1)
    least = float(complete) if y.is_cuda or not classes else counts.amin().item()
    own = counts.index_select(0, y)
    others = own - 1 if least >= 2 else (own - 1).clamp_min_(1)
    return Groups(y, counts, own, others, hot, least)


_IDENTITIES: dict[tuple[int, torch.dtype, torch.device], Tensor] = {}


def _identity(classes: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the (K, K) identity matrix, which is made once; nothing may change it."""
    key = (classes, dtype, device)
    if key not in _IDENTITIES:
        with torch.inference_mode(False):
            _IDENTITIES[key] = torch.eye(classes, dtype=dtype, device=device)
    return _IDENTITIES[key]


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
        forward: (z, groups, tau) -> `ClassDistances`.
        backward: (z, groups, weights, saved) -> (B, D), the gradient with respect to z of Σ weights[c, i] · mean
            distance of i to class c, where the mean of the own class is over all its samples, i itself included.
            May overwrite the weights (K, B).
    """

    forward: Callable[[Tensor, Groups, float], ClassDistances]
    backward: Callable[[Tensor, Groups, Tensor, tuple[Tensor, ...]], Tensor]


def _cosine_forward(z: Tensor, groups: Groups, tau: float) -> ClassDistances:
    sums = sum_by_class(z, groups.y, len(groups.counts))
    means = sums / groups.per_class[:, None]
    similarity = (z * (sums.index_select(0, groups.y) - z)).sum(1)
    own = (1 - similarity / groups.others).clamp_min_(0)
    exponents = torch.addmm(_absent_exponents(groups.counts), means, z.t(), alpha=1 / tau)
    return ClassDistances(own, 1.0, exponents, (means,))


def _cosine_backward(z: Tensor, groups: Groups, weights: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
    itself = weights.gather(0, groups.y[None])[0] / groups.own  # no pair contains 1 - z·z of a sample with itself
    towards = torch.mm(weights.t(), saved[0])
    away = (weights @ z).div_(groups.per_class[:, None]).index_select(0, groups.y)
    return ((2 * itself)[:, None] * z).sub_(towards).sub_(away)


def _sqeuclidean_forward(z: Tensor, groups: Groups, tau: float) -> ClassDistances:
    z, y = _centred(z), groups.y
    size, means, scatter = _moments(z, y, groups.counts)
    own = (size + scatter[y]).sub_((z * means.index_select(0, y)).sum(1), alpha=2).clamp_min_(0)
    own.mul_(groups.own / groups.others)
    base = _absent_exponents(groups.counts).sub_(scatter[:, None], alpha=1 / tau)
    return ClassDistances(own, size, torch.addmm(base, means, z.t(), alpha=2 / tau), (z, means))


def _sqeuclidean_backward(_: Tensor, groups: Groups, weights: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
    z, means = saved
    scale = weights.sum(0).add_((weights.sum(1) / groups.per_class).index_select(0, groups.y))
    away = (weights @ z).div_(groups.per_class[:, None]).index_select(0, groups.y)
    return (scale[:, None] * z).sub_(torch.mm(weights.t(), means)).sub_(away).mul_(2)


def _euclidean_forward(z: Tensor, groups: Groups, tau: float) -> ClassDistances:
    z = _centred(z)
    size, tiles = z.square().sum(1), list(_tiles(z))
    if len(tiles) == 1:
        saved = [_all_distances(z, size)]
        sums = groups.hot @ saved[0] if groups.hot is not None else sum_by_class(saved[0], groups.y, len(groups.counts))
    else:
        saved, sums = [], z.new_zeros(len(groups.counts), len(z))
        for rows in tiles:
            _add_by_class(sums, _distance_tile(z, size, rows), groups, rows)
    own = _of_own_class(sums, groups).div_(groups.others)
    sums.div_((groups.per_class * -tau).unsqueeze(1))
    if not groups.complete:
        sums.add_(_absent_exponents(groups.counts))
    return ClassDistances(own, 0.0, sums, (z, size, *saved))


def _add_by_class(sums: Tensor, tile: Tensor, groups: Groups, rows: slice) -> None:
    if groups.hot is None:
        sums.index_add_(0, groups.y[rows], tile)
    else:
        sums.addmm_(groups.hot[:, rows], tile)


def _of_own_class(values: Tensor, groups: Groups) -> Tensor:
    """Return (B,) the values (K, B) in the row of the class of each sample."""
    if groups.hot is not None:
        return (values * groups.hot).sum(0)
    return values.gather(0, groups.y.unsqueeze(0)).squeeze(0)


def _euclidean_backward(_: Tensor, groups: Groups, weights: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
    z, size, *all_pairs = saved
    weights.div_(groups.per_class.unsqueeze(1))
    # d(i, j) is part of the mean distance of i to j's class, and of that of j to i's class
    if all_pairs:
        mine = weights.index_select(0, groups.y)
        return _pair_gradient(mine + mine.t(), all_pairs[0], z, z)
    by_sample, out = weights.t().contiguous(), torch.empty_like(z)
    for rows in _tiles(z):
        pair, mine = weights[groups.y[rows]], by_sample[rows]
        pair = pair.add_(mine.index_select(1, groups.y)) if groups.hot is None else pair.addmm_(mine, groups.hot)
        out[rows] = _pair_gradient(pair, _distance_tile(z, size, rows), z[rows], z)
    return out


def _pair_gradient(pair: Tensor, distances: Tensor, rows: Tensor, z: Tensor) -> Tensor:
    """Return (T, D), the gradient of Σ pair[i, j] · distance with respect to T rows of z (B, D); overwrites `pair`."""
    pair.div_(distances).masked_fill_(distances == 0, 0)  # two samples at one point have no gradient
    return (rows * pair.sum(1, keepdim=True)).sub_(pair @ z)


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


def _tiles(z: Tensor) -> Iterator[slice]:
    """Return slices of rows whose distances to all samples fit the tile size."""
    return row_slices(len(z), len(z), _TILE_GPU if z.is_cuda else _TILE)


def _all_distances(z: Tensor, size: Tensor) -> Tensor:
    """Return (B, B) distances; the same bits as one tile of all rows."""
    tile = torch.addmm(size, z, z.t(), alpha=-2)
    return tile.add_(size.unsqueeze(1)).clamp_min_(0).sqrt_().fill_diagonal_(0)


def _distance_tile(z: Tensor, size: Tensor, rows: slice) -> Tensor:
    """Return (T, B) distances from the samples in `rows` to all samples; exactly 0 from each to itself."""
    tile = torch.addmm(size, z[rows], z.t(), alpha=-2)
    tile.add_(size[rows, None]).clamp_min_(0).sqrt_()
    tile.diagonal(rows.start).zero_()
    return tile
