"""Metrics against scikit-learn and against their table of directions."""

import pytest
import torch
from sklearn.metrics import silhouette_score

from silhouette import metrics
from silhouette.results import SCHEMA


def test_counts_and_accuracies():
    logits = torch.eye(3)[torch.tensor([0, 0, 1, 2])]
    counts = metrics.count_correct(logits, torch.tensor([0, 1, 1, 1]))
    assert (counts.correct, counts.total) == ((1, 1, 0), (1, 3, 0))
    assert counts.top1 == 0.5
    assert counts.macro_top1 == pytest.approx((1 + 1 / 3) / 2)  # the class without samples does not count
    assert metrics.Counts((), ()).top1 is None


def test_silhouette_equals_scikit_learn():
    labels = torch.randint(5, (80,))
    labels[0] = 9  # alone in its class
    z = torch.randn(80, 4) + labels[:, None]
    assert metrics.silhouette(z, labels) == pytest.approx(silhouette_score(z.numpy(), labels.numpy()), abs=1e-6)
    assert metrics.silhouette(z, torch.zeros(80, dtype=torch.int64)) is None
    assert metrics.silhouette(torch.zeros(4, 2), torch.tensor([0, 0, 1, 1])) == 0


def test_good_blobs_beat_mixed_ones_under_the_table():
    labels = torch.arange(60) % 3
    good = torch.eye(3)[labels] * 4 + 0.1 * torch.randn(60, 3)
    mixed = torch.randn(60, 3)
    for name, measure in {
        "test_silhouette": lambda z: metrics.silhouette(z, labels),
        "test_top1": lambda z: metrics.count_correct(z, labels).top1,
        "test_macro_top1": lambda z: metrics.count_correct(z, labels).macro_top1,
        "test_loss": lambda z: float(torch.nn.functional.cross_entropy(z, labels)),
    }.items():
        sign = 1 if metrics.METRICS[name].direction == "max" else -1
        assert sign * measure(good) > sign * measure(mixed), name


def test_metrics_are_columns():
    curve = {field.name for field in SCHEMA.field("curve").type.value_type}
    assert set(metrics.METRICS) <= set(SCHEMA.names) | curve
