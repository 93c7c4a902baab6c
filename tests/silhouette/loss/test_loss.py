"""The loss against a slow loop, scikit-learn, finite differences, and cases worked by hand."""

import math
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_samples

from silhouette import SoftSilhouetteLoss, soft_silhouette
from silhouette.loss.formula import Options, Outside, autograd_scores
from tests.helpers import reference

DISTANCES = ("euclidean", "sqeuclidean", "cosine")
each_distance = pytest.mark.parametrize("distance", DISTANCES)


def batch(samples=40, dim=6, classes=5, seed=0, dtype=torch.float64):
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (samples,), generator=rng)
    return torch.randn(samples, dim, generator=rng, dtype=dtype) + labels[:, None] / 2, labels


@each_distance
@pytest.mark.parametrize("softmin", ["sum", "mean"])
@pytest.mark.parametrize(("tau_s", "tau_m"), [(0.1, 0.1), (0.05, 1.0), (2.0, 0.2)])
def test_equals_the_slow_loop(distance, softmin, tau_s, tau_m):
    z, labels = batch()
    labels[3] = 17  # alone in its class
    options = {"tau_s": tau_s, "tau_m": tau_m, "softmin": softmin}
    got = soft_silhouette(z, labels, distance=distance, normalize=False, **options)
    want = reference.soft_silhouette(z, labels.tolist(), kind=distance, **options)
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12)


@each_distance
def test_normalize_scales_to_length_one(distance):
    z, labels = batch()
    want = reference.soft_silhouette(z / z.norm(dim=1, keepdim=True), labels.tolist(), kind=distance)
    torch.testing.assert_close(soft_silhouette(z, labels, distance=distance), want)


@each_distance
def test_is_the_classical_silhouette_in_the_hard_limit(distance):
    z, labels = batch(60)
    got = soft_silhouette(z, labels, tau_s=1e-5, tau_m=1e-5, distance=distance, normalize=False)
    want = silhouette_samples(z.numpy(), labels.numpy(), metric=distance)
    torch.testing.assert_close(got, torch.from_numpy(want), rtol=0, atol=1e-9)


@each_distance
def test_fast_path_equals_all_pairs_in_float32(distance):
    z, labels = batch(200, 32, 12, dtype=torch.float32)
    got = soft_silhouette(z, labels, distance=distance)
    want = reference.soft_silhouette(z.double(), labels.tolist(), kind=distance) if distance == "cosine" else None
    if want is None:
        unit = (z / z.norm(dim=1, keepdim=True)).double()
        want = reference.soft_silhouette(unit, labels.tolist(), kind=distance)
    torch.testing.assert_close(got.double(), want, rtol=0, atol=2e-5)


@each_distance
@pytest.mark.parametrize("normalize", [True, False])
def test_first_and_second_derivatives(distance, normalize):
    z, _ = batch(9, 3)
    labels = torch.tensor([0, 0, 1, 1, 1, 2, 3, 3, 3])

    def scores(x):
        return soft_silhouette(x, labels, distance=distance, normalize=normalize)

    assert torch.autograd.gradcheck(scores, z.requires_grad_())
    assert torch.autograd.gradgradcheck(scores, z)


@each_distance
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(
    "labels", [[0, 0, 1, 1, 1, 2, 3, 3, 3], [0, 0, 0, 1, 1, 1, 2, 2, 2]], ids=["one alone", "none"]
)
def test_derivatives_of_the_mean(distance, normalize, labels):
    z, _ = batch(9, 3)
    loss, inputs = (
        SoftSilhouetteLoss(distance=distance, normalize=normalize),
        (z.requires_grad_(), torch.tensor(labels)),
    )
    assert torch.autograd.gradcheck(loss, inputs)
    assert torch.autograd.gradgradcheck(loss, inputs)


@each_distance
def test_the_mean_is_that_of_the_scores_with_the_same_gradient(distance):
    z, labels = batch(dtype=torch.float32)
    first, second = z.clone().requires_grad_(), z.clone().requires_grad_()
    mean = SoftSilhouetteLoss(distance=distance)(first, labels)
    scores = SoftSilhouetteLoss(distance=distance, reduction="none")(second, labels)
    (3 * mean).backward()
    (3 * scores.mean()).backward()
    torch.testing.assert_close(mean, scores.mean())
    torch.testing.assert_close(first.grad, second.grad)


