"""Neural collapse: 0 for collapsed features, values by hand, and the formulas of the paper as loops."""

import numpy as np
import pytest
import torch

from silhouette.geometry import tiles
from silhouette.geometry.collapse import nc1, nc2, nc3, nc4
from silhouette.geometry.tiles import class_means


def samples(classes=5, dim=8, seed=0):
    draw = torch.Generator().manual_seed(seed)
    labels = torch.repeat_interleave(torch.arange(classes), torch.tensor([40, 20, 10, 5, 2])[:classes])
    centres = torch.randn(classes, dim, generator=draw, dtype=torch.double)
    features = centres[labels] + torch.randn(len(labels), dim, generator=draw, dtype=torch.double)
    return features, labels, class_means(features, labels, classes)


def simplex(classes):
    return torch.eye(classes, dtype=torch.double) - 1 / classes


def test_collapsed_features():
    labels = torch.arange(12) % 4
    means = 3 * simplex(4) + 7
    features = means[labels]
    assert nc1(features, labels, means) == pytest.approx(0, abs=1e-20)
    assert nc2(means) == pytest.approx(0, abs=1e-12)
    assert nc3(means, 0.1 * simplex(4)) == pytest.approx(0, abs=1e-12)
    assert nc4(features, features - 7, means) == 0


def test_nc1_equals_the_formula_of_the_paper():
    features, labels, means = samples()
    h, y, mu = features.numpy(), labels.numpy(), means.numpy()
    classes = len(mu)
    within, between = np.zeros((8, 8)), np.zeros((8, 8))
    for c in range(classes):
        own = h[y == c]
        within += sum(np.outer(x - mu[c], x - mu[c]) for x in own) / len(own) / classes
        between += np.outer(mu[c] - mu.mean(0), mu[c] - mu.mean(0)) / classes
    want = np.trace(within @ np.linalg.pinv(between, rcond=1e-10)) / classes
    assert nc1(features, labels, means) == pytest.approx(want, rel=1e-9)


def test_nc1_with_more_classes_than_features_and_with_dead_features():
    draw = torch.Generator().manual_seed(1)
    labels = torch.arange(60) % 6
    features = torch.randn(60, 3, generator=draw, dtype=torch.double) + labels[:, None] * torch.tensor([1.0, -1, 0.5])
    means = class_means(features, labels, 6)
    want = nc1(features, labels, means)
    dead = torch.cat([features, torch.zeros(60, 4, dtype=torch.double)], 1)
    assert nc1(dead, labels, class_means(dead, labels, 6)) == pytest.approx(want, rel=1e-9)
    assert nc1(5 * features + 3, labels, 5 * means + 3) == pytest.approx(want, rel=1e-9)  # no unit, no origin


def test_nc2_by_hand():
    # M of means (1, 0), (-1, 0), (0, 0): MMᵀ = [[1, -1, 0], [-1, 1, 0], [0, 0, 0]], of norm 2; E has norm √2;
    # their product of traces is tr(MMᵀ E) = 2, so the squared distance is 2 - 2·2/(2√2) = 2 - √2
    means = torch.tensor([[1.0, 0], [-1, 0], [0, 0]], dtype=torch.double)
    assert nc2(means) == pytest.approx((2 - 2**0.5) ** 0.5)
    assert nc2(means[:2]) == pytest.approx(0, abs=1e-12)  # two classes are always a simplex
    assert nc2(torch.ones(3, 2, dtype=torch.double)) is None


def test_nc3_by_hand():
    means = torch.tensor([[3.0, 0], [-3, 0]], dtype=torch.double)
    same, opposite = torch.tensor([[0.5, 0], [-0.5, 0]]), torch.tensor([[-2.0, 0], [2, 0]])
    across = torch.tensor([[0.0, 1], [0, -1]])
    assert [nc3(means, w) for w in (same, opposite, across)] == pytest.approx([0, 4, 2])
    assert nc3(means, torch.zeros(2, 2)) is None


def test_nc4_equals_a_loop_and_leaves_out_absent_classes(monkeypatch):
    features, labels, means = samples()
    logits = features @ torch.randn(8, 5, dtype=torch.double, generator=torch.Generator().manual_seed(2))
    means[3] = torch.nan  # no training samples
    monkeypatch.setattr(tiles, "_TILE", 8 * 10)
    wrong = 0
    for h, given in zip(features, logits, strict=True):
        near = min((c for c in range(5) if c != 3), key=lambda c: float((h - means[c]).norm()))
        wrong += near != int(given.argmax())
    assert nc4(features, logits, means) == wrong / len(labels)
    assert 0 < wrong < len(labels)
    assert nc4(features[:0], logits[:0], means) is None


def test_equal_class_means_have_no_variability_between_them():
    features = torch.tensor([[1.0], [-1], [1], [-1]], dtype=torch.double)
    labels = torch.tensor([0, 0, 1, 1])
    assert nc1(features, labels, class_means(features, labels, 2)) is None
