"""Memories of classes across batches: the loss takes from them what a batch lacks.

A batch that holds few classes, or one sample of a class, gives a silhouette of the classes that happen to be in it. A
memory keeps a description of every class from earlier batches, without gradient. `MomentumMemory` keeps the mean and
the spread of each class, `QueueMemory` its last samples (as Wang et al. 2020, "Cross-batch memory", for pairs).

Arrays over classes and samples are class-major (K, B), as in `silhouette.loss.distances`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from silhouette.loss.checks import check_count, check_share
from silhouette.loss.distances import root, row_slices, sum_by_class

_TILE = 1 << 20  # distances held at a time: 4 MB in float32


class ClassMemory(nn.Module, ABC):
    """What is known of every class from earlier batches; its state is in buffers, and so in `state_dict`.

    Args:
        num_classes: K; labels lie in [0, K).
        dim: D, the dimension of the embeddings.
        least: A class of fewer samples in the batch, the sample itself left out, is taken from the memory.

    Raises:
        TypeError: If one of them is not an integer.
        ValueError: If one of them is below 1.
    """

    def __init__(self, num_classes: int, dim: int, *, least: int = 1) -> None:
        super().__init__()
        check_count("num_classes", num_classes)
        check_count("dim", dim)
        check_count("least", least)
        self.num_classes, self.dim, self.least = num_classes, dim, least

    @property
    @abstractmethod
    def known(self) -> Tensor:
        """(K,) whether a sample of the class has been seen."""

    @abstractmethod
    def distances(self, z: Tensor, distance: str) -> Tensor:
        """Return (K, B), the mean distance of each row of z (B, D) to what is remembered of each class.

        It has a gradient with respect to z alone. Rows of classes that are not known have no meaning.

        Args:
            z: (B, D), as the loss sees them: scaled to length 1 for `cosine`.
            distance: `euclidean`, `sqeuclidean` or `cosine`.
        """

    @abstractmethod
    def update(self, z: Tensor, y: Tensor) -> None:
        """Take in the samples z (B, D), as the loss sees them, with labels y (B,) in [0, K)."""


class MomentumMemory(ClassMemory):
    """The running mean μ_c and spread v_c (mean squared distance to μ_c) of every class.

    With mean μ and spread v of the n samples of class c in a batch, and momentum β::

        v_c ← β·v_c + (1 - β)·v + β·(1 - β)·|μ - μ_c|²        the spread of the mixture of both
        μ_c ← β·μ_c + (1 - β)·μ

    Classes that are not in the batch stay as they are; the first batch of a class sets both. So μ_c and v_c are exactly
    the mean and spread of all samples of the class, where those of its t-th last batch have the weight (1 - β)·β^t
    together. For squared Euclidean and cosine distance, the mean distance to them follows exactly. For the Euclidean
    distance it is replaced by the root mean square, √(|z - μ_c|² + v_c), which is never smaller.

    Args:
        num_classes: K.
        dim: D.
        momentum: β in [0, 1); 0 keeps the last batch of each class alone.
        least: As for `ClassMemory`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If it is out of range.

    >>> memory = MomentumMemory(2, 1, momentum=0.5)
    >>> memory.update(torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0]))
    >>> memory.update(torch.tensor([[4.0]]), torch.tensor([0]))
    >>> memory.mean.tolist(), memory.spread.tolist(), memory.known.tolist()
    ([[3.0], [0.0]], [1.5, 0.0], [True, False])
    """

    mean: Tensor
    spread: Tensor
    seen: Tensor

    def __init__(self, num_classes: int, dim: int, *, momentum: float = 0.9, least: int = 1) -> None:
        super().__init__(num_classes, dim, least=least)
        check_share("momentum", momentum)
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(num_classes, dim))
        self.register_buffer("spread", torch.zeros(num_classes))
        self.register_buffer("seen", torch.zeros(num_classes, dtype=torch.bool))

    @property
    def known(self) -> Tensor:
        """(K,) whether a sample of the class has been seen."""
        return self.seen

    def distances(self, z: Tensor, distance: str) -> Tensor:
        """Return (K, B) mean distances; see `ClassMemory.distances`."""
        return _to_moments(z, self.mean.to(z.dtype), self.spread.to(z.dtype), distance)

    @torch.no_grad()
    def update(self, z: Tensor, y: Tensor) -> None:
        """Move the classes of the batch; see `ClassMemory.update`."""
        z = z.to(self.mean.dtype)
        counts = sum_by_class(z.new_ones(len(y)), y, self.num_classes)
        per_class = counts.clamp_min(1)
        means = sum_by_class(z, y, self.num_classes) / per_class[:, None]
        spread = sum_by_class((z - means[y]).square().sum(1), y, self.num_classes) / per_class
        new = torch.where(self.seen, 1 - self.momentum, torch.ones_like(counts)) * (counts > 0)
        shift = means - self.mean
        # new tensors: the loss of this batch still needs the old ones for its gradient
        self.spread = (1 - new) * self.spread + new * spread + new * (1 - new) * shift.square().sum(1)
        self.mean = self.mean + new[:, None] * shift
        self.seen = self.seen | (counts > 0)

    def extra_repr(self) -> str:
        """Return the options that `print` shows."""
        return f"num_classes={self.num_classes}, dim={self.dim}, momentum={self.momentum:g}"


class QueueMemory(ClassMemory):
    """The last samples of every class, at most `size` of each. Takes `num_classes · size · dim` numbers.

    The mean distance to them is exact for every distance. The Euclidean one needs all pairs of a batch with the
    stored samples, O(B·K·size·D) time, in tiles; the others need their means and spreads, O(B·K·D).

    Args:
        num_classes: K.
        dim: D.
        size: Samples kept of each class.
        least: As for `ClassMemory`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If it is out of range.

    >>> memory = QueueMemory(2, 1, size=2)
    >>> memory.update(torch.tensor([[1.0], [3.0], [8.0]]), torch.tensor([0, 0, 0]))
    >>> memory.distances(torch.tensor([[0.0]]), "euclidean")[0], memory.known.tolist()
    (tensor([5.5000]), [True, False])
    """

    stored: Tensor
    taken: Tensor

    def __init__(self, num_classes: int, dim: int, *, size: int = 8, least: int = 1) -> None:
        super().__init__(num_classes, dim, least=least)
        check_count("size", size)
        self.size = size
        self.register_buffer("stored", torch.zeros(num_classes, size, dim))
        self.register_buffer(
            "taken", torch.zeros(num_classes, dtype=torch.int64)
        )  # ever; the next place is taken % size

    @property
    def known(self) -> Tensor:
        """(K,) whether a sample of the class has been seen."""
        return self.taken > 0

    def distances(self, z: Tensor, distance: str) -> Tensor:
        """Return (K, B) mean distances; see `ClassMemory.distances`."""
        stored, weights = self.stored.to(z.dtype), self._weights(z.dtype)
        if distance == "euclidean":
            if torch.compiler.is_compiling():
                return _to_samples(z, stored, weights)
            return _ToSamples.apply(z, stored, weights)  # type: ignore[no-any-return]
        means = (weights[:, :, None] * stored).sum(1)
        spread = (weights * (stored - means[:, None]).square().sum(2)).sum(1)
        return _to_moments(z, means, spread, distance)

    def _weights(self, dtype: torch.dtype) -> Tensor:
        """Return (K, size), the weight of each stored sample in the mean of its class; 0 for empty places."""
        filled = torch.arange(self.size, device=self.taken.device) < self.taken[:, None]
        return filled.to(dtype) / filled.sum(1, keepdim=True).clamp_min(1)

    @torch.no_grad()
    def update(self, z: Tensor, y: Tensor) -> None:
        """Add the samples in their order in the batch; see `ClassMemory.update`."""
        order = y.argsort(stable=True)
        counts = sum_by_class(torch.ones_like(y), y, self.num_classes)
        classes = y[order]
        first = (counts.cumsum(0) - counts)[classes]
        rank = torch.arange(len(y), device=y.device) - first
        place = classes * self.size + (self.taken[classes] + rank) % self.size
        # of several samples for one place the last is kept; all of them write it, so that their order does not matter
        last = rank + (counts[classes] - 1 - rank) // self.size * self.size
        flat = self.stored.flatten(0, 1).index_copy(0, place, z[order[first + last]].to(self.stored.dtype))
        self.stored = flat.view_as(self.stored)  # a new tensor: the loss of this batch still needs the old one
        self.taken = self.taken + counts

    def extra_repr(self) -> str:
        """Return the options that `print` shows."""
        return f"num_classes={self.num_classes}, dim={self.dim}, size={self.size}"


def _to_moments(z: Tensor, means: Tensor, spread: Tensor, distance: str) -> Tensor:
    """Return (K, B) mean distances to classes of means (K, D) and spreads (K,); for Euclidean the root mean square."""
    if distance == "cosine":
        return 1 - means @ z.t()
    shift = z.detach().mean(0)  # distances stay the same, with smaller rounding errors
    squared = _squared(means - shift, z - shift) + spread[:, None]
    return squared if distance == "sqeuclidean" else _root(squared)


def _squared(x: Tensor, z: Tensor) -> Tensor:
    """Return squared Euclidean distances (N, B) of x (N, D) and z (B, D), at least 0."""
    return (x.square().sum(1)[:, None] + z.square().sum(1) - 2 * (x @ z.t())).clamp_min(0)


def _root(squared: Tensor) -> Tensor:
    """Return the root, with gradient 0 where it is 0."""
    return root(squared, squared > 0)


def _to_samples(z: Tensor, stored: Tensor, weights: Tensor) -> Tensor:
    """Return (K, B) mean Euclidean distances to stored samples (K, M, D) of weights (K, M); holds all pairs."""
    shift = z.detach().mean(0)
    pairs = _root(_squared((stored - shift).flatten(0, 1), z - shift)).view(*weights.shape, len(z))
    return (weights[:, :, None] * pairs).sum(1)


class _ToSamples(torch.autograd.Function):
    """`_to_samples` in tiles of classes, in the forward pass and again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, stored: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(z, stored, weights)
        parts = [_to_samples(z, stored[rows], weights[rows]) for rows in _tiles(z, stored)]
        return torch.cat(parts) if parts else z.new_zeros(0, len(z))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        z, stored, weights = ctx.saved_tensors
        if torch.is_grad_enabled():  # the caller asks for second derivatives
            out = _to_samples(z, stored, weights)
            return torch.autograd.grad(out, z, grads[0], create_graph=True)[0], None, None
        total, shift = torch.zeros_like(z), z.mean(0)
        centred = z - shift
        for rows in _tiles(z, stored):
            points = (stored[rows] - shift).flatten(0, 1)
            distances = _root(_squared(points, centred))
            pair = (weights[rows][:, :, None] * grads[0][rows][:, None]).flatten(0, 1)
            pair = (pair / distances).masked_fill_(distances == 0, 0)  # a sample at a stored point has no gradient
            total += centred * pair.sum(0)[:, None] - pair.t() @ points
        return total, None, None


def _tiles(z: Tensor, stored: Tensor) -> Iterator[slice]:
    """Return slices of classes whose stored samples, times all rows of z, fit the tile size."""
    return row_slices(len(stored), len(z) * stored.shape[1], _TILE)
