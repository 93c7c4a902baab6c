"""Metrics against scikit-learn and against their table of directions."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from silhouette import metrics
from silhouette.results import SCHEMA
from silhouette.training.linear_probe import fit_linear_probe


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


def test_good_clusters_are_better_than_mixed_ones_by_each_direction():
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


def test_knn_by_hand_and_against_scikit_learn():
    train, labels = torch.tensor([[1.0, 0], [0.9, 0.1], [0, 1.0]]), torch.tensor([0, 0, 1])
    test = torch.tensor([[5.0, 0.2], [0.1, 3.0]])
    assert metrics.knn_top1(train, labels, test, torch.tensor([0, 1]), k=1) == 1
    assert metrics.knn_top1(train, labels, test, torch.tensor([0, 0]), k=1) == 0.5
    assert metrics.knn_top1(train, labels, test[:0], torch.tensor([], dtype=torch.long), k=1) is None
    y = torch.arange(90) % 3
    x = torch.eye(8)[y] + torch.randn(90, 8) / 2
    model = KNeighborsClassifier(1, metric="cosine").fit(x[:60].numpy(), y[:60].numpy())
    want = model.score(x[60:].numpy(), y[60:].numpy())
    assert metrics.knn_top1(x[:60], y[:60], x[60:], y[60:], k=1) == pytest.approx(want)


def test_calibration_error_by_hand():
    # confidences 0.8, 0.8, 0.6, of which the first is right, the second wrong, the third right:
    # bin of 0.8: |0.5 - 0.8| * 2/3; bin of 0.6: |1 - 0.6| * 1/3
    logits = torch.log(torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.65, 0.35]]))
    got = metrics.calibration_error(logits, torch.tensor([0, 1, 0]))
    assert got == pytest.approx(0.3 * 2 / 3 + 0.35 / 3)
    assert metrics.calibration_error(logits[:0], torch.tensor([], dtype=torch.long)) is None


def test_shot_groups_and_their_accuracy():
    groups = metrics.shot_groups([101, 100, 20, 19, 0])
    assert groups == {"many": [0], "medium": [1, 2], "few": [3, 4]}
    counts = metrics.Counts((1, 2, 0, 4, 0), (2, 2, 2, 4, 0))
    assert counts.macro_of(groups["medium"]) == 0.5
    assert counts.macro_of(groups["few"]) == 1  # the class without test samples does not count
    assert counts.macro_of([]) is None


def test_probe_equals_scikit_learn():
    y = torch.arange(120) % 3
    x = torch.eye(6)[y] * 2 + torch.randn(120, 6) + 10
    got = fit_linear_probe(x, y, 3)(x).softmax(1)
    scaled = StandardScaler().fit_transform(x.numpy())
    model = LogisticRegression(C=1 / (1e-4 * 120), tol=1e-10, max_iter=10_000).fit(scaled, y.numpy())
    want = torch.from_numpy(model.predict_proba(scaled)).float()
    assert (got - want).abs().max() < 0.02
