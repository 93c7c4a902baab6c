"""Every option of a term and of the silhouette arrives: the loss is that of a module built with the value."""

import math

import pytest
import torch

from search_spaces import FACTORS
from silhouette import TrialConfig
from silhouette.config.rules import INERT
from silhouette.loss.memory import MomentumMemory, QueueMemory
from silhouette.loss.soft_silhouette import SoftSilhouetteLoss
from silhouette.registry import TERMS
from silhouette.training.objectives import Objective
from silhouette.training.terms import contrastive, logits
from silhouette.training.terms.library import HardTriplets, LibraryTerm
from tests.helpers.terms import config_of, random_output

COUNTS = (200, 40, 5)
DIM, FEATURES, IMAGES = 5, 7, 36
PROXIES = {"num_classes": 3, "embedding_size": DIM}

DIRECT = {
    "logit_adjusted": lambda c: logits.logit_adjusted(COUNTS, c.logit_tau),
    "ldam": lambda c: logits.Ldam(COUNTS, c.ldam_margin, c.classifier_scale),
    "class_balanced": lambda c: logits.ClassBalanced(COUNTS, c.cb_beta),
    "focal": lambda c: logits.Focal(c.focal_gamma),
    "vs": lambda c: logits.vector_scaling(COUNTS, c.vs_gamma, c.logit_tau),
    "supcon": lambda c: LibraryTerm("SupConLoss", positive=True, first_view=True, temperature=c.temperature),
    "supcon2": lambda c: LibraryTerm("SupConLoss", positive=True, temperature=c.temperature),
    "bcl": lambda c: contrastive.Balanced(c.temperature, FEATURES, DIM),
    "kcl": lambda c: contrastive.KPositive(c.temperature, c.contrast_positives),
    "tsc": lambda c: contrastive.Targeted(c.temperature, c.contrast_positives, c.tsc_weight, 3, DIM),
    "paco": lambda c: contrastive.Parametric(COUNTS, c.temperature, c.paco_alpha),
    "proxy_nca": lambda c: LibraryTerm("ProxyNCALoss", softmax_scale=c.proxy_scale / 4, **PROXIES),
    "proxy_anchor": lambda c: LibraryTerm("ProxyAnchorLoss", alpha=c.proxy_scale, **PROXIES),
    "triplet": lambda c: HardTriplets(c.margin),
    "arcface": lambda c: LibraryTerm(
        "ArcFaceLoss", margin=math.degrees(c.arcface_margin), scale=c.margin_scale, **PROXIES
    ),
    "cosface": lambda c: LibraryTerm("CosFaceLoss", margin=c.cosface_margin, scale=c.margin_scale, **PROXIES),
    "subcenter_arcface": lambda c: LibraryTerm(
        "SubCenterArcFaceLoss", margin=math.degrees(c.arcface_margin), scale=c.margin_scale, sub_centers=c.sub_centers,
        **PROXIES,
    ),
    "softtriple": lambda c: LibraryTerm(
        "SoftTripleLoss", centers_per_class=c.softtriple_centers, la=c.softtriple_scale, gamma=c.softtriple_gamma,
        margin=c.softtriple_margin, **PROXIES,
    ),
    "normalized_softmax": lambda c: LibraryTerm("NormalizedSoftmaxLoss", temperature=c.softmax_temperature, **PROXIES),
    "circle": lambda c: LibraryTerm("CircleLoss", m=c.circle_margin, gamma=c.circle_scale),
}  # fmt: skip
"""The module of a term with the values of a config, built without `silhouette.training.terms.build`."""

OPTIONS = [*((name, option) for name, term in TERMS.items() for option in term.options), ("ldam", "classifier_scale")]


def other_value(option):
    return next(value for value in FACTORS[option].grid if value != TrialConfig.model_fields[option].default)


def value_of(name, config, *, direct=False):
    """The loss on one batch of two views, whose draws and parameters are the same in every call."""
    torch.manual_seed(0)
    output = random_output(TERMS[name].views * IMAGES, DIM)
    labels, weights = torch.arange(IMAGES) % 3, torch.randn(3, FEATURES, dtype=torch.float64)
    torch.manual_seed(1)
    module = Objective(config, 3, COUNTS, FEATURES)
    torch.manual_seed(1)
    term = DIRECT[name](config) if direct else None
    if term is not None:
        module.terms[name] = term
    module.double()
    torch.manual_seed(2)
    return module(output, labels, weights).total.item()


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_an_option_of_a_term_arrives(name, option):
    changed = config_of(name, embedding_dim=DIM, **{option: other_value(option)})
    found = value_of(name, changed)
    assert found == pytest.approx(value_of(name, changed, direct=True), rel=1e-12)
    assert found != pytest.approx(value_of(name, config_of(name, embedding_dim=DIM)), rel=1e-6)


MOMENTUM, QUEUE = {"class_memory": "momentum"}, {"class_memory": "queue"}
SILHOUETTE = [
    ({}, "tau_s", 0.5), ({}, "tau_m", 0.5), ({}, "distance", "cosine"), ({}, "distance", "sqeuclidean"),
    ({}, "softmin", "mean"), ({}, "reduction", "macro"), ({}, "reduction", "balanced"), ({}, "class_prior", 1.0),
    ({}, "class_memory", "momentum"), ({}, "class_memory", "queue"),
    (MOMENTUM, "memory_momentum", 0.3), (MOMENTUM, "memory_least", 4),
    (QUEUE, "memory_size", 2), (QUEUE, "memory_least", 4),
]  # fmt: skip
MEMORIES = {
    "none": lambda c: None,
    "momentum": lambda c: MomentumMemory(3, DIM, momentum=c.memory_momentum, least=c.memory_least),
    "queue": lambda c: QueueMemory(3, DIM, size=c.memory_size, least=c.memory_least),
}


def direct_silhouette(config):
    return SoftSilhouetteLoss(
        tau_s=config.tau_s, tau_m=config.tau_m, distance=config.distance, softmin=config.softmin,
        reduction=config.reduction, normalize=False, num_classes=3, class_counts=COUNTS,
        class_prior=config.class_prior, memory=MEMORIES[config.class_memory](config),
    )  # fmt: skip


def silhouette_of(config, *, direct=False):
    """The sum of the silhouette losses of four batches; the last lacks a class and has one sample of another."""
    module = Objective(config, 3, COUNTS, FEATURES).double()
    if direct:
        module.silhouette.loss = direct_silhouette(config).double()
    torch.manual_seed(0)
    found = 0.0
    for counts in ((4, 3, 2), (3, 4, 2), (4, 2, 3), (6, 1, 0)):
        labels = torch.repeat_interleave(torch.arange(3), torch.tensor(counts))
        found += module(random_output(len(labels), DIM), labels).silhouette.item()
    return found


@pytest.mark.parametrize(("base", "option", "value"), SILHOUETTE)
def test_an_option_of_the_silhouette_arrives(base, option, value):
    plain, changed = (TrialConfig(lambda_sil=1.0, embedding_dim=DIM, **base, **own) for own in ({}, {option: value}))
    found = silhouette_of(changed)
    assert found == pytest.approx(silhouette_of(changed, direct=True), rel=1e-12)
    assert found != pytest.approx(silhouette_of(plain), rel=1e-6)


def test_every_option_of_the_silhouette_is_tried():
    needing = {name for _, names, needs in INERT for name in names if "lambda_sil above 0" in needs}
    assert needing == {option for _, option, _ in SILHOUETTE}
