"""Alignment and uniformity against the definitions of Wang and Isola (2020)."""

import math

import pytest
import torch

from silhouette.geometry import tiles
from silhouette.geometry.sphere import alignment, uniformity
from silhouette.loss.distances import unit


def test_uniformity_equals_the_code_in_the_paper(monkeypatch):
    z = unit(torch.randn(60, 4, dtype=torch.double))
    want = float(torch.pdist(z).square().mul(-2).exp().mean().log())
    assert uniformity(z) == pytest.approx(want, rel=1e-12)
    monkeypatch.setattr(tiles, "_TILE", 60 * 7)
    assert uniformity(z.float()) == pytest.approx(want, rel=1e-5)


def test_uniformity_by_hand():
    square = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]])  # 4 pairs at √2, 2 pairs at 2
    assert uniformity(square) == pytest.approx(math.log((4 * math.exp(-4) + 2 * math.exp(-8)) / 6), rel=1e-6)
    assert uniformity(torch.ones(3, 1)) == 0
    assert uniformity(square[:1]) is None


def test_alignment_equals_a_slow_loop():
    labels = torch.tensor([0] * 7 + [1] * 2 + [2])
    z = unit(torch.randn(10, 3, dtype=torch.double))
    got = alignment(z, labels, 4)
    for c in (0, 1):
        own = z[labels == c]
        pairs = [float((x - y).square().sum()) for i, x in enumerate(own) for j, y in enumerate(own) if i != j]
        assert float(got[c]) == pytest.approx(sum(pairs) / len(pairs))
    assert got[2:].isnan().all()  # one sample, no sample
