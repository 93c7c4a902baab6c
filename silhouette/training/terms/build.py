"""The module of each supervised term, by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from silhouette.config import TrialConfig
from silhouette.training.terms import contrastive, library, logits
from silhouette.training.terms.batch import Term
from silhouette.training.terms.center import CenterLoss


class Parts(NamedTuple):
    """What a term is built from.

    Attributes:
        config: Options of the terms.
        classes: K.
        counts: Training samples of each class; empty if no term needs them.
        features: F, the number of features that the classifier takes.
    """

    config: TrialConfig
    classes: int
    counts: Sequence[int]
    features: int


def build_term(name: str, parts: Parts) -> Term:
    """Return the untrained module of a term; torch's global generator decides its parameters."""
    return _BUILDERS[name](parts)


def _targeted(parts: Parts) -> Term:
    config = parts.config
    k, weight = config.contrast_positives, config.tsc_weight
    return contrastive.Targeted(config.temperature, k, weight, parts.classes, config.embedding_dim)


_BUILDERS: dict[str, Callable[[Parts], Term]] = {
    "ce": lambda p: logits.CrossEntropy(),
    "logit_adjusted": lambda p: logits.logit_adjusted(p.counts, p.config.logit_tau),
    "balanced_softmax": lambda p: logits.balanced_softmax(p.counts),
    "ldam": lambda p: logits.Ldam(p.counts, p.config.ldam_margin, p.config.classifier_scale),
    "class_balanced": lambda p: logits.ClassBalanced(p.counts, p.config.cb_beta),
    "focal": lambda p: logits.Focal(p.config.focal_gamma),
    "vs": lambda p: logits.vector_scaling(p.counts, p.config.vs_gamma, p.config.logit_tau),
    "supcon": lambda p: library.supcon(p.config, first_view=True),
    "supcon2": lambda p: library.supcon(p.config, first_view=False),
    "bcl": lambda p: contrastive.Balanced(p.config.temperature, p.features, p.config.embedding_dim),
    "kcl": lambda p: contrastive.KPositive(p.config.temperature, p.config.contrast_positives),
    "tsc": _targeted,
    "paco": lambda p: contrastive.Parametric(p.counts, p.config.temperature, p.config.paco_alpha),
    "proxy_nca": lambda p: library.proxy_loss(
        "ProxyNCALoss", p.config, p.classes, softmax_scale=p.config.proxy_scale / 4
    ),
    "proxy_anchor": lambda p: library.proxy_loss(
        "ProxyAnchorLoss", p.config, p.classes, per_sample=False, alpha=p.config.proxy_scale
    ),
    "center": lambda p: CenterLoss(p.classes, p.config.embedding_dim),
    "triplet": lambda p: library.HardTriplets(p.config.margin, per_sample=p.config.reweight != "none"),
    "arcface": lambda p: library.margin_softmax("ArcFaceLoss", p.config, p.classes),
    "cosface": lambda p: library.margin_softmax("CosFaceLoss", p.config, p.classes, margin=p.config.cosface_margin),
    "subcenter_arcface": lambda p: library.margin_softmax(
        "SubCenterArcFaceLoss", p.config, p.classes, sub_centers=p.config.sub_centers
    ),
    "softtriple": lambda p: library.soft_triple(p.config, p.classes),
    "normalized_softmax": lambda p: library.proxy_loss(
        "NormalizedSoftmaxLoss", p.config, p.classes, temperature=p.config.softmax_temperature
    ),
    "circle": lambda p: library.circle(p.config),
}
