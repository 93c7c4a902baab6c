"""Contrastive terms of long-tailed recognition, on two augmented views of each image.

z_i are the 2B embeddings, τ the temperature, P(i) the other samples of i's class, ĩ the other view of i's image, and
`p(j | i) = exp(z_i·z_j / τ) / Z_i`::

    bcl   -mean over P(i) and the prototype c_y of log p, Z_i = Σ_c mean over class c with its prototype (without i)
    kcl   -mean over ĩ and k samples of P(i) of log p, Z_i = Σ_{j ≠ i}
    tsc   as kcl, with K targets t_c in Z_i, minus w·log p(t_y | i)
    paco  -weighted mean of log p over P(i) with weight α and the own centre with weight 1, Z_i = Σ_{j ≠ i} + Σ centres

Zhu et al. 2022, Kang et al. 2021, Li et al. 2022, Cui et al. 2021.
docs/method.md says where these forms are shorter than those of the papers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from silhouette.loss.distances import sum_by_class, unit
from silhouette.training.simplex import spread
from silhouette.training.terms.batch import Batch, SampleTerm
from silhouette.training.terms.counts import log_prior


def similarities(batch: Batch, temperature: float) -> Tensor:
    """Return (V·B, V·B) z_i·z_j / τ, and -∞ for a sample with itself."""
    similar = batch.embedding @ batch.embedding.t() / temperature
    own = torch.eye(len(similar), dtype=torch.bool, device=similar.device)
    return similar.masked_fill(own, -torch.inf)


def mean_log(log_p: Tensor, positive: Tensor) -> Tensor:
    """Return (N,) minus the weighted means of log_p (N, M) with weights `positive` (N, M); 0 without a positive."""
    weights = positive.to(log_p)
    total = (log_p.masked_fill(weights == 0, 0) * weights).sum(1)
    return -total / weights.sum(1).clamp_min(torch.finfo(log_p.dtype).tiny)


def draw_positives(candidates: Tensor, k: int) -> Tensor:
    """Return a mask of at most k of the candidates (N, M) in each row, drawn by torch's generator of the device.

    >>> draw_positives(torch.tensor([[True, True, False], [False, True, False]]), 1).sum(1).tolist()
    [1, 1]
    """
    keys = torch.rand(candidates.shape, device=candidates.device).masked_fill(~candidates, -1)
    chosen = keys.topk(min(k, candidates.shape[1]), dim=1).indices
    return torch.zeros_like(candidates).scatter_(1, chosen, True) & candidates


class Balanced(SampleTerm):
    """Balanced contrastive loss: every class has the same share in the denominator, and is always present.

    The prototypes come from the rows of the classifier through a perceptron of one hidden layer.

    Args:
        temperature: τ.
        features: F, the number of features that the classifier takes.
        dim: D.
    """

    def __init__(self, temperature: float, features: int, dim: int) -> None:
        super().__init__()
        self.temperature = temperature
        self.prototypes = nn.Sequential(
            nn.Linear(features, features), nn.BatchNorm1d(features), nn.ReLU(inplace=True), nn.Linear(features, dim)
        )

    def values(self, batch: Batch) -> Tensor:
        """Return (V·B,) values.

        Raises:
            ValueError: If the batch has no class weights.
        """
        if batch.class_weights is None:
            raise ValueError("class_weights: bcl needs the rows of the classifier, got None")
        prototypes = unit(self.prototypes(batch.class_weights.to(batch.embedding)))
        return balanced_contrast(batch, prototypes, self.temperature)


def balanced_contrast(batch: Batch, prototypes: Tensor, temperature: float) -> Tensor:
    """Return the values (V·B,) of `bcl` with prototypes (K, D) of length 1."""
    classes = torch.arange(len(prototypes), device=batch.labels.device)
    labels = torch.cat([batch.labels, classes])
    similar = torch.cat([similarities(batch, temperature), batch.embedding @ prototypes.t() / temperature], 1)
    same = batch.labels[:, None] == labels
    members = sum_by_class(similar.new_ones(len(labels)), labels, len(classes))
    members = members[labels] - same.to(similar)  # i itself is left out
    total = (similar - members.clamp_min(1).log()).logsumexp(1, keepdim=True)
    return mean_log(similar - total, same & similar.isfinite())


class KPositive(SampleTerm):
    """k-positive contrastive loss: every sample has the same number of positives, whatever the size of its class.

    Args:
        temperature: τ.
        k: Positives beside the other view.
    """

    def __init__(self, temperature: float, k: int) -> None:
        super().__init__()
        self.temperature, self.k = temperature, k

    def values(self, batch: Batch) -> Tensor:
        """Return (V·B,) values."""
        return mean_log(similarities(batch, self.temperature).log_softmax(1), self.positives(batch))

    def positives(self, batch: Batch) -> Tensor:
        """Return (V·B, V·B) which samples are positives of which."""
        same, view = batch.in_view_pairs()
        return view | draw_positives(same & ~view, self.k)


class Targeted(KPositive):
    """Targeted contrastive loss: KCL, and each class is drawn to one of K targets that are spread on the sphere.

    At the start of each epoch but the first, classes and targets are matched so that the sum of t·m is largest, with m
    the directions of the running class means (momentum 0.9).

    Args:
        temperature: τ.
        k: Positives beside the other view.
        weight: Weight w of the log-probability of the own target.
        num_classes: K.
        dim: D.
    """

    targets: Tensor
    means: Tensor

    def __init__(self, temperature: float, k: int, weight: float, num_classes: int, dim: int) -> None:
        super().__init__(temperature, k)
        self.weight = weight
        self.register_buffer("targets", spread(num_classes, dim))
        self.register_buffer("means", torch.zeros(num_classes, dim))

    def start_epoch(self) -> None:
        """Match targets with classes; before the first batch every matching is equally good, and nothing moves."""
        if not self.means.any():
            return
        from scipy.optimize import linear_sum_assignment  # takes a moment to import

        gain = unit(self.means) @ self.targets.t()
        _, chosen = linear_sum_assignment(gain.double().cpu().numpy(), maximize=True)
        self.targets.copy_(self.targets[torch.from_numpy(chosen).to(self.targets.device)])

    def values(self, batch: Batch) -> Tensor:
        """Return (V·B,) values, and move the class means."""
        self._move(batch)
        targets = self.targets.to(batch.embedding)
        to_targets = batch.embedding @ targets.t() / self.temperature
        log_p = torch.cat([similarities(batch, self.temperature), to_targets], 1).log_softmax(1)
        samples = len(batch.labels)
        own = log_p[:, samples:].gather(1, batch.labels[:, None])[:, 0]
        return mean_log(log_p[:, :samples], self.positives(batch)) - self.weight * own

    @torch.no_grad()
    def _move(self, batch: Batch) -> None:
        member = F.one_hot(batch.labels, len(self.means)).to(self.means)  # (V·B, K)
        counts = member.sum(0)[:, None]
        means = member.t() @ batch.embedding.to(self.means) / counts.clamp_min(1)
        self.means.copy_(torch.where(counts > 0, 0.9 * self.means + 0.1 * means, self.means))


class Parametric(SampleTerm):
    """Parametric contrastive loss: the rows of the classifier are one more positive and K - 1 more negatives.

    Args:
        counts: Training samples of each class; log π is added to the logits, as in balanced softmax.
        temperature: τ of the samples; logits have temperature 1.
        alpha: α, the weight of a sample of the own class; that of the own centre is 1.
    """

    prior: Tensor

    def __init__(self, counts: Sequence[int], temperature: float, alpha: float) -> None:
        super().__init__()
        self.temperature, self.alpha = temperature, alpha
        self.register_buffer("prior", log_prior(counts), persistent=False)

    def values(self, batch: Batch) -> Tensor:
        """Return (V·B,) values."""
        logits = batch.logits + self.prior.to(batch.logits)
        log_p = torch.cat([similarities(batch, self.temperature), logits], 1).log_softmax(1)
        same, _ = batch.in_view_pairs()
        own = F.one_hot(batch.labels, logits.shape[1])
        return mean_log(log_p, torch.cat([self.alpha * same.to(log_p), own.to(log_p)], 1))
