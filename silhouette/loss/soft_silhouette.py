"""Soft Silhouette Loss (Todescato and Carbonera 2026, arXiv 2604.08573): `soft_silhouette` and its module.

With a(i) the mean distance of sample i to the others of its class and d(i, c) its mean distance to class c::

    b(i) = -τ_s · log Σ_{c ≠ y_i} exp(-d(i, c) / τ_s)           soft minimum over the other classes in the batch
    m(i) =  τ_m · log(exp(a(i) / τ_m) + exp(b(i) / τ_m))        soft maximum of a and b
    s(i) = (b(i) - a(i)) / m(i)                                 the soft silhouette, at most 1
    L    = -mean_i s(i)

As τ_s, τ_m → 0 the score s is the classical silhouette (Rousseeuw 1987, `sklearn.metrics.silhouette_samples`).
The formula and its gradient are in `silhouette.loss.formula`, the distances and their cost in
`silhouette.loss.distances`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from silhouette.loss.distances import CLASS_DISTANCES, unit
from silhouette.loss.formula import Options, scores

SOFTMINS = ("sum", "mean")
REDUCTIONS = ("mean", "macro", "none")


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
    validate: bool = True,
) -> Tensor:
    """Soft silhouette of every sample of a batch; higher is better, differentiable.

    A sample alone in its class scores 0 (as in Rousseeuw 1987), and so does every sample of a batch with a
    single class; their gradients are 0. Scores never exceed 1. They may fall below -1 when a temperature is large
    against the distances, since b(i) is then negative; where m(i) vanishes they are held at -1e6.

    Args:
        embeddings: (B, D), any floating dtype. Half precision is computed in float32.
        labels: (B,), any integer dtype, any values.
        tau_s: Temperature of the soft minimum over classes, in units of the distance.
        tau_m: Temperature of the soft maximum of a and b, in units of the distance.
        distance: `euclidean` (O(B²D) time), `sqeuclidean` or `cosine` (both exact in O(BKD) time and
            O(B(D + K)) memory for K classes).
        normalize: Scale every embedding to length 1 first; `cosine` always does.
        softmin: `sum` as in the paper, where b(i) falls by about τ_s·log(K - 1) as the batch holds more
            classes; `mean` takes that constant out.
        num_classes: If given, labels must lie in [0, num_classes); nothing then depends on the data's
            values, so that `torch.compile` makes one graph and a GPU need not wait.
        validate: Check values (finite embeddings, labels in range), which makes a GPU wait once.

    Returns:
        (B,) scores, float32 or the dtype of `embeddings` if that is wider.

    Raises:
        ValueError: If a shape, dtype, option or value is wrong; the message names rule and value.

    >>> z = torch.tensor([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0], [1.0, 0.1]])
    >>> soft_silhouette(z, torch.tensor([7, 7, -1, -1]), tau_s=1e-3, tau_m=1e-3).round(decimals=3)
    tensor([0.9280, 0.9240, 0.9280, 0.9240])
    """
    _check_options(tau_s, tau_m, distance, softmin)
    _check_batch(embeddings, labels)
    if validate and not torch.compiler.is_compiling():
        _check_values(embeddings, labels, num_classes)
    z = embeddings.float() if embeddings.dtype in (torch.float16, torch.bfloat16) else embeddings
    y, classes = _class_indices(labels, num_classes)
    with torch.autocast(z.device.type, enabled=False):
        z = unit(z) if normalize or distance == "cosine" else z
        counts = z.new_zeros(classes).index_add(0, y, z.new_ones(len(y)))
        return scores(z, y, counts, Options(tau_s, tau_m, distance, softmin))


class SoftSilhouetteLoss(nn.Module):
    """Minus the soft silhouette of a batch, lower is better: `loss(embeddings, labels)`.

    Args:
        tau_s: See `soft_silhouette`, as for the next four.
        tau_m: Temperature of the soft maximum.
        distance: `euclidean`, `sqeuclidean` or `cosine`.
        normalize: Scale embeddings to length 1 first.
        softmin: `sum` (paper) or `mean`.
        reduction: `mean` over samples (paper); `macro`, the mean over classes of their means, so that large
            classes do not dominate; `none` for the (B,) values.
        num_classes: Fixed number of classes, for `torch.compile` and to spare a GPU the waiting.
        gather: Compute over the batches of all processes of `torch.distributed`, with gradient
            (see `silhouette.loss.distributed`); `reduction="none"` then returns the values of all of them.
        validate: Check the values of embeddings and labels at every call.

    Raises:
        ValueError: If an option is unknown or a temperature not above 0.
    """

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
        gather: bool = False,
        validate: bool = True,
    ) -> None:
        super().__init__()
        _check_options(tau_s, tau_m, distance, softmin)
        _check_choice("reduction", reduction, REDUCTIONS)
        self.tau_s, self.tau_m, self.distance, self.softmin = tau_s, tau_m, distance, softmin
        self.normalize, self.reduction, self.num_classes = normalize, reduction, num_classes
        self.gather, self.validate = gather, validate

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Loss of a batch: a scalar, or (B,) with `reduction="none"`.

        Args:
            embeddings: (B, D).
            labels: (B,) integers.
        """
        if self.gather:
            from silhouette.loss.distributed import gather_batch  # needs torch.distributed, which not every build has

            embeddings, labels = gather_batch(embeddings, labels)
        values = soft_silhouette(
            embeddings,
            labels,
            tau_s=self.tau_s,
            tau_m=self.tau_m,
            distance=self.distance,
            normalize=self.normalize,
            softmin=self.softmin,
            num_classes=self.num_classes,
            validate=self.validate,
        )
        if self.reduction == "none":
            return -values
        if self.reduction == "macro":
            values = values * self._macro_weights(values, labels)
        return values.sum() / -max(len(values), 1)

    def _macro_weights(self, values: Tensor, labels: Tensor) -> Tensor:
        """(B,) weights with mean 1 that give every class the same say."""
        y, classes = _class_indices(labels, self.num_classes)
        counts = values.new_zeros(classes).index_add(0, y, torch.ones_like(values))
        return (len(values) / (counts * (counts > 0).sum()))[y]

    def extra_repr(self) -> str:
        """Options, as `print` shows them."""
        return (
            f"tau_s={self.tau_s:g}, tau_m={self.tau_m:g}, distance={self.distance!r}, "
            f"softmin={self.softmin!r}, reduction={self.reduction!r}"
        )