@each_distance
def test_a_zero_row_has_the_gradient_of_the_formula(distance):
    z, labels = batch()
    z[5] = 0
    first, second = z.clone().requires_grad_(), z.clone().requires_grad_()
    soft_silhouette(first, labels, distance=distance).sum().backward()
    options = Options(0.1, 0.1, distance, "sum", normalize=True)
    autograd_scores(second, labels, labels.bincount().double(), options, Outside()).sum().backward()
    assert first.grad.isfinite().all()
    torch.testing.assert_close(first.grad, second.grad)


def test_what_is_not_a_number_stays_so_where_it_is_not_checked():
    z, labels = batch(dtype=torch.float32)
    z[3, 2] = math.nan
    assert SoftSilhouetteLoss(validate=False, num_classes=5)(z, labels).isnan()


@each_distance
def test_derivatives_of_the_macro_reduction_and_the_mean_over_classes(distance):
    z, _ = batch(9, 3)
    labels = torch.tensor([0, 0, 1, 1, 1, 1, 2, 3, 3])
    loss = SoftSilhouetteLoss(distance=distance, softmin="mean", reduction="macro", tau_s=0.5)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), z.requires_grad_())
    assert torch.autograd.gradgradcheck(lambda x: loss(x, labels), z)


@each_distance
def test_tiles_do_not_change_the_gradient(distance, monkeypatch):
    z, labels = batch(37, classes=4)
    want = torch.autograd.grad(SoftSilhouetteLoss(distance=distance)(z.requires_grad_(), labels), z)[0]
    monkeypatch.setattr("silhouette.loss.distances._TILE", 5 * 37)
    monkeypatch.setattr("silhouette.loss.distances._FEW_CLASSES", 1)
    got = torch.autograd.grad(SoftSilhouetteLoss(distance=distance)(z, labels), z)[0]
    torch.testing.assert_close(got, want)


@each_distance
def test_order_of_rows_and_names_of_classes_do_not_matter(distance):
    z, labels = batch()
    scores = soft_silhouette(z, labels, distance=distance)
    order = torch.randperm(len(z))
    torch.testing.assert_close(soft_silhouette(z[order], labels[order], distance=distance), scores[order])
    names = torch.tensor([900, -3, 7, 2**40, 0])
    torch.testing.assert_close(soft_silhouette(z, names[labels], distance=distance), scores)


@each_distance
def test_a_fixed_number_of_classes_changes_nothing(distance):
    z, labels = batch()
    torch.testing.assert_close(
        soft_silhouette(z, labels, distance=distance, num_classes=50),
        soft_silhouette(z, labels, distance=distance),
    )


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool])
def test_any_integer_label_dtype(dtype):
    z, labels = batch(classes=2)
    torch.testing.assert_close(soft_silhouette(z, labels.to(dtype)), soft_silhouette(z, labels))


@each_distance
@given(st.integers(1, 12), st.integers(1, 4), st.floats(-4, 1), st.floats(-4, 1), st.floats(-6, 6), st.booleans())
@settings(max_examples=40, deadline=None)
def test_is_finite_and_at_most_one(distance, samples, classes, log_s, log_m, log_scale, normalize):
    z, labels = batch(samples, 4, classes, dtype=torch.float32)
    z = (z * 10**log_scale).round(decimals=3).requires_grad_()  # rounding makes some rows equal or zero
    scores = soft_silhouette(z, labels, tau_s=10**log_s, tau_m=10**log_m, distance=distance, normalize=normalize)
    scores.sum().backward()
    assert scores.isfinite().all()
    assert (scores <= 1 + 1e-5).all()
    assert z.grad.isfinite().all()


@each_distance
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("tau", [1e-4, 0.1, 10.0])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("kind", ["identical", "zeros", "some zeros", "spread"])
def test_extremes_have_finite_values_and_gradients(distance, normalize, tau, scale, kind):
    z, labels = batch(30, 4, 6, dtype=torch.float32)
    z = {
        "identical": z[:1].repeat(30, 1),
        "zeros": torch.zeros_like(z),
        "some zeros": z * (torch.arange(30) % 3 > 0)[:, None],
        "spread": z,
    }[kind]
    z = (z * scale).requires_grad_()
    loss = SoftSilhouetteLoss(tau_s=tau, tau_m=tau, distance=distance, normalize=normalize)(z, labels)
    loss.backward()
    assert loss.isfinite()
    assert z.grad.isfinite().all()


