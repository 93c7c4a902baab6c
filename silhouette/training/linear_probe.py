"""A linear probe: multinomial logistic regression on frozen features, for objectives without cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_L2 = 1e-4  # on the weights for standardised features, against the mean cross-entropy
_STEPS = 200


@dataclass(frozen=True)
class Probe:
    """Logits = ((features - mean) / scale) · weightᵀ + bias."""

    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Logits (N, K) of features (N, F)."""
        return F.linear((features - self.mean) / self.scale, self.weight, self.bias)


def fit(features: Tensor, labels: Tensor, classes: int) -> Probe:
    """The probe of features (N, F) with labels (N,) in [0, K).

    L-BFGS from zero weights over all samples at once: no chance, no learning rate, a convex problem.
    """
    features = features.detach()
    mean, scale = features.mean(0), features.std(0, correction=0)
    scale = torch.where(scale > 0, scale, 1)
    x = (features - mean) / scale
    weight, bias = x.new_zeros(classes, x.shape[1]), x.new_zeros(classes)
    parameters = [weight.requires_grad_(), bias.requires_grad_()]
    optimizer = torch.optim.LBFGS(parameters, max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(F.linear(x, weight, bias), labels) + _L2 / 2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    return Probe(mean, scale, weight.detach(), bias.detach())
