"""A linear probe: multinomial logistic regression on frozen features, for objectives without cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from silhouette.training.optimizer import without_compiler

_L2 = 1e-4  # on the weights for standardised features, against the mean cross-entropy
_STEPS = 200


@dataclass(frozen=True)
class LinearProbe:
    """A fitted probe: logits = ((features - mean) / scale) · weightᵀ + bias.

    Attributes:
        mean: (F,) mean of each feature over the samples that it was fitted on.
        scale: (F,) standard deviation of each feature, 1 where it is 0.
        weight: (K, F).
        bias: (K,).
    """

    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Return the logits (N, K) of features (N, F)."""
        return F.linear((features - self.mean) / self.scale, self.weight, self.bias)


def fit_linear_probe(features: Tensor, labels: Tensor, classes: int) -> LinearProbe:
    """Fit a probe by L-BFGS from zero weights over all samples at once.

    The problem is convex, there is no learning rate, and nothing is random.

    Args:
        features: (N, F), float32.
        labels: (N,) in [0, K).
        classes: K.

    >>> features = torch.tensor([[0.0], [1.0], [9.0], [10.0]])
    >>> fit_linear_probe(features, torch.tensor([0, 0, 1, 1]), 2)(features).argmax(1).tolist()
    [0, 0, 1, 1]
    """
    features = features.detach()
    mean, scale = features.mean(0), features.std(0, correction=0)
    scale = torch.where(scale > 0, scale, 1)
    x = (features - mean) / scale
    weight, bias = x.new_zeros(classes, x.shape[1]), x.new_zeros(classes)
    parameters = [weight.requires_grad_(), bias.requires_grad_()]
    optimizer = without_compiler(torch.optim.LBFGS)(parameters, max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(F.linear(x, weight, bias), labels) + _L2 / 2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    return LinearProbe(mean, scale, weight.detach(), bias.detach())
