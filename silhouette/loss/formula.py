"""The formula of the soft silhouette, and its gradient.

`autograd_scores` uses operations that autograd and `torch.compile` can differentiate. `scores` has its gradient
written out; the tests check that both agree::

    ∂s/∂a = -(1 + s·w_a) / m,   ∂s/∂b = (1 - s·w_b) / m,   (w_a, w_b) = softmax((a, b) / τ_m)
    ∂b/∂d(i, c) = softmax over the other classes of -d(i, ·) / τ_s
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from silhouette.loss.distances import BLOCKED, CLASS_DISTANCES, KERNELS, others_in_class

LOWEST = -1e6
"""Smallest score; without it scores diverge where m vanishes, that is with a = 0 and b far below 0."""


class Options(NamedTuple):
    """Options of `silhouette.loss.soft_silhouette.soft_silhouette` that the formula needs.

    Attributes:
        tau_s: Temperature of the soft minimum, above 0, in units of the distance.
        tau_m: Temperature of the soft maximum, above 0, in units of the distance.
        distance: A key of `silhouette.loss.distances.KERNELS`.
        softmin: `sum` or `mean`.
    """

    tau_s: float
    tau_m: float
    distance: str
    softmin: str


def scores(z: Tensor, y: Tensor, counts: Tensor, options: Options) -> Tensor:
    """Return (B,) soft silhouettes of z (B, D) with class indices y (B,) in [0, K) and class counts (K,)."""
    if torch.compiler.is_compiling():
        return autograd_scores(z, y, counts, options)
    return _Scores.apply(z, y, counts, options)  # type: ignore[no-any-return]


def autograd_scores(z: Tensor, y: Tensor, counts: Tensor, options: Options) -> Tensor:
    """Return the same as `scores`, for the compiler and for second derivatives."""
    a, others = CLASS_DISTANCES[options.distance](z, y, counts)
    own = torch.arange(len(counts), device=y.device)[:, None] == y
    exponents = torch.where(own | (counts == 0)[:, None], BLOCKED, others / -options.tau_s)
    b = -options.tau_s * exponents.logsumexp(0) + _correction(counts, options)
    defined = _defined(y, counts)
    a, b = torch.where(defined, a, 0), torch.where(defined, b, 0)
    m = options.tau_m * torch.logaddexp(a / options.tau_m, b / options.tau_m)
    usable = m * -LOWEST > (b - a).abs()
    return torch.where(defined, torch.where(usable, (b - a) / torch.where(usable, m, 1), LOWEST), 0)


@torch.no_grad()
def classical(z: Tensor, y: Tensor) -> Tensor:
    """Return (N,) silhouettes of Rousseeuw (1987) in [-1, 1] with Euclidean distance, the limit of τ → 0.

    Higher is better; 0 for a sample alone in its class. Holds one tile of pairs at a time.

    Args:
        z: (N, D).
        y: (N,) labels in [0, K); each of the K classes has a sample, and K is at least 2.

    >>> classical(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([0, 0, 1]))
    tensor([0.8000, 0.7500, 0.0000])
    """
    counts = y.bincount().to(z)
    a, _, exponents, _ = KERNELS["euclidean"].forward(z, y, counts, 1.0)
    b = -exponents.scatter_(0, y[None], BLOCKED).amax(0)
    s = (b - a) / torch.maximum(a, b).clamp_min(torch.finfo(z.dtype).tiny)
    return torch.where(counts[y] > 1, s, 0)


def _correction(counts: Tensor, options: Options) -> Tensor | float:
    """Return the summand of b that turns the sum over the other classes present into their mean."""
    if options.softmin == "sum":
        return 0.0
    return options.tau_s * ((counts > 0).sum() - 1).clamp_min(1).to(counts.dtype).log()


def _defined(y: Tensor, counts: Tensor) -> Tensor:
    """Return (B,) whether the silhouette is defined: two samples of the own class, and two classes."""
    return ((counts > 1) & ((counts > 0).sum() > 1))[y]


class _Scores(torch.autograd.Function):
    """`scores` with the gradient at the top of this file."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, y: Tensor, counts: Tensor, options: Options) -> Tensor:
        a, offset, shares, saved = KERNELS[options.distance].forward(z, y, counts, options.tau_s)
        shares.scatter_(0, y[None], BLOCKED)
        largest = shares.amax(0) if len(shares) else shares.new_zeros(len(z))
        total = shares.sub_(largest).exp_().sum(0)
        b = largest.add_(total.log()).mul_(-options.tau_s).add_(offset).add_(_correction(counts, options))
        s, by_a, by_b = _ratio(a, b, _defined(y, counts), options.tau_m)
        by_a.mul_((counts / others_in_class(counts))[y])  # the kernel's mean counts the sample itself
        ctx.save_for_backward(z, y, counts, shares, by_a, by_b.div_(total), *saved)
        ctx.options = options
        return s

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        z, y, counts, shares, by_a, by_b, *saved = ctx.saved_tensors
        if torch.is_grad_enabled():  # the caller asks for second derivatives
            s = autograd_scores(z, y, counts, ctx.options)
            return torch.autograd.grad(s, z, grads[0], create_graph=True)[0], None, None, None
        weights = shares * (by_b * grads[0])
        weights.scatter_(0, y[None], (by_a * grads[0])[None])
        return KERNELS[ctx.options.distance].backward(z, y, counts, weights, tuple(saved)), None, None, None


def _ratio(a: Tensor, b: Tensor, defined: Tensor, tau: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return scores (B,) and their derivatives by a and b; 0 where undefined; derivatives are 0 at `LOWEST` too."""
    gap = b - a
    m = torch.logaddexp(a / tau, b / tau).mul_(tau)
    usable = m * -LOWEST > gap.abs()
    inverse = torch.where(usable & defined, 1 / m, 0)
    s = gap * inverse
    share = torch.sigmoid(gap / tau)  # of b in the soft maximum
    by_a = (s * (share - 1) - 1).mul_(inverse)
    by_b = (1 - s * share).mul_(inverse)
    return s.masked_fill_(defined & ~usable, LOWEST), by_a, by_b
