"""The module of each supervised term, by its name."""

from __future__ import annotations

from silhouette.registry import TERM_BUILDERS, TERMS, load
from silhouette.training.terms import contrastive, library, logits
from silhouette.training.terms.batch import Term
from silhouette.training.terms.center import CenterLoss
from silhouette.training.terms.own import OwnTerm
from silhouette.training.terms.parts import Parts


def build_term(name: str, parts: Parts) -> Term:
    """Return the untrained module of a term, ours or a person's own; torch's global generator decides its parameters.

    Raises:
        InputError: If an own term cannot be imported, does not take its options, or is no module.
    """
    if name not in TERMS:
        return OwnTerm(name, parts)
    term: Term = load(f"{TERM_BUILDERS}:{name}")(parts)
    return term


def ce(parts: Parts) -> Term:
    """Return the term `ce`."""
    return logits.CrossEntropy()


def logit_adjusted(parts: Parts) -> Term:
    """Return the term `logit_adjusted`."""
    return logits.logit_adjusted(parts.counts, parts.config.logit_tau)


def balanced_softmax(parts: Parts) -> Term:
    """Return the term `balanced_softmax`."""
    return logits.balanced_softmax(parts.counts)


def ldam(parts: Parts) -> Term:
    """Return the term `ldam`."""
    return logits.Ldam(parts.counts, parts.config.ldam_margin, parts.config.classifier_scale)


def class_balanced(parts: Parts) -> Term:
    """Return the term `class_balanced`."""
    return logits.ClassBalanced(parts.counts, parts.config.cb_beta)


def focal(parts: Parts) -> Term:
    """Return the term `focal`."""
    return logits.Focal(parts.config.focal_gamma)


def vs(parts: Parts) -> Term:
    """Return the term `vs`."""
    return logits.vector_scaling(parts.counts, parts.config.vs_gamma, parts.config.logit_tau)


def supcon(parts: Parts) -> Term:
    """Return the term `supcon`."""
    return library.supcon(parts.config, first_view=True)


def supcon2(parts: Parts) -> Term:
    """Return the term `supcon2`."""
    return library.supcon(parts.config, first_view=False)


def bcl(parts: Parts) -> Term:
    """Return the term `bcl`."""
    return contrastive.Balanced(parts.config.temperature, parts.features, parts.config.embedding_dim)


def kcl(parts: Parts) -> Term:
    """Return the term `kcl`."""
    return contrastive.KPositive(parts.config.temperature, parts.config.contrast_positives)


def tsc(parts: Parts) -> Term:
    """Return the term `tsc`."""
    config = parts.config
    k, weight = config.contrast_positives, config.tsc_weight
    return contrastive.Targeted(config.temperature, k, weight, parts.classes, config.embedding_dim)


def paco(parts: Parts) -> Term:
    """Return the term `paco`."""
    return contrastive.Parametric(parts.counts, parts.config.temperature, parts.config.paco_alpha)


def proxy_nca(parts: Parts) -> Term:
    """Return the term `proxy_nca`."""
    return library.proxy_loss("ProxyNCALoss", parts.config, parts.classes, softmax_scale=parts.config.proxy_scale / 4)


def proxy_anchor(parts: Parts) -> Term:
    """Return the term `proxy_anchor`."""
    return library.proxy_loss(
        "ProxyAnchorLoss", parts.config, parts.classes, per_sample=False, alpha=parts.config.proxy_scale
    )


def center(parts: Parts) -> Term:
    """Return the term `center`."""
    return CenterLoss(parts.classes, parts.config.embedding_dim)


def triplet(parts: Parts) -> Term:
    """Return the term `triplet`."""
    return library.HardTriplets(parts.config.margin, per_sample=parts.config.reweight != "none")


def arcface(parts: Parts) -> Term:
    """Return the term `arcface`."""
    return library.margin_softmax("ArcFaceLoss", parts.config, parts.classes)


def cosface(parts: Parts) -> Term:
    """Return the term `cosface`."""
    return library.margin_softmax("CosFaceLoss", parts.config, parts.classes, margin=parts.config.cosface_margin)


def subcenter_arcface(parts: Parts) -> Term:
    """Return the term `subcenter_arcface`."""
    return library.margin_softmax(
        "SubCenterArcFaceLoss", parts.config, parts.classes, sub_centers=parts.config.sub_centers
    )


def softtriple(parts: Parts) -> Term:
    """Return the term `softtriple`."""
    return library.soft_triple(parts.config, parts.classes)


def normalized_softmax(parts: Parts) -> Term:
    """Return the term `normalized_softmax`."""
    return library.proxy_loss(
        "NormalizedSoftmaxLoss", parts.config, parts.classes, temperature=parts.config.softmax_temperature
    )


def circle(parts: Parts) -> Term:
    """Return the term `circle`."""
    return library.circle(parts.config)
