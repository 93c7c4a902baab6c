"""A term that a person's own function builds, called with embeddings and labels."""

from __future__ import annotations

from torch import Tensor, nn

from silhouette.config import options_under
from silhouette.errors import InputError
from silhouette.registry import own, short_name
from silhouette.training.terms.batch import Batch, Term
from silhouette.training.terms.parts import Parts


class OwnTerm(Term):
    """A person's own loss, `loss(embeddings, labels) -> scalar`, on all views of a batch.

    Args:
        name: Its name in the objective.
        parts: What terms are built from.

    Raises:
        InputError: If it cannot be imported, does not take its options, or builds something else than a module.
    """

    def __init__(self, name: str, parts: Parts) -> None:
        super().__init__()
        try:
            found = own("loss", name)
        except ValueError as error:
            raise InputError(f"objective: {error}") from None
        given = {"class_counts": tuple(parts.counts) or None} if "class_counts" in found.given else {}
        options = options_under(parts.config, short_name(name))
        loss = found.function(parts.classes, parts.config.embedding_dim, **options, **given)
        if not isinstance(loss, nn.Module):
            raise InputError(f"objective: {name} must return an nn.Module, got {type(loss).__name__}")
        self.loss = loss

    def forward(self, batch: Batch) -> Tensor:
        """Return the scalar loss of a batch."""
        batch = batch.sliced(first_view=False)
        value: Tensor = self.loss(batch.embedding, batch.labels)
        return value
