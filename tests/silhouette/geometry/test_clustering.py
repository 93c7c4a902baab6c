"""Mutual information and k-means against scikit-learn."""

import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import normalized_mutual_info_score

from silhouette.geometry import tiles
from silhouette.geometry.clustering import k_means, normalised_mutual_information


@pytest.mark.parametrize("classes", [1, 2, 7])
def test_mutual_information_equals_scikit_learn(classes):
    draw = torch.Generator().manual_seed(classes)
    a = torch.randint(5, (100,), generator=draw)
    b = torch.where(torch.rand(100, generator=draw) < 0.5, a % classes, torch.randint(classes, (100,), generator=draw))
    want = normalized_mutual_info_score(a.numpy(), b.numpy())
    assert normalised_mutual_information(a, b) == pytest.approx(want, abs=1e-12)


def test_mutual_information_by_hand():
    # a halves, b has the first quarter apart: I = H(a) + H(b) - H(a, b), with H(a, b) = H(b')
    a, b = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 1])
    of_a, of_b, both = 0.6931471805599453, 0.5623351446188083, 1.0397207708399179
    assert normalised_mutual_information(a, b) == pytest.approx(2 * (of_a + of_b - both) / (of_a + of_b))
    assert normalised_mutual_information(a, torch.zeros(4, dtype=torch.long)) == 0
    assert normalised_mutual_information(a * 0, a * 0) == 1


def spread(points, cluster):
    return float(sum((points[cluster == c] - points[cluster == c].mean(0)).square().sum() for c in cluster.unique()))


def test_k_means_is_as_good_as_that_of_scikit_learn():
    points = torch.tensor(load_digits().data[:600], dtype=torch.float32)
    found = k_means(points, 10)
    assert len(found.unique()) == 10
    best = KMeans(10, n_init=10, random_state=0).fit(points.numpy()).inertia_
    assert spread(points, found) < 1.01 * best


def test_k_means_finds_clear_clusters_and_is_repeatable():
    labels = torch.arange(60) % 4
    points = torch.eye(4)[labels] * 10 + torch.randn(60, 4)
    found = k_means(points, 4)
    assert normalised_mutual_information(found, labels) == pytest.approx(1)
    torch.manual_seed(999)
    assert torch.equal(k_means(points, 4), found)


def test_k_means_of_equal_points_and_in_small_tiles(monkeypatch):
    assert k_means(torch.ones(5, 2), 3).tolist() == [0] * 5
    points = torch.randn(50, 3)
    whole = k_means(points, 5)
    monkeypatch.setattr(tiles, "_TILE", 35)
    assert torch.equal(k_means(points, 5), whole)