@each_distance
@pytest.mark.parametrize("labels", [[3], [3, 3, 3], [0, 1, 2]], ids=["one sample", "one class", "all alone"])
def test_undefined_scores_are_zero_with_zero_gradient(distance, labels):
    z = torch.randn(len(labels), 3, requires_grad=True)
    scores = soft_silhouette(z, torch.tensor(labels), distance=distance)
    scores.sum().backward()
    assert scores.tolist() == [0.0] * len(labels)
    assert z.grad.abs().max() == 0


def test_an_empty_batch_has_loss_zero():
    assert SoftSilhouetteLoss()(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)) == 0


def test_a_case_worked_by_hand():
    # On a line: class 0 at 0 and 1, class 1 at 4, class 2 at -3 and -5. For the sample at 0 (tau_s = 1):
    # a = 1; distances to the classes 4 and (3 + 5) / 2 = 4; b = -log(2 exp(-4)) = 4 - log 2 (sum), 4 (mean).
    # tau_m = 1: m = log(e + e^4 / 2) (sum), log(e + e^4) (mean).
    z, labels = torch.tensor([[0.0], [1.0], [4.0], [-3.0], [-5.0]]), torch.tensor([0, 0, 1, 2, 2])
    options = {"tau_s": 1.0, "tau_m": 1.0, "normalize": False}
    total = soft_silhouette(z, labels, **options)[0].item()
    mean = soft_silhouette(z, labels, softmin="mean", **options)[0].item()
    assert total == pytest.approx((3 - math.log(2)) / math.log(math.e + math.exp(4) / 2), rel=1e-6)
    assert mean == pytest.approx(3 / math.log(math.e + math.exp(4)), rel=1e-6)


def test_mean_softmin_does_not_depend_on_the_number_of_equally_far_classes():
    def score(classes, softmin):  # corners of a simplex: every class is equally far
        z = torch.eye(classes, dtype=torch.float64).repeat_interleave(2, 0)
        return soft_silhouette(z, torch.arange(classes).repeat_interleave(2), softmin=softmin)[0].item()

    assert score(4, "mean") == pytest.approx(score(30, "mean"))
    assert score(4, "sum") > score(30, "sum")


def test_reductions():
    z, labels = batch(30, classes=3)
    labels[:20] = 0
    scores = soft_silhouette(z, labels)
    macro = torch.stack([scores[labels == c].mean() for c in labels.unique()]).mean()
    torch.testing.assert_close(SoftSilhouetteLoss(reduction="none")(z, labels), -scores)
    torch.testing.assert_close(SoftSilhouetteLoss()(z, labels), -scores.mean())
    torch.testing.assert_close(SoftSilhouetteLoss(reduction="macro")(z, labels), -macro)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype):
    z, labels = batch(dtype=torch.float32)
    half = z.to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = soft_silhouette(half, labels)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, soft_silhouette(half.float(), labels))
    scores.sum().backward()
    assert half.grad.dtype == dtype


def test_finite_values_whose_sum_overflows_are_no_error():
    z, labels = batch(dtype=torch.float32)
    big = z.half().sign() * 60000
    assert soft_silhouette(big, labels).isfinite().all()


