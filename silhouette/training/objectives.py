"""The objective that is minimised: weighted supervised terms, plus λ_sil times the silhouette loss.

`silhouette.registry.TERMS` lists the terms, `silhouette.training.terms` has them, docs/method.md says what they are.

The text of Todescato and Carbonera (2026) that we have does not define "SupCon2"; we read it as two views. Embeddings
have length 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from silhouette.config import TrialConfig
from silhouette.errors import InputError
from silhouette.loss.distances import sum_by_class, wide
from silhouette.loss.memory import ClassMemory, MomentumMemory, QueueMemory
from silhouette.loss.soft_silhouette import SoftSilhouetteLoss
from silhouette.registry import short_name, term_entry
from silhouette.training.encoders import Output
from silhouette.training.terms import Batch, Term, average, build_term, effective_weights
from silhouette.training.terms.parts import Parts


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

    With `reweight="drw"`, from epoch `drw_epoch` on each term is Σ w·ℓ / Σ w over its samples, with w the weight of the
    class by its effective number of samples (Cao et al. 2019, Algorithm 1). Before that it is the plain mean.

    Args:
        config: `objective`, `lambda_sil`, `reweight` and the options of the terms matter.
        num_classes: K; labels lie in [0, K).
        class_counts: (K,) training samples of each class, by the labels that are trained on; None if no term needs
            them.
        features: Number of features that the classifier takes; only `bcl` needs it.

    Attributes:
        views: Augmented views of each image that a batch must hold, one after the other: 1 or 2.

    Raises:
        InputError: If a term needs the counts and there are none.

    >>> objective = Objective(TrialConfig(lambda_sil=0.5), num_classes=2)
    >>> output = Output(torch.ones(4, 3), torch.eye(4), torch.zeros(4, 2))
    >>> losses = objective(output, torch.tensor([0, 0, 1, 1]))
    >>> round(losses.supervised.item(), 3), sorted(losses.terms)
    (0.693, ['ce', 'sil'])
    """

    late_weights: Tensor | None

    def __init__(
        self,
        config: TrialConfig,
        num_classes: int,
        class_counts: Sequence[int] | None = None,
        features: int = 0,
    ) -> None:
        super().__init__()
        _check_counts(config, num_classes, class_counts)
        parts = Parts(config, num_classes, class_counts or (), features)
        self.weights = config.terms
        self.views = max(term_entry(name).views for name in self.weights)
        self.terms = nn.ModuleDict({short_name(name): build_term(name, parts) for name in self.weights})
        self.lambda_sil = config.lambda_sil
        self.silhouette = SilhouetteTerm(config, num_classes, class_counts)
        self.drw_epoch = config.drw_epoch
        late = effective_weights(parts.counts, config.drw_beta) if config.reweight == "drw" else None
        self.register_buffer("late_weights", late, persistent=False)
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Prepare an epoch, counted from 0: its class weights, and the terms whose state follows the epochs."""
        self.class_weighting = self.late_weights if epoch >= self.drw_epoch else None
        for term in self.terms.values():
            cast("Term", term).start_epoch()

    def parameters_of(self, kind: str) -> Iterator[nn.Parameter]:
        """Yield the parameters of the terms of a kind: `proxies` or `layers`, see `silhouette.registry.Term`."""
        for name in self.weights:
            if term_entry(name).parameters == kind:
                yield from self.terms[short_name(name)].parameters()

    def forward(self, output: Output, labels: Tensor, class_weights: Tensor | None = None) -> Losses:
        """Return the losses of a batch.

        Args:
            output: Output of the network on `views` · B images, the second views after all first views.
            labels: (B,).
            class_weights: (K, F) rows of the classifier; only `bcl` needs them.
        """
        batch = self._batch(output, labels, class_weights)
        terms = {name: w * self.terms[short_name(name)](batch) for name, w in self.weights.items()}
        supervised = total = torch.stack(list(terms.values())).sum()
        silhouette = None
        if self.lambda_sil > 0:
            silhouette = self.silhouette(batch)
            terms["sil"] = self.lambda_sil * silhouette
            total = supervised + terms["sil"]
        return Losses(total, supervised, silhouette, {k: v.detach() for k, v in terms.items()})

    def _batch(self, output: Output, labels: Tensor, class_weights: Tensor | None) -> Batch:
        images, labels = len(labels), labels.repeat(self.views)
        weighting = self.class_weighting
        weights = None if weighting is None else weighting.to(output.embedding)[labels]
        return Batch(wide(output.logits), output.embedding, labels, images, class_weights, weights)


_MEMORIES: dict[str, Callable[[TrialConfig, int], ClassMemory | None]] = {
    "none": lambda _, classes: None,
    "momentum": lambda c, classes: MomentumMemory(
        classes, c.embedding_dim, momentum=c.memory_momentum, least=c.memory_least
    ),
    "queue": lambda c, classes: QueueMemory(classes, c.embedding_dim, size=c.memory_size, least=c.memory_least),
}


class SilhouetteTerm(Term):
    """The silhouette loss of a config on a batch.

    Args:
        config: The options of the loss matter, and `reweight`, which needs one value per sample.
        num_classes: K.
        class_counts: (K,) training samples of each class; needed by `class_prior` and `reduction="balanced"`.
    """

    def __init__(self, config: TrialConfig, num_classes: int, class_counts: Sequence[int] | None = None) -> None:
        super().__init__()
        self.reweighted, self.macro = config.reweight != "none", config.reduction == "macro"
        self.loss = SoftSilhouetteLoss(
            tau_s=config.tau_s,
            tau_m=config.tau_m,
            distance=config.distance,
            softmin=config.softmin,
            reduction="none" if self.reweighted else config.reduction,
            normalize=False,  # the network scales its embeddings
            num_classes=num_classes,
            class_counts=class_counts,
            class_prior=config.class_prior,
            memory=_MEMORIES[config.class_memory](config, num_classes),
            validate=False,  # the trainer checks the loss and the gradient
        )

    def forward(self, batch: Batch) -> Tensor:
        """Return the scalar loss of a batch."""
        values: Tensor = self.loss(batch.embedding, batch.labels)
        if not self.reweighted:
            return values
        weights = torch.ones_like(values) if batch.weights is None else batch.weights.to(values)
        if self.macro:  # a class has its weight once, however many samples it has in the batch
            counts = sum_by_class(torch.ones_like(values), batch.labels, batch.logits.shape[1])
            weights = weights / counts[batch.labels]
        return average(values, weights)


def _check_counts(config: TrialConfig, num_classes: int, counts: Sequence[int] | None) -> None:
    needing = [f"objective: {name}" for name in config.terms if term_entry(name).counts]
    needing += ["reweight: drw"] if config.reweight == "drw" else []
    needing += ["class_prior"] if config.class_prior else []
    needing += ["reduction: balanced"] if config.reduction == "balanced" else []
    if needing and (counts is None or len(counts) != num_classes):
        given = "none" if counts is None else f"{len(counts)}"
        raise InputError(
            f"{needing[0]} needs the training counts of all {num_classes} classes, got {given}; give class_counts"
        )
