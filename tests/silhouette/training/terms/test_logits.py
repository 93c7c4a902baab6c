"""Terms of the logits: values computed by hand from the formulas of their papers, in float64."""

from math import exp, log

import pytest
import torch

from silhouette import TrialConfig
from silhouette.errors import InputError
from silhouette.training.objectives import Objective
from silhouette.training.terms.counts import effective_weights, label_margins, log_prior
from tests.helpers.terms import logits_only, loss_of

COUNTS = [8, 1]
ONE = logits_only([[1.0, 0.0]])
LABEL = torch.tensor([1])
CASES = {
    # shares 8/9 and 1/9: the softmax of (1, 0) + τ·log(8/9, 1/9)
    "logit_adjusted": ({"logit_tau": 0.5}, log(1 + exp(1) * 8**0.5)),
    "balanced_softmax": ({}, log(1 + 8 * exp(1))),
    # margins C·8^(-1/4) and C, with C = 0.5; the scale of the cosines is 30
    "ldam": ({}, log(1 + exp(1 + 30 * 0.5))),
    # 1 / (1 - 0.5^8) and 1 / (1 - 0.5), scaled to mean 1; cross-entropy is log(1 + e)
    "class_balanced": ({"cb_beta": 0.5}, log(1 + exp(1)) * 2 * 2 / (2 + 256 / 255)),
    # p_1 = 1 / (1 + e), so (1 - p_1)^2 = (e / (1 + e))^2
    "focal": ({}, log(1 + exp(1)) * (exp(1) / (1 + exp(1))) ** 2),
    # factors 1 and (1/8)^0.15; shifts log 8/9 and log 1/9
    "vs": ({}, log(1 + 8 * exp(1))),
}


@pytest.mark.parametrize("term", CASES)
def test_value_by_hand(term):
    settings, want = CASES[term]
    assert loss_of(term, ONE, LABEL, COUNTS, **settings) == pytest.approx(want, rel=1e-12)


def test_vs_multiplies_the_logits_of_rare_classes():
    output = logits_only([[0.0, 2.0]])
    want = log(1 + exp(0.25 * log(8) - 2 * (1 / 8) ** 0.15))
    got = loss_of("vs", output, LABEL, COUNTS, logit_tau=0.25)
    assert got == pytest.approx(want, rel=1e-12)


def test_balanced_softmax_is_logit_adjustment_with_tau_1():
    output, labels = logits_only([[0.3, -1.0, 2.0], [1.0, 0.5, 0.0]]), torch.tensor([0, 2])
    same = [loss_of(term, output, labels, [70, 20, 3]) for term in ("balanced_softmax", "logit_adjusted")]
    assert same[0] == pytest.approx(same[1], rel=1e-14)


@pytest.mark.parametrize(
    ("term", "settings"),
    [
        ("logit_adjusted", {"logit_tau": 0}),
        ("vs", {"logit_tau": 0, "vs_gamma": 0}),
        ("ldam", {"ldam_margin": 0}),
        ("class_balanced", {"cb_beta": 0}),
        ("focal", {"focal_gamma": 0}),
    ],
)
def test_a_term_without_its_change_is_cross_entropy(term, settings):
    output, labels = logits_only([[0.3, -1.0, 2.0], [1.0, 0.5, 0.0]]), torch.tensor([0, 2])
    got = loss_of(term, output, labels, [70, 20, 3], **settings)
    assert got == pytest.approx(loss_of("ce", output, labels), rel=1e-14)


def test_quantities_of_the_classes():
    assert log_prior([5, 3, 2]).exp().tolist() == pytest.approx([0.5, 0.3, 0.2])
    # with CIFAR-10's counts at 100: 0.0001 / (1 - 0.9999^n), scaled to mean 1
    counts = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    raw = [0.0001 / (1 - 0.9999**n) for n in counts]
    assert effective_weights(counts, 0.9999).tolist() == pytest.approx([10 * r / sum(raw) for r in raw], rel=1e-9)
    assert label_margins(counts, 0.5).tolist() == pytest.approx([0.5 * (50 / n) ** 0.25 for n in counts])


def test_weights_go_from_equal_to_inverse_counts():
    assert effective_weights([10, 1], 0).tolist() == [1, 1]
    near = effective_weights([10, 1], 1 - 1e-9)
    assert (near[1] / near[0]).item() == pytest.approx(10, rel=1e-6)


def test_a_class_without_training_samples_changes_nothing_but_stays_finite():
    output = logits_only([[0.3, -1.0, 2.0], [1.0, 0.5, 0.0]])
    for term in CASES:
        assert loss_of(term, output, torch.tensor([0, 2]), [70, 0, 3]) < 100


def test_focal_loss_has_a_finite_gradient_at_probability_1():
    logits = torch.tensor([[800.0, 0.0]], dtype=torch.float64, requires_grad=True)
    output = logits_only([[0.0, 0.0]])._replace(logits=logits)
    module = Objective(TrialConfig(objective="focal", focal_gamma=0.5), 2)
    module(output, torch.tensor([0])).total.backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("counts", "settings", "message"),
    [
        (None, {"objective": "vs"}, "objective: vs needs the training counts of all 3 classes, got none"),
        ([1, 2], {"objective": "paco"}, "objective: paco needs the training counts of all 3 classes, got 2"),
        (None, {"reweight": "drw", "drw_epoch": 1}, "reweight: drw needs the training counts of all 3 classes"),
    ],
)
def test_a_term_that_needs_counts_says_so(counts, settings, message):
    with pytest.raises(InputError, match=f"^{message}"):
        Objective(TrialConfig(transform="crop_flip", **settings), 3, counts)
