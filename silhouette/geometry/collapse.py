"""Neural collapse, NC1 to NC4 (Papyan, Han and Donoho 2020), for classes of any size.

All four fall to 0 as features collapse. Classes count equally, whatever their number of samples. μ_c is the mean of the
features of class c, μ_G the mean of the K class means, and M the (K, F) array of rows μ_c - μ_G.
"""

from __future__ import annotations

import torch
from torch import Tensor

from silhouette.geometry.tiles import class_means, tiles


def nc1(features: Tensor, labels: Tensor, means: Tensor) -> float | None:
    """Return Tr(Σ_W · Σ_B⁺) / K, at least 0: the variability within classes, relative to that between them.

    Σ_W is the mean over classes of their covariance, Σ_B = MᵀM / K that of the class means, ⁺ the pseudo-inverse.

    Args:
        features: (N, F).
        labels: (N,) in [0, K).
        means: (K, F) class means, float64.

    Returns:
        None if all class means are equal, where it is not defined.

    >>> from silhouette.geometry.tiles import class_means
    >>> h, y = torch.tensor([[0.0], [2.0], [5.0], [7.0]]), torch.tensor([0, 0, 1, 1])
    >>> round(nc1(h, y, class_means(h, y, 2)), 4)  # Σ_W = 1, Σ_B = 2.5²
    0.08
    """
    of_classes = variability(features, labels, means)
    return None if of_classes is None else float(of_classes.mean())


def variability(features: Tensor, labels: Tensor, means: Tensor) -> Tensor | None:
    """Return (K,) Tr(Σ_c · Σ_B⁺) / K with the covariance Σ_c of each class; their mean is `nc1`, which has the rest."""
    _, size, axes = torch.linalg.svd(means - means.mean(0), full_matrices=False)
    kept = size > size[0] * max(means.shape) * torch.finfo(size.dtype).eps
    kept[len(means) - 1 :] = False  # rows that sum to 0 have a rank below their number
    if not bool(kept.any()):
        return None
    whiten = axes[kept].t() / size[kept]  # (F, r): Σ_B⁺ = K · whiten · whitenᵀ, whose K the division by K cancels
    away = [
        ((features[part].double() - means[labels[part]]) @ whiten).square().sum(1, keepdim=True)
        for part in tiles(len(features), features.shape[1], features.device)
    ]
    return class_means(torch.cat(away), labels, len(means))[:, 0]


def nc2(means: Tensor) -> float | None:
    """Return the distance of the class means from a simplex of equal lengths and equal angles, in [0, √2].

    It is ‖MMᵀ/‖MMᵀ‖ - E/‖E‖‖ with E = I - 1/K and Frobenius norms (Zhu et al. 2021): 0 if all rows of M have the same
    length, and any two the cosine -1/(K-1). Papyan et al. plot lengths and angles apart.

    Args:
        means: (K, F) class means, float64.

    >>> nc2(torch.eye(3, dtype=torch.double)) < 1e-12
    True
    """
    centred = means - means.mean(0)
    inner = centred @ centred.t()
    simplex = torch.eye(len(means), dtype=inner.dtype, device=inner.device) - 1 / len(means)
    return _distance(inner, simplex)


def nc3(means: Tensor, weight: Tensor) -> float | None:
    """Return ‖W/‖W‖ - M/‖M‖‖² with Frobenius norms, in [0, 4]: the distance of the classifier from the class means.

    Args:
        means: (K, F) class means, float64.
        weight: (K, F) W, the rows of the linear classifier.
    """
    distance = _distance(weight.double(), means - means.mean(0))
    return None if distance is None else distance**2


def _distance(a: Tensor, b: Tensor) -> float | None:
    """Return the distance of two arrays that are scaled to length 1; None if one of them is 0."""
    lengths = a.norm(), b.norm()
    return None if 0 in map(float, lengths) else float((a / lengths[0] - b / lengths[1]).norm())


def nc4(features: Tensor, logits: Tensor, train_means: Tensor) -> float | None:
    """Return the share of samples, in [0, 1], for which the classifier does not choose the nearest class mean.

    Args:
        features: (N, F).
        logits: (N, K).
        train_means: (K, F) means of the training features of each class, float64; NaN for a class without any.

    >>> nc4(torch.tensor([[0.0], [4.0]]), torch.eye(2), torch.tensor([[0.0], [1.0]], dtype=torch.double))
    0.0
    """
    return float(disagreement(features, logits, train_means).double().mean()) if len(features) else None


def disagreement(features: Tensor, logits: Tensor, train_means: Tensor) -> Tensor:
    """Return (N,) whether the classifier does not choose the nearest class mean; the arguments are those of `nc4`."""
    absent = train_means.isnan().any(1)
    centres = torch.where(absent[:, None], 0, train_means)
    wrong = torch.zeros(len(features), dtype=torch.bool, device=features.device)
    for part in tiles(len(features), max(features.shape[1], len(centres)), features.device):
        far = torch.cdist(features[part].double(), centres).masked_fill(absent, torch.inf)
        wrong[part] = far.argmin(1) != logits[part].argmax(1)
    return wrong
