"""All measures together: names, groups, and what is not defined."""

import numpy as np
import pytest
import torch

from silhouette.geometry.measure import Sample, measure
from silhouette.geometry.names import BY_GROUP, COLUMNS, GROUPS, MEASURES, columns
from silhouette.geometry.retrieval import retrieve
from silhouette.geometry.sphere import alignment
from silhouette.geometry.tiles import class_means
from silhouette.loss.distances import unit
from silhouette.metrics import METRICS, shot_groups

SHOTS = {"many": [0, 3], "medium": [1], "few": []}


def sample(spread=1.0, labels=None, classes=4):
    draw = torch.Generator().manual_seed(0)
    y = torch.arange(80) % classes if labels is None else labels
    features = 2 * torch.eye(classes)[y] + spread * torch.randn(len(y), classes, generator=draw)
    means = class_means(features, y, classes)
    return Sample(features, features, y, torch.eye(classes) - 1 / classes, means)


def test_every_column_has_a_value_and_facts():
    values = measure(sample(), SHOTS)
    assert {f"test_{name}" for name in values} == set(columns("test"))
    assert set(COLUMNS) == {name for name, metric in METRICS.items() if metric.needs == ("metrics", "geometry")}
    missing = {name for name, value in values.items() if value is None}
    assert missing == {f"few_{name}" for name in BY_GROUP}  # the group has no class


def test_tight_classes_are_better_by_each_direction():
    tight, loose = measure(sample(0.3), SHOTS), measure(sample(2.0), SHOTS)
    for name in set(MEASURES) - {"uniformity"}:  # features that fill the sphere are uniform, tight classes or not
        sign = 1 if METRICS[f"test_{name}"].direction == "max" else -1
        assert sign * tight[name] > sign * loose[name], name


def test_groups_are_means_over_their_classes():
    one = sample()
    values, z = measure(one, SHOTS), unit(one.features)
    found = retrieve(z, one.labels)
    by_class = {c: found.values[found.labels == c].mean(0) for c in (0, 1, 3)}
    assert values["medium_map_at_r"] == pytest.approx(float(by_class[1][4]))
    assert values["many_recall_at_5"] == pytest.approx(float(by_class[0][1] + by_class[3][1]) / 2)
    assert values["many_alignment"] == pytest.approx(float(alignment(z, one.labels, 4)[[0, 3]].mean()))


def test_collapse_of_groups_by_its_definition():
    one = sample()
    values, h, y = measure(one, SHOTS), one.features.double().numpy(), one.labels.numpy()
    means = np.stack([h[y == c].mean(0) for c in range(4)])
    between = np.cov(means.T, bias=True)
    parts = [np.trace(np.cov(h[y == c].T, bias=True) @ np.linalg.pinv(between, rcond=1e-9)) / 4 for c in range(4)]
    assert values["many_nc1"] == pytest.approx((parts[0] + parts[3]) / 2)
    assert values["medium_nc1"] == pytest.approx(parts[1])
    assert values["nc1"] == pytest.approx(sum(parts) / 4)
    nearest = np.linalg.norm(h[:, None] - means, axis=2).argmin(1)
    wrong = nearest != one.logits.argmax(1).numpy()
    assert values["medium_nc4"] == pytest.approx(wrong[y == 1].mean())
    assert values["many_nc4"] == pytest.approx((wrong[y == 0].mean() + wrong[y == 3].mean()) / 2)
    assert values["nc4"] == pytest.approx(wrong.mean())
    assert 0 < values["nc4"] < 1


def test_what_is_not_defined_is_none():
    empty = sample(labels=torch.zeros(0, dtype=torch.long))
    assert set(measure(empty, SHOTS).values()) == {None}
    one_class = measure(sample(labels=torch.zeros(9, dtype=torch.long)), SHOTS)
    assert {name for name in MEASURES if one_class[name] is None} == {"nmi", "nc1", "nc2", "nc3"}
    broken = sample()
    broken.features[5, 0] = torch.inf
    assert set(measure(broken, SHOTS).values()) == {None}
    assert tuple(SHOTS) == tuple(shot_groups([])) == GROUPS


def test_an_absent_class_changes_no_measure():
    one = sample()
    more = Sample(
        one.features,
        torch.cat([one.logits, torch.full((80, 1), -9.0)], 1),
        one.labels,
        torch.cat([one.weight, torch.ones(1, 4)]),
        torch.cat([one.train_means, torch.full((1, 4), torch.nan, dtype=torch.double)]),
    )
    assert measure(more, SHOTS) == pytest.approx(measure(one, SHOTS))


def test_collapsed_features_of_length_zero_give_numbers():
    zero = sample()
    zero.features.zero_()
    values = measure(zero, SHOTS)
    assert (values["alignment"], values["uniformity"], values["nc1"], values["nc2"]) == (0, 0, None, None)
    assert values["nmi"] == 0
