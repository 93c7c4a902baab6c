"""Retrieval by hand, against pytorch-metric-learning, and against a slow loop."""

import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN

from silhouette.geometry import tiles
from silhouette.geometry.retrieval import retrieve
from silhouette.loss.distances import unit


def samples(classes=6, n=60, dim=5, seed=0):
    """Features of classes of different sizes, one of which has a single sample."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.multinomial(torch.arange(1.0, classes + 1), n, replacement=True, generator=draw)
    labels[labels == 0] = 1
    labels[3] = 0
    centres = torch.randn(classes, dim, generator=draw, dtype=torch.double)
    return unit(centres[labels] + torch.randn(n, dim, generator=draw, dtype=torch.double)), labels


def slowly(z, labels):
    """Return (recalls at 1, 5, 10, R-precision, MAP@R) of each sample that is not alone in its class."""
    found = []
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        size = sum(labels[j] == labels[i] for j in others)
        if size == 0:
            continue
        ranked = sorted(others, key=lambda j: float((z[i] - z[j]).norm()))
        hits = [bool(labels[j] == labels[i]) for j in ranked]
        recalls = [float(any(hits[:k])) for k in (1, 5, 10)]
        precisions = [sum(hits[: r + 1]) / (r + 1) for r in range(size) if hits[r]]
        found.append([*recalls, float(sum(hits[:size]) / size), float(sum(precisions) / size)])
    return torch.tensor(found, dtype=torch.double)


def test_by_hand():
    # angles 0°, 10°, 30°, 60° with classes a, b, a, b: from 0° the order is b a b, from 10° a a b, from 30° b a b
    angles = torch.tensor([0.0, 10.0, 30.0, 60.0], dtype=torch.double).deg2rad()
    found = retrieve(torch.stack([angles.cos(), angles.sin()], 1), torch.tensor([0, 1, 0, 1]))
    assert found.values[:, 0].tolist() == [0, 0, 0, 0]
    assert found.values[:, 1].tolist() == [1, 1, 1, 1]
    assert found.mean()[3:] == [0, 0]  # R = 1: the nearest is never of the class


def test_map_at_r_of_the_example_in_the_paper():
    # Musgrave et al., section 3.2: R = 10, and only the first result is right: R-precision and MAP@R are 1/10;
    # if the last of the ten is right instead, R-precision is 1/10 and MAP@R 1/100
    angles = torch.linspace(0, 1, 21, dtype=torch.double)
    first = torch.tensor([0, 0, *[1] * 9, 2, *[0] * 9])
    last = torch.tensor([0, *[1] * 9, 0, 2, *[0] * 9])
    z = torch.stack([angles.cos(), angles.sin()], 1)
    assert retrieve(z, first).values[0].tolist() == pytest.approx([1, 1, 1, 0.1, 0.1])
    assert retrieve(z, last).values[0].tolist() == pytest.approx([0, 0, 1, 0.1, 0.01])


def test_equal_to_a_slow_loop():
    z, labels = samples()
    found = retrieve(z, labels)
    torch.testing.assert_close(found.values, slowly(z, labels))
    assert 0 not in found.labels  # its only sample has nothing to find
    assert found.of_classes(6)[0].isnan().all()
    row = found.values[found.labels == 4].mean(0)
    torch.testing.assert_close(found.of_classes(6)[4], row)


def test_equal_to_pytorch_metric_learning():
    z, labels = samples(n=200, seed=3)
    wanted = ("precision_at_1", "r_precision", "mean_average_precision_at_r")
    library = AccuracyCalculator(
        include=wanted, k="max_bin_count", device=torch.device("cpu"), knn_func=CustomKNN(LpDistance())
    )
    want = library.get_accuracy(z, labels)
    recall_at_1, _, _, r_precision, map_at_r = retrieve(z.float(), labels).mean()
    assert [recall_at_1, r_precision, map_at_r] == pytest.approx([want[name] for name in wanted], abs=1e-6)
    assert 0.2 < map_at_r < 0.9


def test_small_tiles_change_nothing(monkeypatch):
    z, labels = samples()
    whole = retrieve(z, labels).values
    monkeypatch.setattr(tiles, "_TILE", 7 * len(z))
    torch.testing.assert_close(retrieve(z, labels).values, whole)


def test_nothing_to_find():
    assert retrieve(torch.eye(3), torch.arange(3)).mean() == [None] * 5
    assert retrieve(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)).mean() == [None] * 5
    assert retrieve(torch.eye(2), torch.tensor([0, 0])).mean() == [1] * 5  # fewer samples than ranks
