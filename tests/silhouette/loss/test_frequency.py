"""The corrections for class frequencies, against a slow loop, finite differences, and cases worked by hand."""

import math
import re

import pytest
import torch

from silhouette import SoftSilhouetteLoss, soft_silhouette
from silhouette.loss.frequency import log_class_weights
from tests.helpers import reference

COUNTS = (500, 120, 30, 6, 1)
each_distance = pytest.mark.parametrize("distance", ["euclidean", "sqeuclidean", "cosine"])


def batch(samples=40, dim=6, classes=5, seed=0):
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (samples,), generator=rng)
    return torch.randn(samples, dim, generator=rng, dtype=torch.float64) + labels[:, None] / 2, labels


@each_distance
@pytest.mark.parametrize("softmin", ["sum", "mean"])
@pytest.mark.parametrize("power", [1.0, -0.5])
def test_weighted_soft_minimum_equals_the_slow_loop(distance, softmin, power):
    z, labels = batch()
    labels[labels == 4] = 2  # one class is absent
    weights = [n**power * len(COUNTS) / sum(m**power for m in COUNTS) for n in COUNTS]
    got = -SoftSilhouetteLoss(
        distance=distance,
        softmin=softmin,
        normalize=False,
        reduction="none",
        num_classes=5,
        class_counts=COUNTS,
        class_prior=power,
    )(z, labels)
    want = reference.soft_silhouette(z, labels.tolist(), kind=distance, softmin=softmin, weights=weights)
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12)


def test_a_case_worked_by_hand():
    # On a line: class 0 at 0 and 1, class 1 at 4, class 2 at -3 and -5; counts 8, 3, 1, so p = 1 gives the weights
    # 2, 3/4 and 1/4. For the sample at 0: a = 1, both distances are 4, b = 4 - log(3/4 + 1/4) = 4.
    # For the sample at 4: alone, 0. Sample at -3: a = 2, distances 3.5 and 7, b = -log(2 e^-3.5 + 3/4 e^-7).
    z, labels = torch.tensor([[0.0], [1.0], [4.0], [-3.0], [-5.0]], dtype=torch.float64), torch.tensor([0, 0, 1, 2, 2])
    loss = SoftSilhouetteLoss(
        tau_s=1.0, tau_m=1.0, normalize=False, num_classes=3, class_counts=[8, 3, 1], class_prior=1.0, reduction="none"
    )
    first, _, alone, third, _ = (-loss(z, labels)).tolist()
    b = -math.log(2 * math.exp(-3.5) + 0.75 * math.exp(-7))
    assert first == pytest.approx(3 / math.log(math.e + math.exp(4)), rel=1e-12)
    assert alone == 0
    assert third == pytest.approx((b - 2) / math.log(math.exp(2) + math.exp(b)), rel=1e-12)


@each_distance
@pytest.mark.parametrize("softmin", ["sum", "mean"])
def test_first_and_second_derivatives(distance, softmin):
    z, _ = batch(9, 3)
    labels = torch.tensor([0, 0, 1, 1, 1, 2, 3, 3, 3])
    loss = SoftSilhouetteLoss(
        distance=distance,
        softmin=softmin,
        num_classes=5,
        class_counts=COUNTS,
        class_prior=1.0,
        reduction="balanced",
        tau_s=0.5,
    )
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), z.requires_grad_())
    assert torch.autograd.gradgradcheck(lambda x: loss(x, labels), z)


@pytest.mark.parametrize("softmin", ["sum", "mean"])
def test_equal_counts_change_nothing(softmin):
    z, labels = batch()
    loss = SoftSilhouetteLoss(
        softmin=softmin, num_classes=5, class_counts=[70] * 5, class_prior=2.0, reduction="balanced"
    )
    torch.testing.assert_close(loss(z, labels), SoftSilhouetteLoss(softmin=softmin)(z, labels))


def test_a_frequent_class_competes_more():
    z, labels = torch.eye(3, dtype=torch.float64).repeat_interleave(2, 0), torch.tensor([0, 0, 1, 1, 2, 2])
    scores = soft_silhouette(z, labels, num_classes=3, log_weights=log_class_weights([900, 90, 10], 1.0))
    assert scores[0] > scores[2] > scores[4]  # all are equally far; the others of the frequent class are rare


def test_balanced_weighs_classes_equally_over_all_batches():
    # The weighted mean over an epoch is the mean over classes of the mean of their samples, which `macro` is not.
    z, labels = batch(60)
    counts = labels.bincount(minlength=5)
    options = {"num_classes": 5, "class_counts": counts}
    parts = torch.arange(60).view(6, 10)
    balanced = torch.stack([SoftSilhouetteLoss(reduction="balanced", **options)(z[p], labels[p]) for p in parts]).mean()
    macro = torch.stack([SoftSilhouetteLoss(reduction="macro")(z[p], labels[p]) for p in parts]).mean()
    scores = torch.cat([soft_silhouette(z[p], labels[p]) for p in parts])
    want = -torch.stack([scores[labels == c].mean() for c in range(5)]).mean()
    torch.testing.assert_close(balanced, want)
    assert abs(macro - want) > 1e-3


@pytest.mark.parametrize("power", [-2.0, 2.0])
def test_extreme_counts_have_finite_values_and_gradients(power):
    z, labels = batch(30)
    z = z.float().requires_grad_()
    loss = SoftSilhouetteLoss(
        tau_s=1e-3, softmin="mean", num_classes=5, class_counts=[10**7, 100, 1, 0, 1], class_prior=power
    )(z, labels)
    loss.backward()
    assert loss.isfinite()
    assert z.grad.isfinite().all()


def test_weights_are_no_state():
    loss = SoftSilhouetteLoss(num_classes=2, class_counts=[5, 1], class_prior=1.0, reduction="balanced")
    assert loss.state_dict() == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_prior": 1.0, "num_classes": 2}, "class_counts: must be given with class_prior, got None"),
        (
            {"reduction": "balanced", "num_classes": 2},
            "class_counts: must be given with reduction='balanced', got None",
        ),
        (
            {"class_prior": 1.0, "class_counts": [1, 2]},
            "num_classes: must be given with class_counts, since labels index them, got None",
        ),
        (
            {"class_prior": 1.0, "class_counts": [1, 2], "num_classes": 3},
            "class_counts: must be (3,) as num_classes is, got (2,)",
        ),
        (
            {"class_prior": 1.0, "class_counts": [0, 0], "num_classes": 2},
            "class_counts: must be finite numbers of at least 0, one of them above 0, got [0.0, 0.0]",
        ),
        (
            {"class_prior": 1.0, "class_counts": "many", "num_classes": 2},
            "class_counts: must be 2 numbers, got 'many'",
        ),
        ({"class_prior": math.inf}, "class_prior: must be a finite number, got inf"),
    ],
)
def test_bad_options_are_one_line(options, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        SoftSilhouetteLoss(**options)


def test_bad_weights_are_one_line():
    z, labels = batch()
    with pytest.raises(ValueError, match=r"^num_classes: must be given with log_weights, since"):
        soft_silhouette(z, labels, log_weights=torch.zeros(5))
    with pytest.raises(ValueError, match=r"^log_weights: must be a tensor \(5,\) as num_classes is, got list$"):
        soft_silhouette(z, labels, num_classes=5, log_weights=[0.0] * 5)
    with pytest.raises(TypeError, match=r"^class_prior: must be a number, got '1' \(str\)$"):
        SoftSilhouetteLoss(class_prior="1")
