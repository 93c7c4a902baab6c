"""Supervised terms of the objective; `build_term` returns the module of a name in `silhouette.registry.TERMS`."""

from silhouette.training.terms.batch import Batch, Term, average
from silhouette.training.terms.build import build_term
from silhouette.training.terms.counts import effective_weights

__all__ = ["Batch", "Term", "average", "build_term", "effective_weights"]