def test_better_clusters_score_better():
    z, labels = batch(60, 8)
    apart = torch.nn.functional.one_hot(labels, 8) * 5 + 0.1 * torch.randn(60, 8)
    loss = SoftSilhouetteLoss()
    assert loss(apart, labels) < loss(z, labels) < loss(torch.randn(60, 8), labels) + 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda z, y: soft_silhouette(z, y, tau_s=0), "tau_s: must be a finite number above 0, got 0"),
        (lambda z, y: soft_silhouette(z, y, tau_m=-1.0), "tau_m: must be a finite number above 0, got -1.0"),
        (lambda z, y: soft_silhouette(z, y, tau_m=math.nan), "tau_m: must be a finite number above 0, got nan"),
        (
            lambda z, y: soft_silhouette(z, y, distance="manhattan"),
            "distance: must be one of euclidean, sqeuclidean, cosine, got 'manhattan'",
        ),
        (lambda z, y: soft_silhouette(z, y, softmin="max"), "softmin: must be one of sum, mean, got 'max'"),
        (
            lambda z, y: SoftSilhouetteLoss(reduction="sum"),
            "reduction: must be one of mean, macro, balanced, none, got 'sum'",
        ),
        (
            lambda z, y: soft_silhouette(z[0], y),
            "embeddings: must be (B, D) of a floating dtype, got (6,) of torch.float64",
        ),
        (
            lambda z, y: soft_silhouette(z.long(), y),
            "embeddings: must be (B, D) of a floating dtype, got (40, 6) of torch.int64",
        ),
        (lambda z, y: soft_silhouette(z, y[:3]), "labels: must be (40,) as embeddings are, got (3,)"),
        (lambda z, y: soft_silhouette(z, y.float()), "labels: must be of an integer dtype, got torch.float32"),
        (
            lambda z, y: soft_silhouette(z / 0, y),
            "embeddings: must be finite, got 240 values of nan or inf",
        ),
        (
            lambda z, y: soft_silhouette(z, y, num_classes=3),
            "labels: must lie in [0, 3), got values from 0 to 4",
        ),
    ],
)
def test_errors_name_rule_and_value(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call(*batch())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda z, y: soft_silhouette(z, y, tau_s="0.1"), "tau_s: must be a number, got '0.1' (str)"),
        (lambda z, y: SoftSilhouetteLoss(tau_m="0.1"), "tau_m: must be a number, got '0.1' (str)"),
        (lambda z, y: SoftSilhouetteLoss(tau_m=None), "tau_m: must be a number, got None (NoneType)"),
        (lambda z, y: SoftSilhouetteLoss(tau_s=True), "tau_s: must be a number, got True (bool)"),
        (
            lambda z, y: soft_silhouette(z.numpy(), y),
            "embeddings: must be a torch.Tensor, got numpy.ndarray; use torch.as_tensor(embeddings)",
        ),
        (
            lambda z, y: SoftSilhouetteLoss()(z, y.tolist()),
            "labels: must be a torch.Tensor, got list; use torch.as_tensor(labels)",
        ),
        (
            lambda z, y: SoftSilhouetteLoss(gather=True)(z, y.tolist()),
            "labels: must be a torch.Tensor, got list; use torch.as_tensor(labels)",
        ),
        (
            lambda z, y: SoftSilhouetteLoss(num_classes="5"),
            "num_classes: must be an integer or None, got '5' (str)",
        ),
        (
            lambda z, y: soft_silhouette(z, y, num_classes=5.0),
            "num_classes: must be an integer or None, got 5.0 (float)",
        ),
    ],
)
def test_a_wrong_type_is_one_line(call, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        call(*batch())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda z, y: soft_silhouette(z, y[:, None]), "labels: must be (40,) as embeddings are, got (40, 1)"),
        (
            lambda z, y: soft_silhouette(z[None], y),
            "embeddings: must be (B, D) of a floating dtype, got (1, 40, 6) of torch.float64",
        ),
        (
            lambda z, y: soft_silhouette(z.to(torch.complex64), y),
            "embeddings: must be (B, D) of a floating dtype, got (40, 6) of torch.complex64",
        ),
        (lambda z, y: soft_silhouette(z, y, num_classes=0), "num_classes: must be at least 1, got 0"),
        (lambda z, y: SoftSilhouetteLoss(tau_s=math.inf), "tau_s: must be a finite number above 0, got inf"),
        (
            lambda z, y: soft_silhouette(z, y.to("meta")),
            "labels: must be on the device of embeddings, cpu, got meta",
        ),
    ],
)
def test_a_wrong_shape_dtype_or_device_is_one_line(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call(*batch())


def test_numpy_numbers_are_temperatures():
    z, labels = batch()
    for tau in (np.float64(0.25), np.float32(0.25)):
        assert torch.equal(soft_silhouette(z, labels, tau_s=tau), soft_silhouette(z, labels, tau_s=0.25))


ALONE = """
import sys
import silhouette.loss
ours = [name for name in sys.modules if name.startswith("silhouette.") and not name.startswith("silhouette.loss")]
print(ours, "pydantic" in sys.modules)
"""


def test_the_loss_imports_nothing_else_of_this_project():
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"