def _class_indices(labels: Tensor, num_classes: int | None) -> tuple[Tensor, int]:
    """Labels as indices in [0, K), and K."""
    if num_classes is not None:
        return labels.long(), num_classes
    values, indices = torch.unique(labels.long(), return_inverse=True)
    return indices, len(values)


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name}: one of {', '.join(allowed)}, got {value!r}")


def _check_options(tau_s: float, tau_m: float, distance: str, softmin: str) -> None:
    for name, tau in (("tau_s", tau_s), ("tau_m", tau_m)):
        if not (tau > 0 and math.isfinite(tau)):
            raise ValueError(f"{name}: must be a finite number above 0, got {tau!r}")
    _check_choice("distance", distance, tuple(CLASS_DISTANCES))
    _check_choice("softmin", softmin, SOFTMINS)


def _check_batch(embeddings: Tensor, labels: Tensor) -> None:
    """Shapes and dtypes, which cost nothing to look at."""
    if embeddings.dim() != 2 or not embeddings.dtype.is_floating_point:
        raise ValueError(
            f"embeddings: must be (B, D) of a floating dtype, got {tuple(embeddings.shape)} of {embeddings.dtype}"
        )
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(f"labels: must be ({len(embeddings)},) as embeddings are, got {tuple(labels.shape)}")
    if labels.dtype.is_floating_point or labels.dtype.is_complex:
        raise ValueError(f"labels: must be of an integer dtype, got {labels.dtype}")


def _check_values(embeddings: Tensor, labels: Tensor, num_classes: int | None) -> None:
    """Values, in one wait for the device."""
    fine = embeddings.sum().isfinite()  # quick, and false at the least doubt: then every value is looked at
    if num_classes is not None and len(labels):
        fine = fine & (labels.min() >= 0) & (labels.max() < num_classes)
    if bool(fine):
        return
    bad = int((~embeddings.isfinite()).sum())
    if bad:
        raise ValueError(f"embeddings: must be finite, got {bad} values of nan or inf")
    if num_classes is not None and len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        low, high = int(labels.min()), int(labels.max())
        raise ValueError(f"labels: must lie in [0, {num_classes}), got values from {low} to {high}")
