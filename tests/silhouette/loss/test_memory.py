"""The memories of classes, against a slow loop, a larger batch, finite differences, and cases worked by hand."""

import math
import re

import pytest
import torch

from silhouette import SoftSilhouetteLoss, soft_silhouette
from silhouette.loss import MomentumMemory, QueueMemory
from silhouette.loss import memory as memory_file
from tests.helpers import reference

CLASSES, DIM = 6, 4
MAKE = {
    "momentum": lambda: MomentumMemory(CLASSES, DIM, momentum=0.7),
    "queue": lambda: QueueMemory(CLASSES, DIM, size=3),
}
each_memory = pytest.mark.parametrize("kind", MAKE)
each_distance = pytest.mark.parametrize("distance", ["euclidean", "sqeuclidean", "cosine"])


def samples(labels, seed=0):
    rng = torch.Generator().manual_seed(seed)
    y = torch.tensor(labels)
    return torch.randn(len(y), DIM, generator=rng, dtype=torch.float64) + y[:, None] / 2, y


PAST = ([0, 0, 1, 2, 2, 2, 2, 2], [0, 3, 3, 1, 2], [1, 0, 0, 0, 3])
NOW = [0, 0, 1, 2, 2, 2]  # 1 is alone, 3 is remembered, 4 and 5 have never been seen


def past():
    return [samples(labels, seed) for seed, labels in enumerate(PAST, 1)]


def remembered(kind, batches):
    """Samples with shares, from the definition of each memory."""
    found = {}
    for z, y in batches:
        for c in set(y.tolist()):
            new = z[y == c]
            if kind == "queue":
                kept = ([x for _, x in found.get(c, [])] + list(new))[-3:]
                found[c] = [(1 / len(kept), x) for x in kept]
            else:
                share = 0.3 if c in found else 1.0
                found[c] = [((1 - share) * s, x) for s, x in found.get(c, [])] + [(share / len(new), x) for x in new]
    return found


def filled(kind):
    memory = MAKE[kind]().double()
    for z, y in past():
        memory.update(z, y)
    return memory


@each_memory
@each_distance
@pytest.mark.parametrize("softmin", ["sum", "mean"])
def test_equals_the_slow_loop(kind, distance, softmin):
    z, y = samples(NOW)
    weights = [2.0, 1.0, 0.5, 3.0, 1.0, 1.0]
    memory = filled(kind)
    options = {"softmin": softmin, "tau_s": 0.3}
    got = soft_silhouette(
        z,
        y,
        distance=distance,
        normalize=False,
        num_classes=CLASSES,
        memory=unit_memory(kind) if distance == "cosine" else memory,
        log_weights=torch.tensor(weights, dtype=torch.float64).log(),
        **options,
    )
    power = 2 if (kind, distance) == ("momentum", "euclidean") else 1  # the root mean square
    want = reference.soft_silhouette(
        z, NOW, kind=distance, weights=weights, memory=remembered(kind, past()), power=power, **options
    )
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12)


@each_memory
@each_distance
def test_classes_of_few_samples_equal_the_slow_loop(kind, distance):
    z, y = samples(NOW)
    memory = unit_memory(kind) if distance == "cosine" else filled(kind)
    memory.least = 3
    options = {"tau_s": 0.3, "softmin": "mean"}
    got = soft_silhouette(z, y, distance=distance, normalize=False, num_classes=CLASSES, memory=memory, **options)
    power = 2 if (kind, distance) == ("momentum", "euclidean") else 1
    past_of = remembered(kind, past())
    want = reference.soft_silhouette(z, NOW, kind=distance, memory=past_of, power=power, least=3, **options)
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12)
    loss = SoftSilhouetteLoss(
        distance=distance, normalize=False, tau_s=0.5, num_classes=CLASSES, memory=memory, reduction="none"
    ).eval()
    assert torch.autograd.gradcheck(lambda x: loss(x, y), z.requires_grad_())
    assert torch.autograd.gradgradcheck(lambda x: loss(x, y), z)


