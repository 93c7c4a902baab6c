"""Soft Silhouette Loss (Todescato and Carbonera 2026, arXiv 2604.08573): `soft_silhouette` and its module.

With a(i) the mean distance of sample i to the others of its class and d(i, c) its mean distance to class c::

    b(i) = -τ_s · log Σ_{c ≠ y_i} exp(-d(i, c) / τ_s)           soft minimum over the other classes in the batch
    m(i) =  τ_m · log(exp(a(i) / τ_m) + exp(b(i) / τ_m))        soft maximum of a and b
    s(i) = (b(i) - a(i)) / m(i)                                 the soft silhouette, at most 1
    L    = -mean_i s(i)

As τ_s, τ_m → 0 the score s is the classical silhouette (Rousseeuw 1987, `sklearn.metrics.silhouette_samples`).
`silhouette.loss.formula` has the formula and its gradient, `silhouette.loss.distances` the distances and their cost,
`silhouette.loss.frequency` and `silhouette.loss.memory` the forms for unequal and for many classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from silhouette.loss.checks import (
    check_batch,
    check_choice,
    check_class_counts,
    check_finite,
    check_labels,
    check_log_weights,
    check_memory,
    check_num_classes,
    check_temperature,
    check_values,
)
from silhouette.loss.distances import CLASS_DISTANCES, sum_by_class, unit, wide
from silhouette.loss.formula import Options, Outside, scores
from silhouette.loss.frequency import log_class_weights, sample_weights
from silhouette.loss.memory import ClassMemory

SOFTMINS = ("sum", "mean")
REDUCTIONS = ("mean", "macro", "balanced", "none")


def soft_silhouette(
    embeddings: Tensor,
    labels: Tensor,
    *,
    tau_s: float = 0.1,
    tau_m: float = 0.1,
    distance: str = "euclidean",
    normalize: bool = True,
    softmin: str = "sum",
    num_classes: int | None = None,
    log_weights: Tensor | None = None,
    memory: ClassMemory | None = None,
    validate: bool = True,
) -> Tensor:
    """Return the soft silhouette of every sample of a batch; higher is better, differentiable.

    A sample alone in its class has score 0 (as in Rousseeuw 1987), and so has every sample of a batch with a single
    class; their gradients are 0. A score is at most 1. It can be below -1 when a temperature is large compared with
    the distances, since b(i) is then negative. Where m(i) vanishes the score is limited to -1e6.

    Args:
        embeddings: (B, D), any floating dtype. Half precision is computed in float32.
        labels: (B,), any integer dtype, any values.
        tau_s: Temperature of the soft minimum over classes, above 0, in units of the distance.
        tau_m: Temperature of the soft maximum of a and b, above 0, in units of the distance.
        distance: `euclidean` (O(B²D) time), `sqeuclidean` or `cosine` (both exact in O(BKD) time and
            O(B(D + K)) memory for K classes).
        normalize: Scale every embedding to length 1 first; `cosine` always does.
        softmin: `sum` as in the paper, where b(i) falls by about τ_s·log(K - 1) as the number of classes in the
            batch grows; `mean` removes that constant.
        num_classes: If given, labels must lie in [0, num_classes). No shape then depends on values, so
            `torch.compile` makes one graph and a GPU need not be waited for.
        log_weights: (K,) logarithms of weights w_c of the classes in the soft minimum, with K = `num_classes`:
            b(i) = -τ_s · log Σ_c w_c·exp(-d(i, c) / τ_s), for `mean` with Σ_c w_c as denominator;
            `silhouette.loss.frequency.log_class_weights` makes them of class counts.
        memory: Gives the distance to classes that are not in the batch, and to the own class of a sample that is alone
            in it. It is read and not changed.
        validate: Check values (finite embeddings, labels in range), which waits for a GPU once.

    Returns:
        (B,) scores, float32 or the dtype of `embeddings` if that is wider.

    Raises:
        TypeError: If an argument has the wrong type, for example a list or a NumPy array instead of a tensor.
        ValueError: If a shape, dtype, option or value is wrong. Either message names argument, rule and value.

    >>> z = torch.tensor([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0], [1.0, 0.1]])
    >>> soft_silhouette(z, torch.tensor([7, 7, -1, -1]), tau_s=1e-3, tau_m=1e-3).round(decimals=3)
    tensor([0.9280, 0.9240, 0.9280, 0.9240])
    """
    _check_options(tau_s, tau_m, distance, softmin, num_classes)
    check_log_weights(log_weights, num_classes)
    options = Options(tau_s, tau_m, distance, softmin, normalize=normalize)
    return _evaluate(embeddings, labels, options, num_classes, log_weights, memory, validate)


def _evaluate(
    embeddings: Tensor,
    labels: Tensor,
    options: Options,
    num_classes: int | None,
    log_weights: Tensor | None,
    memory: ClassMemory | None,
    validate: bool,
) -> Tensor:
    """Return the scores of a batch, or the mean loss, with options that are checked."""
    check_batch(embeddings, labels)
    if memory is not None:
        check_memory(memory.num_classes, memory.dim, num_classes, embeddings)
    if validate and not torch.compiler.is_compiling():
        if embeddings.is_cuda:
            check_values(embeddings, labels, num_classes)
        else:
            check_labels(labels, num_classes)
            options = options._replace(validate=True)
    y, classes = _class_indices(labels, num_classes)
    with _without_autocast(embeddings.device.type):
        z, outside = wide(embeddings), Outside()
        if memory is not None or (options.distance == "cosine" and not options.normalize):
            # the memory needs them too; and cosine trainings of earlier versions have the bits of this gradient
            z = _as_measured(embeddings, options.distance, options.normalize)
            options = options._replace(normalize=False)
        if memory is not None:
            options = options._replace(least=memory.least)
            outside = Outside(None, memory.distances(z, options.distance), memory.known)
        if log_weights is not None:
            outside = outside._replace(log_weights=log_weights.to(z))
        return scores(z, y, classes, options, outside, complete=num_classes is None)


def _as_measured(embeddings: Tensor, distance: str, normalize: bool) -> Tensor:
    """Return embeddings as distances see them: at least float32, and of length 1 where that is asked for."""
    z = wide(embeddings)
    return unit(z) if normalize or distance == "cosine" else z


def _without_autocast(device: str) -> AbstractContextManager[object]:
    """Return a context without mixed precision; entering one costs time, so only where there is any."""
    if torch.compiler.is_compiling() or torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


class SoftSilhouetteLoss(nn.Module):
    """Minus the soft silhouette of a batch, at least -1; lower is better: `loss(embeddings, labels)`.

    Args:
        tau_s: Temperature of the soft minimum over classes, above 0, in units of the distance.
        tau_m: Temperature of the soft maximum of a and b, above 0, in units of the distance.
        distance: `euclidean`, `sqeuclidean` or `cosine`; see `soft_silhouette` for their cost.
        normalize: Scale every embedding to length 1 first.
        softmin: `sum` (paper) or `mean`.
        reduction: `mean` over samples (paper); `macro`, the mean over the classes of the batch of their means;
            `balanced`, the mean over samples weighted by N / (K·n_c), so that every class has the same weight over all
            batches (`macro` gives no weight to a class in the batches that lack it); `none` for the (B,) values.
        num_classes: Fixed number of classes, for `torch.compile` and to avoid waiting for a GPU.
        class_counts: (K,) n_c, training samples of each class, for `class_prior` and `reduction="balanced"`.
        class_prior: p: class c competes with weight n_c^p in the soft minimum. 0 as in the paper; 1 as balanced softmax
            weights logits, so that frequent classes push more; -1 the inverse.
        memory: Remembers the classes across batches (see `silhouette.loss.memory`): it stands for the classes that a
            batch lacks, and for the own class of a sample that is alone in the batch. In training mode every call adds
            its batch to the memory; after `eval()` it is read alone. Its state is in `state_dict`.
        gather: Compute the loss over the batches of all processes of `torch.distributed`, with gradient
            (see `silhouette.loss.distributed`); `reduction="none"` then returns the values of all of them.
        validate: Check the values of embeddings and labels at every call.

    Raises:
        TypeError: If a number has the wrong type, for example text.
        ValueError: If an option is unknown, a number out of range, or what an option needs is not given.

    >>> z = torch.tensor([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0], [1.0, 0.1]], requires_grad=True)
    >>> loss = SoftSilhouetteLoss(tau_s=0.1, tau_m=0.1)(z, torch.tensor([0, 0, 1, 1]))
    >>> loss.backward()
    >>> round(loss.item(), 3), tuple(z.grad.shape)
    (-0.926, (4, 2))
    """

    log_weights: Tensor | None
    sample_weights: Tensor | None

    def __init__(
        self,
        *,
        tau_s: float = 0.1,
        tau_m: float = 0.1,
        distance: str = "euclidean",
        normalize: bool = True,
        softmin: str = "sum",
        reduction: str = "mean",
        num_classes: int | None = None,
        class_counts: Sequence[int] | Tensor | None = None,
        class_prior: float = 0.0,
        memory: ClassMemory | None = None,
        gather: bool = False,
        validate: bool = True,
    ) -> None:
        super().__init__()
        _check_options(tau_s, tau_m, distance, softmin, num_classes)
        check_choice("reduction", reduction, REDUCTIONS)
        check_finite("class_prior", class_prior)
        self.tau_s, self.tau_m, self.distance, self.softmin = tau_s, tau_m, distance, softmin
        self.normalize, self.reduction, self.num_classes = normalize, reduction, num_classes
        self.gather, self.validate, self.class_prior, self.memory = gather, validate, class_prior, memory
        self._set_weights(class_counts)
        self._options = Options(tau_s, tau_m, distance, softmin, normalize=normalize, loss=reduction == "mean")

    def _set_weights(self, class_counts: Sequence[int] | Tensor | None) -> None:
        """Make the weights of classes and of samples; they follow from the options, so no state holds them."""
        weights: list[Tensor | None] = [None, None]
        if self.class_prior or self.reduction == "balanced":
            needs = "class_prior" if self.class_prior else "reduction='balanced'"
            if class_counts is None:
                raise ValueError(f"class_counts: must be given with {needs}, got None")
            counts = check_class_counts(class_counts, self.num_classes)
            weights[0] = log_class_weights(counts, self.class_prior) if self.class_prior else None
            weights[1] = sample_weights(counts) if self.reduction == "balanced" else None
        self.register_buffer("log_weights", weights[0], persistent=False)
        self.register_buffer("sample_weights", weights[1], persistent=False)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch: a scalar, or (B,) with `reduction="none"`.

        Args:
            embeddings: (B, D), any floating dtype.
            labels: (B,), any integer dtype.

        Raises:
            TypeError: If one of them is not a tensor.
            ValueError: If a shape, dtype or value is wrong.
        """
        if self.gather:
            from silhouette.loss.distributed import gather_batch  # needs torch.distributed, which not every build has

            check_batch(embeddings, labels)
            embeddings, labels = gather_batch(embeddings, labels)
        values = _evaluate(
            embeddings, labels, self._options, self.num_classes, self.log_weights, self.memory, self.validate
        )
        if self.memory is not None and self.training:
            with torch.autocast(embeddings.device.type, enabled=False):
                self.memory.update(_as_measured(embeddings.detach(), self.distance, self.normalize), labels.long())
        return values if self._options.loss else self._reduced(values, labels)

    def _reduced(self, values: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of the scores (B,)."""
        if self.reduction == "none":
            return -values
        if self.sample_weights is not None:
            values = values * self.sample_weights.to(values)[labels.long()]
        if self.reduction == "macro":
            values = values * self._macro_weights(values, labels)
        return values.sum() / -max(len(values), 1)

    def _macro_weights(self, values: Tensor, labels: Tensor) -> Tensor:
        """Return (B,) weights with mean 1 whose sum is the same for every class."""
        y, classes = _class_indices(labels, self.num_classes)
        counts = sum_by_class(torch.ones_like(values), y, classes)
        return (len(values) / (counts * (counts > 0).sum()))[y]

    def extra_repr(self) -> str:
        """Return the options that `print` shows."""
        return (
            f"tau_s={self.tau_s:g}, tau_m={self.tau_m:g}, distance={self.distance!r}, "
            f"softmin={self.softmin!r}, reduction={self.reduction!r}, class_prior={self.class_prior:g}"
        )


def _class_indices(labels: Tensor, num_classes: int | None) -> tuple[Tensor, int]:
    """Return labels as indices in [0, K), and K."""
    if num_classes is not None:
        return labels.long(), num_classes
    values, indices = torch.unique(labels.long(), return_inverse=True)
    return indices, len(values)


def _check_options(tau_s: float, tau_m: float, distance: str, softmin: str, num_classes: int | None) -> None:
    check_temperature("tau_s", tau_s)
    check_temperature("tau_m", tau_m)
    check_choice("distance", distance, tuple(CLASS_DISTANCES))
    check_choice("softmin", softmin, SOFTMINS)
    check_num_classes(num_classes)
