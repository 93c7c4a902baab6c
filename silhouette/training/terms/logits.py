"""Terms of the logits: cross-entropy, and the losses of long-tailed recognition that change it.

With logits f, label y, and n_c training samples of class c, π_c = n_c / Σ n::

    logit_adjusted    -log softmax(f + τ·log π)_y                         Menon et al. 2021
    balanced_softmax  -log softmax(f + log n)_y                           Ren et al. 2020
    ldam              -log softmax(f - s·Δ_y·1[c = y])_y, f = s·cos       Cao et al. 2019
    class_balanced    w_y · -log softmax(f)_y, w_c ∝ (1-β) / (1-β^n_c)    Cui et al. 2019
    focal             (1 - p_y)^γ · -log p_y, p = softmax(f)              Lin et al. 2017, for K classes
    vs                -log softmax((n / n_max)^γ · f + τ·log π)_y         Kini et al. 2021 with ω = 1
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from silhouette.training.terms.batch import Batch, SampleTerm
from silhouette.training.terms.counts import count_tensor, effective_weights, label_margins, log_prior


class CrossEntropy(SampleTerm):
    """-log softmax(f)_y."""

    def values(self, batch: Batch) -> Tensor:
        """Return (V·B,) values."""
        return F.cross_entropy(batch.logits, batch.labels, reduction="none")

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean; without weights by torch's own mean, whose bits earlier records have."""
        if batch.weights is None:
            return F.cross_entropy(batch.logits, batch.labels)
        return super().forward(batch)


class ShiftedCrossEntropy(SampleTerm):
    """-log softmax(scale·f + shift)_y, with constants for each class.

    Args:
        shift: (K,).
        scale: (K,); None for ones.
    """

    shift: Tensor
    scale: Tensor | None

    def __init__(self, shift: Tensor, scale: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("shift", shift, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def values(self, batch: Batch) -> Tensor:
        """Return (V·B,) values."""
        logits = batch.logits if self.scale is None else batch.logits * self.scale.to(batch.logits)
        return F.cross_entropy(logits + self.shift.to(logits), batch.labels, reduction="none")


def logit_adjusted(counts: Sequence[int], tau: float) -> ShiftedCrossEntropy:
    """Return the logit-adjusted loss with temperature τ.

    >>> import torch
    >>> batch = Batch(torch.zeros(1, 2), torch.zeros(1, 1), torch.tensor([1]), images=1)
    >>> round(logit_adjusted([3, 1], tau=1.0)(batch).item(), 4)  # -log(1 / 4)
    1.3863
    """
    return ShiftedCrossEntropy(tau * log_prior(counts))


def balanced_softmax(counts: Sequence[int]) -> ShiftedCrossEntropy:
    """Return balanced softmax: `logit_adjusted` with τ = 1, as a softmax does not change with a constant."""
    return ShiftedCrossEntropy(count_tensor(counts).log())


def vector_scaling(counts: Sequence[int], gamma: float, tau: float) -> ShiftedCrossEntropy:
    """Return the VS loss: factors (n / n_max)^γ of the logits, and shifts τ·log π."""
    n = count_tensor(counts)
    return ShiftedCrossEntropy(tau * log_prior(counts), (n / n.max()) ** gamma)


class Ldam(SampleTerm):
    """Label-distribution-aware margins: the logit of the own class is lowered by s·Δ_y.

    Args:
        counts: Training samples of each class.
        margin: Largest margin, of the rarest class, between cosines.
        scale: s, by which the classifier has multiplied the cosines.
    """

    margins: Tensor

    def __init__(self, counts: Sequence[int], margin: float, scale: float) -> None:
        super().__init__()
        self.register_buffer("margins", scale * label_margins(counts, margin), persistent=False)

    def values(self, batch: Batch) -> Tensor:
        """Return (V·B,) values."""
        own = F.one_hot(batch.labels, batch.logits.shape[1])
        logits = batch.logits - own * self.margins.to(batch.logits)
        return F.cross_entropy(logits, batch.labels, reduction="none")


class ClassBalanced(SampleTerm):
    """Cross-entropy times the weight of the class; the weights of the K classes have mean 1.

    Args:
        counts: Training samples of each class.
        beta: β in [0, 1).
    """

    classes: Tensor

    def __init__(self, counts: Sequence[int], beta: float) -> None:
        super().__init__()
        self.register_buffer("classes", effective_weights(counts, beta), persistent=False)

    def values(self, batch: Batch) -> Tensor:
        """Return (V·B,) values."""
        losses = F.cross_entropy(batch.logits, batch.labels, reduction="none")
        return losses * self.classes.to(losses)[batch.labels]


class Focal(SampleTerm):
    """Focal loss on the softmax: cross-entropy times (1 - p_y)^γ.

    Args:
        gamma: γ at least 0; 0 is cross-entropy.
    """

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    def values(self, batch: Batch) -> Tensor:
        """Return (V·B,) values."""
        losses = F.cross_entropy(batch.logits, batch.labels, reduction="none")
        if self.gamma == 0:
            return losses
        # a power below 1 has no finite derivative at 0
        wrong = (-(-losses).expm1()).clamp_min(1e-12)
        return losses * wrong**self.gamma