def test_a_memory_of_classes_of_few_samples_is_closer_to_the_score_over_all_data():
    y = torch.arange(50).repeat_interleave(60)
    rng = torch.Generator().manual_seed(0)
    z = torch.nn.functional.normalize(torch.randn(50, 32, generator=rng)[y] + torch.randn(3000, 32, generator=rng))
    options = {"num_classes": 50, "distance": "sqeuclidean"}
    rows = torch.randperm(3000, generator=rng)[:64]
    want = soft_silhouette(z, y, **options)[rows]
    errors = [(soft_silhouette(z[rows], y[rows], **options) - want).abs().mean()]
    for least in (1, 4):
        memory = MomentumMemory(50, 32, least=least)
        memory.update(z, y)
        errors.append((soft_silhouette(z[rows], y[rows], memory=memory, **options) - want).abs().mean())
    assert errors[0] > 1.2 * errors[1] > 4 * errors[2]


def unit_memory(kind):
    memory = MAKE[kind]().double()
    for z, y in past():
        memory.update(z / z.norm(dim=1, keepdim=True), y)
    return memory


@each_distance
def test_a_queue_is_a_larger_batch_whose_other_samples_stay(distance):
    z, y = samples([0, 0, 2, 2, 2])
    more, labels = samples([3, 3, 5, 1, 1, 1], seed=9)
    memory = MAKE["queue"]().double()
    memory.update(more, labels)
    loss = SoftSilhouetteLoss(
        distance=distance, normalize=False, num_classes=CLASSES, memory=memory, reduction="none"
    ).eval()
    if distance == "cosine":
        memory.stored = torch.nn.functional.normalize(memory.stored, dim=2)
    joint, all_labels = torch.cat([z, more]).requires_grad_(), torch.cat([y, labels])
    want = -soft_silhouette(joint, all_labels, distance=distance, normalize=False)[:5]
    got = loss(z.requires_grad_(), y)
    torch.testing.assert_close(got, want)
    gradients = torch.autograd.grad(got.sum(), z)[0], torch.autograd.grad(want.sum(), joint)[0][:5]
    torch.testing.assert_close(*gradients)


@each_memory
@each_distance
def test_first_and_second_derivatives(kind, distance):
    z, y = samples(NOW)
    loss = SoftSilhouetteLoss(
        distance=distance, normalize=False, tau_s=0.5, num_classes=CLASSES, memory=unit_memory(kind), reduction="none"
    ).eval()
    assert torch.autograd.gradcheck(lambda x: loss(x, y), z.requires_grad_())
    assert torch.autograd.gradgradcheck(lambda x: loss(x, y), z)


@each_memory
@each_distance
def test_tiles_do_not_change_the_gradient(kind, distance, monkeypatch):
    z, y = samples(NOW)
    loss = SoftSilhouetteLoss(distance=distance, num_classes=CLASSES, memory=filled(kind)).eval()
    want = torch.autograd.grad(loss(z.requires_grad_(), y), z)[0]
    monkeypatch.setattr("silhouette.loss.memory._TILE", 2 * 3 * len(z))
    torch.testing.assert_close(torch.autograd.grad(loss(z, y), z)[0], want)


def test_no_array_of_pairs_with_a_queue_is_larger_than_a_tile(monkeypatch):
    sizes, squared = [], memory_file._squared
    monkeypatch.setattr(memory_file, "_TILE", 300)
    monkeypatch.setattr(memory_file, "_squared", lambda x, z: sizes.append(len(x) * len(z)) or squared(x, z))
    z, y = samples([0, 0, 1, 2, 2, 2] * 5)
    SoftSilhouetteLoss(num_classes=CLASSES, memory=filled("queue"))(z.requires_grad_(), y).backward()
    assert sum(sizes) == 2 * CLASSES * 3 * len(z)  # in the forward and in the backward pass
    assert max(sizes) <= 300


