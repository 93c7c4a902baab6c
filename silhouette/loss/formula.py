"""The formula of the soft silhouette, and its gradient.

`autograd_scores` uses operations that autograd and `torch.compile` can differentiate. `scores` has its gradient
written out; the tests check that both agree::

    ∂s/∂a = -(1 + s·w_a) / m,   ∂s/∂b = (1 - s·w_b) / m,   (w_a, w_b) = softmax((a, b) / τ_m)
    ∂b/∂d(i, c) = softmax over the other classes of -d(i, ·) / τ_s
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from silhouette.loss.checks import check_finite_embeddings
from silhouette.loss.distances import BLOCKED, CLASS_DISTANCES, KERNELS, Groups, group, sum_by_class, unit

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
        normalize: Scale every row to length 1 first.
        loss: Return minus the mean of the scores instead of the scores.
        validate: Check that embeddings are finite, where a score is not.
    """

    tau_s: float
    tau_m: float
    distance: str
    softmin: str
    least: int = 1
    normalize: bool = False
    loss: bool = False
    validate: bool = False


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


def scores(z: Tensor, y: Tensor, classes: int, options: Options, outside: Outside, *, complete: bool) -> Tensor:
    """Return (B,) soft silhouettes of z (B, D) with class indices y (B,) in [0, K); or a scalar, see `Options.loss`.

    Args:
        z: Embeddings.
        y: Class indices.
        classes: K.
        options: See there.
        outside: See there.
        complete: True if every class is known to have samples.
    """
    if torch.compiler.is_compiling():
        return autograd_scores(z, y, sum_by_class(z.new_ones(len(y)), y, classes), options, outside)
    groups = group(y, classes, z, complete=complete)
    return _Scores.apply(z, groups, options, *outside)  # type: ignore[no-any-return]


def autograd_scores(z: Tensor, y: Tensor, counts: Tensor, options: Options, outside: Outside) -> Tensor:
    """Return the same as `scores`, for the compiler and for second derivatives."""
    z = unit(z) if options.normalize else z
    a, others = CLASS_DISTANCES[options.distance](z, y, counts)
    if outside.remembered is not None and outside.known is not None:
        few, alone = _few_of(y, counts, outside.known, options.least)
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
    s = torch.where(defined, torch.where(usable, (b - a) / torch.where(usable, m, 1), LOWEST), 0)
    return s.sum() / -max(len(s), 1) if options.loss else s


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
    groups = group(y, int(y.max()) + 1, z, complete=True)
    a, _, exponents, _ = KERNELS["euclidean"].forward(z, groups, 1.0)
    b = -exponents.scatter_(0, y[None], BLOCKED).amax(0)
    s = (b - a) / torch.maximum(a, b).clamp_min(torch.finfo(z.dtype).tiny)
    return torch.where(groups.own > 1, s, 0)


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


def _undefined(groups: Groups, outside: Outside) -> Tensor | None:
    """Return (B,) whether the silhouette is not defined; None if it is for every sample."""
    if groups.complete and len(groups.counts) > 1 and outside.known is None:
        return None if groups.paired else groups.own <= 1
    return ~_defined(groups.y, groups.counts, outside)


def _defined(y: Tensor, counts: Tensor, outside: Outside) -> Tensor:
    """Return (B,) whether the silhouette is defined: another sample of the own class, and another class."""
    company = counts > 1 if outside.known is None else (counts > 1) | outside.known
    return (company & (_covered(counts, outside).sum() > 1))[y]


