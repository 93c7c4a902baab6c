"""The objective that is minimised: weighted supervised terms, plus λ_sil times the silhouette loss.

========== ================================================================================ ===================
term       what                                                                             input
========== ================================================================================ ===================
ce         cross-entropy                                                                    logits
supcon     SupCon (Khosla et al. 2020) on one view of each image                            embeddings
supcon2    SupCon on two augmented views; every other term but `supcon` then sees both      embeddings
proxy_nca  Proxy-NCA (Movshovitz-Attias et al. 2017)                                        embeddings, proxies
proxy_anchor Proxy-Anchor (Kim et al. 2020)                                                 embeddings, proxies
center     ½ mean squared distance to the centre of the own class (Wen et al. 2016)         embeddings, centres
triplet    triplet margin loss on the hardest triplet of each sample (Hermans et al. 2017)  embeddings
========== ================================================================================ ===================

The text of Todescato and Carbonera (2026) that we have does not define "SupCon2"; we read it as two views. Embeddings
have length 1. All other terms but `ce` and `center` are those of pytorch-metric-learning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from silhouette.config import TrialConfig
from silhouette.loss.soft_silhouette import SoftSilhouetteLoss
from silhouette.training.encoders import Output


class Losses(NamedTuple):
    """Scalars of one batch.

    Attributes:
        total: The minimised value: `supervised` + λ_sil · `silhouette`.
        supervised: Weighted sum of the supervised terms.
        silhouette: The silhouette loss without its weight; None if λ_sil is 0.
        terms: Weighted value of every term, `sil` included, detached.
    """

    total: Tensor
    supervised: Tensor
    silhouette: Tensor | None
    terms: dict[str, Tensor]


class Objective(nn.Module):
    """The loss of a config: `objective(output, labels) -> Losses`.

    Args:
        config: `objective`, `lambda_sil` and the options of the terms matter.
        num_classes: K; labels lie in [0, K).

    Attributes:
        views: Augmented views of each image that a batch must hold, one after the other: 1 or 2.

    >>> objective = Objective(TrialConfig(lambda_sil=0.5), num_classes=2)
    >>> output = Output(torch.ones(4, 3), torch.eye(4), torch.zeros(4, 2))
    >>> losses = objective(output, torch.tensor([0, 0, 1, 1]))
    >>> round(losses.supervised.item(), 3), sorted(losses.terms)
    (0.693, ['ce', 'sil'])
    """

    def __init__(self, config: TrialConfig, num_classes: int) -> None:
        super().__init__()
        self.weights = config.terms
        self.views = 2 if "supcon2" in self.weights else 1
        self.metric = nn.ModuleDict(
            {name: _BUILDERS[name](config, num_classes) for name in self.weights if name != "ce"}
        )
        self.lambda_sil = config.lambda_sil
        self.silhouette = SoftSilhouetteLoss(
            tau_s=config.tau_s,
            tau_m=config.tau_m,
            distance=config.distance,
            softmin=config.softmin,
            reduction=config.reduction,
            normalize=False,  # the network scales its embeddings
            num_classes=num_classes,
            validate=False,  # the trainer checks the loss and the gradient
        )

    def forward(self, output: Output, labels: Tensor) -> Losses:
        """Return the losses of a batch.

        Args:
            output: Output of the network on `views` · B images, the second views after all first views.
            labels: (B,).
        """
        images, labels = len(labels), labels.repeat(self.views)
        terms = {name: w * self._term(name, output, labels, images) for name, w in self.weights.items()}
        supervised = total = torch.stack(list(terms.values())).sum()
        silhouette = None
        if self.lambda_sil > 0:
            silhouette = self.silhouette(output.embedding, labels)
            terms["sil"] = self.lambda_sil * silhouette
            total = supervised + terms["sil"]
        return Losses(total, supervised, silhouette, {k: v.detach() for k, v in terms.items()})

    def _term(self, name: str, output: Output, labels: Tensor, images: int) -> Tensor:
        if name == "ce":
            return F.cross_entropy(output.logits.float(), labels)
        seen = images if name == "supcon" else len(labels)
        loss: Tensor = self.metric[name](output.embedding[:seen], labels[:seen])
        return loss


class CenterLoss(nn.Module):
    """½ · mean_i |z_i - c_{y_i}|², in [0, 2] for embeddings and centres of length at most 1; lower is better.

    The centres start at 0 and follow the gradient like other parameters. Wen et al. (2016) move them by a running mean
    instead; either way the centre of a class moves towards the mean of its samples.

    Args:
        num_classes: K.
        dim: D.

    >>> CenterLoss(2, 3)(torch.ones(4, 3), torch.tensor([0, 0, 1, 1])).item()
    1.5
    """

    def __init__(self, num_classes: int, dim: int) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.zeros(num_classes, dim))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of embeddings (B, D) with labels (B,) in [0, K)."""
        return (embeddings - self.centers[labels]).square().sum(1).mean() / 2


def _supcon(config: TrialConfig, _: int) -> nn.Module:
    losses, _ = _pml_modules()
    module: nn.Module = losses.SupConLoss(temperature=config.temperature)
    return module


def _proxy_nca(config: TrialConfig, classes: int) -> nn.Module:
    losses, _ = _pml_modules()
    module: nn.Module = losses.ProxyNCALoss(classes, config.embedding_dim, softmax_scale=config.proxy_scale / 4)
    return module


def _proxy_anchor(config: TrialConfig, classes: int) -> nn.Module:
    losses, _ = _pml_modules()
    module: nn.Module = losses.ProxyAnchorLoss(classes, config.embedding_dim, alpha=config.proxy_scale)
    return module


class _HardTriplets(nn.Module):
    """Triplet margin loss on the hardest triplet of each sample."""

    def __init__(self, margin: float) -> None:
        super().__init__()
        losses, miners = _pml_modules()
        self.loss, self.miner = losses.TripletMarginLoss(margin=margin), miners.BatchHardMiner()

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        loss: Tensor = self.loss(embeddings, labels, self.miner(embeddings, labels))
        return loss


def _pml_modules() -> tuple[Any, Any]:
    """Return the losses and the miners of pytorch-metric-learning."""
    from pytorch_metric_learning import losses, miners  # takes a second to import

    return losses, miners


_BUILDERS: dict[str, Callable[[TrialConfig, int], nn.Module]] = {
    "supcon": _supcon,
    "supcon2": _supcon,
    "proxy_nca": _proxy_nca,
    "proxy_anchor": _proxy_anchor,
    "center": lambda config, classes: CenterLoss(classes, config.embedding_dim),
    "triplet": lambda config, _: _HardTriplets(config.margin),
}
