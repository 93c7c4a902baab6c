"""Terms of pytorch-metric-learning against the formulas of their papers, in float64: the options arrive as meant."""

import math

import pytest
import torch
import torch.nn.functional as F

from silhouette.training.objectives import Objective
from tests.helpers.terms import config_of, random_output

LABELS = torch.tensor([0, 0, 0, 1, 1, 2] * 2)
N = len(LABELS)


def built(term, **settings):
    """The module of a term in float64, and an output."""
    output = random_output()
    module = Objective(config_of(term, embedding_dim=5, **settings), 3).double()
    return module, output, module.terms[term].loss


def cross_entropy(logits):
    return F.cross_entropy(logits, LABELS)


def with_margin(cosines, change):
    rows = zip(cosines.tolist(), LABELS.tolist(), strict=True)
    return torch.tensor(
        [[change(c) if k == y else c for k, c in enumerate(row)] for row, y in rows], dtype=torch.float64
    )


def turned(cosine):
    """The cosine of an angle that is 0.3 wider."""
    return math.cos(math.acos(cosine) + 0.3)


def test_arcface():
    module, output, loss = built("arcface", arcface_margin=0.3, margin_scale=7.0)
    cosines = output.embedding @ F.normalize(loss.W, dim=0)
    want = cross_entropy(7 * with_margin(cosines, turned))
    torch.testing.assert_close(module(output, LABELS).total, want)


def test_cosface():
    module, output, loss = built("cosface", cosface_margin=0.2, margin_scale=7.0)
    cosines = output.embedding @ F.normalize(loss.W, dim=0)
    torch.testing.assert_close(module(output, LABELS).total, cross_entropy(7 * with_margin(cosines, lambda c: c - 0.2)))


def test_subcenter_arcface_takes_the_nearest_of_the_vectors_of_a_class():
    module, output, loss = built("subcenter_arcface", arcface_margin=0.3, margin_scale=7.0, sub_centers=2)
    vectors = F.normalize(loss.W, dim=0)
    assert vectors.shape == (5, 6)
    cosines = (output.embedding @ vectors).reshape(N, 3, 2).amax(2)
    want = cross_entropy(7 * with_margin(cosines, turned))
    torch.testing.assert_close(module(output, LABELS).total, want)


def test_softtriple():
    options = {"softtriple_centers": 2, "softtriple_scale": 5.0, "softtriple_gamma": 0.5, "softtriple_margin": 0.1}
    module, output, loss = built("softtriple", **options)
    similar = (output.embedding @ F.normalize(loss.fc, dim=0)).reshape(N, 3, 2)
    relaxed = ((similar / 0.5).softmax(2) * similar).sum(2)
    torch.testing.assert_close(module(output, LABELS).total, cross_entropy(5 * with_margin(relaxed, lambda c: c - 0.1)))


def test_normalized_softmax():
    module, output, loss = built("normalized_softmax", softmax_temperature=0.2)
    cosines = output.embedding @ F.normalize(loss.W, dim=0)
    torch.testing.assert_close(module(output, LABELS).total, cross_entropy(cosines / 0.2))


def test_circle():
    module, output, _ = built("circle", circle_margin=0.3, circle_scale=4.0)
    similar = (output.embedding @ output.embedding.t()).tolist()
    values = []
    for i in range(N):
        others = [(similar[i][j], LABELS[j] == LABELS[i]) for j in range(N) if j != i]
        pulled = sum(math.exp(-4 * max(1.3 - s, 0) * (s - 0.7)) for s, same in others if same)
        pushed = sum(math.exp(4 * max(s + 0.3, 0) * (s - 0.3)) for s, same in others if not same)
        values.append(math.log(1 + pulled * pushed))
    assert module(output, LABELS).total.item() == pytest.approx(sum(values) / N, rel=1e-9)