class _Scores(torch.autograd.Function):
    """`scores` with the gradient at the top of this file.

    With small batches the number of operations is what it costs, so what is known to change nothing is left out.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, groups: Groups, options: Options, *parts: Tensor | None) -> Tensor:
        s, saved = _forward(x, groups, options, Outside(*parts), careful=x.is_cuda)
        # a zero row and a score at its limit give nan or less than the limit; on a CPU that is read without a wait
        if not x.is_cuda and not (len(x) and s.amin().item() > LOWEST):
            if options.validate:
                check_finite_embeddings(x)
            s, saved = _forward(x, groups, options, Outside(*parts), careful=True)
        ctx.save_for_backward(x, *parts, *saved)
        ctx.options, ctx.groups = options, groups
        return s.sum() / -max(len(s), 1) if options.loss else s

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, log_weights, remembered, known, z, length, shares, by_a, by_b, *saved = ctx.saved_tensors
        groups, options = ctx.groups, ctx.options
        if torch.is_grad_enabled():  # the caller asks for second derivatives
            outside = (log_weights, remembered, known)
            return _differentiable_backward(options, grads[0], x, groups.y, groups.counts, *outside)
        by_s = grads[0] / -max(len(x), 1) if options.loss else grads[0]
        weights = shares * (by_b * by_s)
        if groups.hot is None:
            weights.scatter_(0, groups.y[None], (by_a * by_s)[None])
        else:
            weights.addcmul_(groups.hot, by_a * by_s)  # the share of the own class is 0
        to_memory = None if remembered is None else _take_memory_part(weights, groups, known, options.least)
        by_z = KERNELS[options.distance].backward(z, groups, weights, tuple(saved))
        if length is not None:
            by_z = torch.addcmul(by_z, z, (by_z * z).sum(1, keepdim=True), value=-1).div_(length)
        return by_z, None, None, None, to_memory, None


def _forward(
    x: Tensor, groups: Groups, options: Options, outside: Outside, *, careful: bool
) -> tuple[Tensor, tuple[Tensor | None, ...]]:
    """Return scores (B,), and what the backward pass needs: z, lengths, shares, derivatives, and what the kernel saves.

    Args:
        x: Embeddings.
        groups: Their classes.
        options: See there.
        outside: See there.
        careful: Whether zero rows and scores at `LOWEST` are looked for; without it they give scores that are nan
            or not above `LOWEST`.
    """
    z, length = _scaled(x, careful=careful) if options.normalize else (x, None)
    a, offset, shares, saved = KERNELS[options.distance].forward(z, groups, options.tau_s)
    a, shares = _with_memory(a, shares, offset, groups, options, outside)
    if outside.log_weights is not None:
        shares.add_(outside.log_weights[:, None])
    total, b = _soft_minimum(shares, groups, options.tau_s)
    for summand in (offset, _correction(groups.y, groups.counts, options, outside)):
        if isinstance(summand, Tensor) or summand:
            b.add_(summand)
    s, by_a, by_b = _ratio(a, b, _undefined(groups, outside), options.tau_m, careful=careful)
    itself = groups.own / groups.others  # the kernel's mean, unlike a memory, counts the sample
    if outside.known is not None:
        itself = torch.where(_few(groups, outside.known, options.least)[1], 1, itself)
    return s, (z, length, shares, by_a.mul_(itself), by_b.div_(total), *saved)


def _scaled(x: Tensor, *, careful: bool) -> tuple[Tensor, Tensor]:
    """Return the rows of x (B, D) scaled to length 1, and by what (B, 1) they were divided; a zero row stays zero."""
    length = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    if careful:
        length.masked_fill_(length == 0, 1)
    return x / length, length


def _soft_minimum(exponents: Tensor, groups: Groups, tau: float) -> tuple[Tensor, Tensor]:
    """Return Σ exp(exponent - largest) over the other classes (B,), and b (B,); exponents (K, B) become its terms."""
    if groups.hot is None:
        exponents.scatter_(0, groups.y[None], BLOCKED)
    else:
        exponents.add_(groups.hot, alpha=BLOCKED)
    largest = exponents.amax(0) if len(exponents) else exponents.new_zeros(exponents.shape[1])
    total = exponents.sub_(largest).exp_().sum(0)
    return total, largest.add_(total.log()).mul_(-tau)


def _differentiable_backward(
    options: Options, grad: Tensor, z: Tensor, y: Tensor, counts: Tensor, *parts: Tensor | None
) -> tuple[Tensor | None, ...]:
    """Return what `_Scores.backward` returns, with a graph."""
    # views, since `remembered` follows from z: only the direct way from each of them to the scores counts here
    z, outside = z.view_as(z), Outside(*(x if x is None else x.view_as(x) for x in parts))
    inputs = [z] if outside.remembered is None else [z, outside.remembered]
    s = autograd_scores(z, y, counts, options, outside)
    by_z, *by_memory = torch.autograd.grad(s, inputs, grad, create_graph=True)
    return by_z, None, None, None, by_memory[0] if by_memory else None, None


def _few(groups: Groups, known: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """Return (K,) the classes that are taken from the memory, and (B,) the samples whose own class is."""
    return _few_of(groups.y, groups.counts, known, least)


def _few_of(y: Tensor, counts: Tensor, known: Tensor, least: int) -> tuple[Tensor, Tensor]:
    return known & (counts < least), (known & (counts <= least))[y]


def _with_memory(
    a: Tensor, exponents: Tensor, offset: Tensor | float, groups: Groups, options: Options, outside: Outside
) -> tuple[Tensor, Tensor]:
    """Return a (B,) and the exponents (K, B) of a kernel, completed by the distances to the memory."""
    if outside.remembered is None or outside.known is None:
        return a, exponents
    few, alone = _few(groups, outside.known, options.least)
    exponents = torch.where(few[:, None], (offset - outside.remembered) / options.tau_s, exponents)
    return torch.where(alone, outside.remembered.gather(0, groups.y[None])[0], a), exponents


def _take_memory_part(weights: Tensor, groups: Groups, known: Tensor, least: int) -> Tensor:
    """Return the weights (K, B) of distances to the memory, and set them to 0 in `weights`."""
    few, alone = _few(groups, known, least)
    from_memory = few[:, None].expand_as(weights).clone().scatter_(0, groups.y[None], alone[None])
    part = torch.where(from_memory, weights, 0)
    weights.masked_fill_(from_memory, 0)
    return part


def _ratio(
    a: Tensor, b: Tensor, undefined: Tensor | None, tau: float, *, careful: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return scores (B,) and their derivatives by a and b; 0 where undefined; derivatives are 0 at `LOWEST` too.

    Not `careful`, a score at `LOWEST` is below it or not a number.
    """
    gap = b - a
    m = torch.logaddexp(a / tau, b / tau).mul_(tau)  # at least a, and so at least 0
    if undefined is not None:
        m.masked_fill_(undefined, math.inf)
    inverse = m.reciprocal()
    s = gap * inverse
    if careful:
        low = m * -LOWEST <= gap.abs()
        inverse.masked_fill_(low, 0)
        s.masked_fill_(low, LOWEST)
    share = gap.div_(tau).sigmoid_()  # of b in the soft maximum
    by_b = (1 - s * share).mul_(inverse)
    by_a = share.sub_(1).mul_(s).sub_(1).mul_(inverse)
    return s, by_a, by_b
