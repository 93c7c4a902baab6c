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
        least: A class of fewer samples in the batch is taken from the memory if that knows it; the own class, if fewer
            others of it are in the batch.
    """

    tau_s: float
    tau_m: float
    distance: str
    softmin: str
    least: int = 1


class Outside(NamedTuple):
    """What the formula takes from outside the batch; None leaves it out.

    Attributes:
        log_weights: (K,) logarithms of the weights of the classes in the soft minimum.
        remembered: (K, B) mean distance of each sample to what a memory holds of each class, with gradient. It is used
            for classes of fewer than `Options.least` samples in the batch, the sample itself left out.
        known: (K,) the classes that the memory holds.
    """

    log_weights: Tensor | None = None
    remembered: Tensor | None = None
    known: Tensor | None = None


def scores(z: Tensor, y: Tensor, counts: Tensor, options: Options, outside: Outside) -> Tensor:
    """Return (B,) soft silhouettes of z (B, D) with class indices y (B,) in [0, K) and class counts (K,)."""
    if torch.compiler.is_compiling():
        return autograd_scores(z, y, counts, options, outside)
    return _Scores.apply(z, y, counts, options, *outside)  # type: ignore[no-any-return]


def autograd_scores(z: Tensor, y: Tensor, counts: Tensor, options: Options, outside: Outside) -> Tensor:
    """Return the same as `scores`, for the compiler and for second derivatives."""
    a, others = CLASS_DISTANCES[options.distance](z, y, counts)
    if outside.remembered is not None and outside.known is not None:
        few, alone = _few(y, counts, outside.known, options.least)
        others = torch.where(few[:, None], outside.remembered, others)
        a = torch.where(alone, outside.remembered.gather(0, y[None])[0], a)
    covered = _covered(counts, outside)
    own = torch.arange(len(counts), device=y.device)[:, None] == y
    exponents = others / -options.tau_s
    if outside.log_weights is not None:
        exponents = exponents + outside.log_weights[:, None]
    exponents = torch.where(own | ~covered[:, None], BLOCKED, exponents)
    b = -options.tau_s * exponents.logsumexp(0) + _correction(y, counts, options, outside)
    defined = _defined(y, counts, outside)
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


def _covered(counts: Tensor, outside: Outside) -> Tensor:
    """Return (K,) the classes to which there is a distance: those of the batch and those of the memory."""
    return counts > 0 if outside.known is None else (counts > 0) | outside.known


def _correction(y: Tensor, counts: Tensor, options: Options, outside: Outside) -> Tensor | float:
    """Return the summand of b that turns the sum over the other classes into their (weighted) mean."""
    if options.softmin == "sum":
        return 0.0
    covered = _covered(counts, outside)
    if outside.log_weights is None:
        return options.tau_s * (covered.sum() - 1).clamp_min(1).to(counts.dtype).log()
    logs = torch.where(covered, outside.log_weights, BLOCKED)[:, None].expand(-1, len(y))
    return options.tau_s * logs.scatter(0, y[None], BLOCKED).logsumexp(0)


def _defined(y: Tensor, counts: Tensor, outside: Outside) -> Tensor:
    """Return (B,) whether the silhouette is defined: another sample of the own class, and another class."""
    company = counts > 1 if outside.known is None else (counts > 1) | outside.known
    return (company & (_covered(counts, outside).sum() > 1))[y]


class _Scores(torch.autograd.Function):
    """`scores` with the gradient at the top of this file."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, y: Tensor, counts: Tensor, options: Options, *parts: Tensor | None) -> Tensor:
        outside = Outside(*parts)
        a, offset, shares, saved = KERNELS[options.distance].forward(z, y, counts, options.tau_s)
        a, shares = _with_memory(a, shares, offset, y, counts, options, outside)
        if outside.log_weights is not None:
            shares.add_(outside.log_weights[:, None])
        shares.scatter_(0, y[None], BLOCKED)
        largest = shares.amax(0) if len(shares) else shares.new_zeros(len(z))
        total = shares.sub_(largest).exp_().sum(0)
        correction = _correction(y, counts, options, outside)
        b = largest.add_(total.log()).mul_(-options.tau_s).add_(offset).add_(correction)
        s, by_a, by_b = _ratio(a, b, _defined(y, counts, outside), options.tau_m)
        itself = (counts / others_in_class(counts))[y]  # the kernel's mean, unlike a memory, counts the sample
        if outside.known is not None:
            itself = torch.where(_few(y, counts, outside.known, options.least)[1], 1, itself)
        by_a.mul_(itself)
        ctx.save_for_backward(z, y, counts, *outside, shares, by_a, by_b.div_(total), *saved)
        ctx.options = options
        return s

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        z, y, counts, log_weights, remembered, known, shares, by_a, by_b, *saved = ctx.saved_tensors
        if torch.is_grad_enabled():  # the caller asks for second derivatives
            return _differentiable_backward(ctx.options, grads[0], z, y, counts, log_weights, remembered, known)
        weights = shares * (by_b * grads[0])
        weights.scatter_(0, y[None], (by_a * grads[0])[None])
        to_memory = None if remembered is None else _take_memory_part(weights, y, counts, known, ctx.options.least)
        by_z = KERNELS[ctx.options.distance].backward(z, y, counts, weights, tuple(saved))
        return by_z, None, None, None, None, to_memory, None


def _differentiable_backward(
    options: Options, grad: Tensor, z: Tensor, y: Tensor, counts: Tensor, *parts: Tensor | None
) -> tuple[Tensor | None, ...]:
    """Return what `_Scores.backward` returns, with a graph."""
    # views, since `remembered` follows from z: only the direct way from each of them to the scores counts here
    z, outside = z.view_as(z), Outside(*(x if x is None else x.view_as(x) for x in parts))
    inputs = [z] if outside.remembered is None else [z, outside.remembered]
    s = autograd_scores(z, y, counts, options, outside)
    by_z, *by_memory = torch.autograd.grad(s, inputs, grad, create_graph=True)
    return by_z, None, None, None, None, by_memory[0] if by_memory else None, None


def _few(y: Tensor, counts: Tensor, known: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """Return (K,) the classes that are taken from the memory, and (B,) the samples whose own class is."""
    return known & (counts < least), (known & (counts <= least))[y]


def _with_memory(
    a: Tensor, exponents: Tensor, offset: Tensor | float, y: Tensor, counts: Tensor, options: Options, outside: Outside
) -> tuple[Tensor, Tensor]:
    """Return a (B,) and the exponents (K, B) of a kernel, completed by the distances to the memory."""
    if outside.remembered is None or outside.known is None:
        return a, exponents
    few, alone = _few(y, counts, outside.known, options.least)
    exponents = torch.where(few[:, None], (offset - outside.remembered) / options.tau_s, exponents)
    return torch.where(alone, outside.remembered.gather(0, y[None])[0], a), exponents


def _take_memory_part(weights: Tensor, y: Tensor, counts: Tensor, known: Tensor, least: int) -> Tensor:
    """Return the weights (K, B) of distances to the memory, and set them to 0 in `weights`."""
    few, alone = _few(y, counts, known, least)
    from_memory = few[:, None].expand_as(weights).clone().scatter_(0, y[None], alone[None])
    part = torch.where(from_memory, weights, 0)
    weights.masked_fill_(from_memory, 0)
    return part


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
