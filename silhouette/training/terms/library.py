"""Terms of pytorch-metric-learning, on the embeddings. Their papers stand in docs/method.md."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from silhouette.config import TrialConfig
from silhouette.training.terms.batch import Batch, Term, average


class LibraryTerm(Term):
    """A loss of pytorch-metric-learning.

    Args:
        name: Name of its class in `pytorch_metric_learning.losses`.
        per_sample: Whether the loss has one value per sample, and the objective may give them weights. The loss then
            returns its values instead of their mean.
        positive: Whether the library's mean leaves out samples whose loss is 0, such as those without a positive.
        first_view: Whether the term sees the first view of each image alone.
        **options: Arguments of the loss.
    """

    def __init__(
        self, name: str, *, per_sample: bool = False, positive: bool = False, first_view: bool = False, **options: Any
    ) -> None:
        super().__init__()
        from pytorch_metric_learning import losses, reducers  # takes a second to import

        if per_sample:
            options["reducer"] = reducers.DoNothingReducer()
        self.loss = getattr(losses, name)(**options)
        self.per_sample, self.positive, self.first_view = per_sample, positive, first_view

    def forward(self, batch: Batch) -> Tensor:
        """Return the scalar loss of a batch."""
        batch = batch.sliced(first_view=self.first_view)
        found = self.found(batch)
        return self._mean(found["loss"], batch) if self.per_sample else found

    def found(self, batch: Batch) -> Any:
        """Return what the library makes of a batch: the loss, or a dict of the losses of the samples."""
        return self.loss(batch.embedding, batch.labels)

    def _mean(self, found: dict[str, Any], batch: Batch) -> Tensor:
        if found["indices"] is None:  # no positive or no negative in the batch
            return batch.embedding.sum() * 0
        values, rows = found["losses"].flatten(), found["indices"]  # CircleLoss gives a column
        rows = rows[0] if isinstance(rows, tuple) else rows  # a triplet belongs to its anchor
        weights = torch.ones_like(values) if batch.weights is None else batch.weights[rows]
        return average(values, weights * (values > 0) if self.positive else weights)


class HardTriplets(LibraryTerm):
    """Triplet margin loss on the hardest triplet of each sample.

    Args:
        margin: Margin between the two distances.
        per_sample: As for `LibraryTerm`.
    """

    def __init__(self, margin: float, *, per_sample: bool = False) -> None:
        super().__init__("TripletMarginLoss", per_sample=per_sample, positive=True, margin=margin)
        from pytorch_metric_learning import miners

        self.miner = miners.BatchHardMiner()

    def found(self, batch: Batch) -> Any:
        """Return what the library makes of the hardest triplets of a batch."""
        return self.loss(batch.embedding, batch.labels, self.miner(batch.embedding, batch.labels))


def supcon(config: TrialConfig, *, first_view: bool) -> LibraryTerm:
    """Return SupCon on one view, or on all views."""
    weighted = config.reweight != "none"
    return LibraryTerm(
        "SupConLoss", per_sample=weighted, positive=True, first_view=first_view, temperature=config.temperature
    )


def circle(config: TrialConfig) -> LibraryTerm:
    """Return the circle loss, with one value per sample where it gets weights."""
    weighted = config.reweight != "none"
    return LibraryTerm(
        "CircleLoss", per_sample=weighted, positive=True, m=config.circle_margin, gamma=config.circle_scale
    )


def proxy_loss(name: str, config: TrialConfig, classes: int, *, per_sample: bool = True, **options: Any) -> LibraryTerm:
    """Return a loss with learned vectors for each class; per-sample values are asked for where they get weights."""
    options |= {"num_classes": classes, "embedding_size": config.embedding_dim}
    return LibraryTerm(name, per_sample=per_sample and config.reweight != "none", **options)


def margin_softmax(name: str, config: TrialConfig, classes: int, **options: Any) -> LibraryTerm:
    """Return an angular-margin loss; pytorch-metric-learning takes its angle in degrees."""
    if name != "CosFaceLoss":
        options["margin"] = math.degrees(config.arcface_margin)
    return proxy_loss(name, config, classes, scale=config.margin_scale, **options)


def soft_triple(config: TrialConfig, classes: int) -> LibraryTerm:
    """Return SoftTriple (Qian et al. 2019) without its regulariser of the centres."""
    return proxy_loss(
        "SoftTripleLoss",
        config,
        classes,
        centers_per_class=config.softtriple_centers,
        la=config.softtriple_scale,
        gamma=config.softtriple_gamma,
        margin=config.softtriple_margin,
    )