@each_memory
def test_a_batch_with_all_classes_needs_no_memory(kind):
    z, y = samples([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    with_memory = SoftSilhouetteLoss(num_classes=CLASSES, memory=filled(kind))
    assert with_memory(z, y) == SoftSilhouetteLoss(num_classes=CLASSES)(z, y)


@each_memory
def test_an_empty_memory_changes_nothing(kind):
    z, y = samples(NOW)
    memory = MAKE[kind]().double()
    loss = SoftSilhouetteLoss(num_classes=CLASSES, memory=memory)
    assert loss(z, y) == SoftSilhouetteLoss(num_classes=CLASSES)(z, y)
    assert memory.known.tolist() == [True, True, True, False, False, False]


@each_memory
def test_a_batch_with_one_class_competes_with_the_remembered_ones(kind):
    z, y = samples([4, 4, 4])
    z = z.requires_grad_()
    assert not soft_silhouette(z, y, num_classes=CLASSES).any()
    scores = soft_silhouette(z, y, num_classes=CLASSES, memory=filled(kind))
    scores.sum().backward()
    assert scores.all()
    assert z.grad.abs().min() > 0


@each_memory
def test_a_sample_alone_is_held_to_its_remembered_class(kind):
    memory = unit_memory(kind)
    z, y = samples([1, 0, 0])
    z.requires_grad_()
    for _ in range(60):  # follow the gradient of the one sample of class 1
        score = soft_silhouette(z, y, num_classes=CLASSES, memory=memory)[0]
        with torch.no_grad():
            z += 0.05 * torch.autograd.grad(score, z)[0] * torch.tensor([[1.0], [0.0], [0.0]])
    to_own = memory.distances(torch.nn.functional.normalize(z.detach()), "sqeuclidean")[1]
    assert to_own[0] < to_own[1:].min()


def test_mean_and_spread_worked_by_hand():
    memory = MomentumMemory(2, 1, momentum=0.75).double()
    memory.update(torch.tensor([[0.0], [2.0]]).double(), torch.tensor([1, 1]))
    assert (memory.mean[1].item(), memory.spread[1].item()) == (1, 1)
    memory.update(torch.tensor([[5.0]]).double(), torch.tensor([1]))
    # mean 0.75·1 + 0.25·5 = 2; spread 0.75·1 + 0.25·0 + 0.75·0.25·(5 - 1)² = 3.75
    assert (memory.mean[1].item(), memory.spread[1].item()) == (2, 3.75)
    assert memory.distances(torch.tensor([[4.0]]).double(), "sqeuclidean")[1].item() == 7.75  # (4 - 2)² + 3.75
    assert memory.distances(torch.tensor([[4.0]]).double(), "euclidean")[1].item() == math.sqrt(7.75)
    assert memory.known.tolist() == [False, True]


def test_the_root_mean_square_is_close_to_the_mean_distance():
    rng = torch.Generator().manual_seed(0)
    centres, noise = torch.randn(10, 1, 64, generator=rng), torch.randn(10, 100, 64, generator=rng)
    z = torch.nn.functional.normalize(centres + noise, dim=2).flatten(0, 1)
    memory = MomentumMemory(10, 64)
    memory.update(z, torch.arange(10).repeat_interleave(100))
    ratio = memory.distances(z, "euclidean") / torch.cdist(z, z).view(1000, 10, 100).mean(2).t()
    assert ratio.min() >= 1
    assert 1.005 < ratio.max() < 1.01


def test_the_score_of_an_absent_class_worked_by_hand():
    # Batch: class 0 at 0 and 1. Memory: class 1 at 4 (twice seen: 4 and 6, size 1 keeps 6). tau = 1:
    # for the sample at 0, a = 1, b = 6, s = 5 / log(e + e^6)
    memory = QueueMemory(2, 1, size=1).double()
    memory.update(torch.tensor([[4.0], [6.0]]).double(), torch.tensor([1, 1]))
    z, y = torch.tensor([[0.0], [1.0]]).double(), torch.tensor([0, 0])
    scores = soft_silhouette(z, y, tau_s=1.0, tau_m=1.0, normalize=False, num_classes=2, memory=memory)
    assert scores[0].item() == pytest.approx(5 / math.log(math.e + math.exp(6)), rel=1e-12)


def test_a_queue_keeps_the_last_samples_in_any_split_into_batches():
    labels = [0, 1, 0, 0, 2, 0, 0, 1, 0, 2, 0]
    z, y = samples(labels)
    whole, parts = MAKE["queue"]().double(), MAKE["queue"]().double()
    whole.update(z, y)
    for part in torch.arange(11).split(2):
        parts.update(z[part], y[part])
    for c in range(3):
        want = {tuple(row) for row in z[y == c][-3:].tolist()}
        for memory in (whole, parts):
            assert {tuple(row) for row in memory.stored[c][: len(want)].tolist()} == want


@each_memory
def test_training_adds_the_batch_and_evaluation_does_not(kind):
    z, y = samples(NOW)
    loss = SoftSilhouetteLoss(num_classes=CLASSES, memory=MAKE[kind]())
    loss.eval()(z, y)
    assert not loss.memory.known.any()
    loss.train()(z, y)
    unit = MAKE[kind]()
    unit.update(torch.nn.functional.normalize(z).float(), y)  # what is stored has length 1, as in the loss
    for got, want in zip(loss.memory.buffers(), unit.buffers(), strict=True):
        torch.testing.assert_close(got, want)


@each_memory
def test_the_gradient_is_that_before_the_update(kind):
    z, y = samples(NOW)
    z.requires_grad_()
    frozen, learning = (SoftSilhouetteLoss(num_classes=CLASSES, memory=filled(kind)) for _ in range(2))
    want = torch.autograd.grad(frozen.eval()(z, y), z)[0]
    value = learning(z, y)  # the memory changes here, and the gradient is taken afterwards
    assert torch.equal(torch.autograd.grad(value, z)[0], want)


@each_memory
def test_state_goes_to_another_loss(kind):
    z, y = samples(NOW)
    first = SoftSilhouetteLoss(num_classes=CLASSES, memory=filled(kind))
    second = SoftSilhouetteLoss(num_classes=CLASSES, memory=MAKE[kind]().double())
    second.load_state_dict(first.state_dict())
    assert first(z, y) == second(z, y)


@each_memory
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_any_precision_is_remembered_in_float32(kind, dtype):
    z, y = samples(NOW)
    loss = SoftSilhouetteLoss(num_classes=CLASSES, memory=MAKE[kind]())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for labels in (y, y.flip(0) + 1):
            value = loss(z.to(dtype), labels.to(torch.int16))
    assert value.dtype == torch.float32
    assert {b.dtype for b in loss.memory.buffers() if b.is_floating_point()} == {torch.float32}


@each_memory
@each_distance
@pytest.mark.parametrize("tau", [1e-4, 10.0])
@pytest.mark.parametrize("place", ["at the stored samples", "zeros", "far"])
def test_extremes_have_finite_values_and_gradients(kind, distance, tau, place):
    memory = MAKE[kind]()
    stored = torch.ones(6, DIM) / 2
    memory.update(stored, torch.tensor([1, 2, 3, 3, 4, 4]))
    z = {"at the stored samples": stored, "zeros": stored * 0, "far": stored * 1e5}[place].clone().requires_grad_()
    scores = soft_silhouette(
        z,
        torch.tensor([0, 0, 1, 1, 2, 3]),
        tau_s=tau,
        tau_m=tau,
        distance=distance,
        normalize=False,
        num_classes=CLASSES,
        memory=memory,
    )
    scores.sum().backward()
    assert scores.isfinite().all()
    assert z.grad.isfinite().all()


def test_an_empty_batch_has_loss_zero():
    for make in MAKE.values():
        loss = SoftSilhouetteLoss(num_classes=CLASSES, memory=make())
        assert loss(torch.zeros(0, DIM), torch.zeros(0, dtype=torch.int64)) == 0
        assert not loss.memory.known.any()
        assert all(buffer.isfinite().all() for buffer in loss.memory.buffers())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: QueueMemory(0, 3), ValueError, "num_classes: must be at least 1, got 0"),
        (lambda: QueueMemory(5, 3, size=2.0), TypeError, "size: must be an integer, got 2.0 (float)"),
        (lambda: MomentumMemory(5, 0), ValueError, "dim: must be at least 1, got 0"),
        (lambda: MomentumMemory(5, 3, momentum=1), ValueError, "momentum: must be at least 0 and below 1, got 1"),
        (
            lambda: SoftSilhouetteLoss(memory=QueueMemory(5, 3))(torch.ones(2, 3), torch.tensor([0, 1])),
            ValueError,
            "num_classes: must be that of the memory, 5, got None",
        ),
        (
            lambda: SoftSilhouetteLoss(num_classes=5, memory=QueueMemory(5, 3))(torch.ones(2, 4), torch.tensor([0, 1])),
            ValueError,
            "embeddings: must be (B, 3) as the memory is, got (2, 4)",
        ),
    ],
)
def test_bad_arguments_are_one_line(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
