"""Contrastive terms against slow loops over their formulas, in float64, and by hand."""

from math import exp, log

import pytest
import torch

from silhouette.training.simplex import simplex, spread
from silhouette.training.terms import contrastive
from silhouette.training.terms.batch import Batch
from tests.helpers.terms import loss_of, random_output

LABELS = torch.tensor([0, 0, 0, 1, 1, 2])
BOTH = LABELS.repeat(2).tolist()
TAU = 0.2
N = range(len(BOTH))


@pytest.fixture
def output():
    return random_output()


def exponentials(output):
    """exp(z_i·z_j / τ) of all pairs, as lists."""
    return (output.embedding @ output.embedding.t() / TAU).exp().tolist()


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def test_bcl_by_its_formula(output):
    prototypes = torch.nn.functional.normalize(torch.randn(3, 5).double())
    e, to = exponentials(output), (output.embedding @ prototypes.t() / TAU).exp().tolist()

    def value(i):
        classes = [[e[i][j] for j in N if BOTH[j] == c and j != i] + [to[i][c]] for c in range(3)]
        total = sum(mean(members) for members in classes)
        return -mean(log(member / total) for member in classes[BOTH[i]])

    batch = Batch(output.logits, output.embedding, torch.tensor(BOTH), images=6)
    got = contrastive.balanced_contrast(batch, prototypes, TAU)
    assert got.tolist() == pytest.approx([value(i) for i in N], rel=1e-12)


def test_bcl_by_hand():
    # one sample of class 0 at (1, 0) in two equal views; prototypes (1, 0) and (0, 1): similarities 1, 1 and 0
    z = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    batch = Batch(torch.zeros(2, 2), z, torch.tensor([0, 0]), images=1)
    values = contrastive.balanced_contrast(batch, torch.eye(2, dtype=torch.float64), temperature=1.0)
    assert values.tolist() == pytest.approx([log(1 + exp(-1))] * 2, rel=1e-12)


def test_bcl_trains_its_prototypes_and_the_rows_of_the_classifier(output):
    rows = torch.randn(3, 7, dtype=torch.float64, requires_grad=True)
    term = contrastive.Balanced(TAU, 7, 5).double()
    batch = Batch(output.logits, output.embedding, torch.tensor(BOTH), images=6, class_weights=rows)
    term(batch).backward()
    assert rows.grad.abs().sum() > 0
    assert all(p.grad.abs().sum() > 0 for p in (term.prototypes[0].weight, term.prototypes[3].weight))
    with pytest.raises(ValueError, match=r"^class_weights: bcl needs the rows of the classifier"):
        loss_of("bcl", output, LABELS)


def test_kcl_with_all_positives_by_its_formula(output):
    e = exponentials(output)

    def value(i):
        total = sum(e[i][j] for j in N if j != i)
        return -mean(log(e[i][j] / total) for j in N if j != i and BOTH[j] == BOTH[i])

    got = loss_of("kcl", output, LABELS, temperature=TAU, contrast_positives=12)
    assert got == pytest.approx(mean(value(i) for i in N), rel=1e-12)


def test_kcl_draws_k_positives_and_the_other_view():
    batch = Batch(torch.zeros(12, 3), torch.zeros(12, 5), torch.tensor(BOTH), images=6)
    same, view = batch.in_view_pairs()
    term = contrastive.KPositive(TAU, 2)
    drawn = [term.positives(batch) for _ in range(40)]
    for positives in drawn:
        assert not (positives & ~same).any()
        assert (positives & view).sum(1).tolist() == [1] * 12
        # classes of 3 and 2 images offer 4 and 2 samples besides both views; a class of one image offers none
        assert positives.sum(1).tolist() == [3, 3, 3, 3, 3, 1] * 2
    often = sum(p.double() for p in drawn) / 40
    assert often[0, [1, 2, 7, 8]].tolist() == pytest.approx([0.5] * 4, abs=0.25)


def test_tsc_by_its_formula(output):
    term = contrastive.Targeted(TAU, 12, 0.7, num_classes=3, dim=5).double()
    e, to = exponentials(output), (output.embedding @ term.targets.t() / TAU).exp().tolist()

    def value(i):
        total = sum(e[i][j] for j in N if j != i) + sum(to[i])
        positives = mean(log(e[i][j] / total) for j in N if j != i and BOTH[j] == BOTH[i])
        return -positives - 0.7 * log(to[i][BOTH[i]] / total)

    batch = Batch(output.logits, output.embedding, torch.tensor(BOTH), images=6)
    assert term.values(batch).tolist() == pytest.approx([value(i) for i in N], rel=1e-12)


def test_tsc_matches_each_class_with_the_target_nearest_to_its_mean():
    term = contrastive.Targeted(TAU, 1, 1.0, num_classes=3, dim=2)
    before = term.targets.clone()
    term.start_epoch()
    assert torch.equal(term.targets, before)  # nothing is known yet
    z = before[[2, 0, 1]]  # class 0 sits at target 2, and so on
    term(Batch(torch.zeros(6, 3), z.repeat(2, 1), torch.tensor([0, 1, 2] * 2), images=3))
    torch.testing.assert_close(term.means, 0.1 * z)
    term.start_epoch()
    assert torch.equal(term.targets, z)


def test_paco_by_its_formula(output):
    counts, alpha = [50, 20, 5], 0.3
    e = exponentials(output)
    shares = [[exp(f) * n / 75 for f, n in zip(row, counts, strict=True)] for row in output.logits.tolist()]

    def value(i):
        total = sum(e[i][j] for j in N if j != i) + sum(shares[i])
        positives = [log(e[i][j] / total) for j in N if j != i and BOTH[j] == BOTH[i]]
        own = log(shares[i][BOTH[i]] / total)
        return -(alpha * sum(positives) + own) / (alpha * len(positives) + 1)

    got = loss_of("paco", output, LABELS, counts, temperature=TAU, paco_alpha=alpha)
    assert got == pytest.approx(mean(value(i) for i in N), rel=1e-12)


@pytest.mark.parametrize(("points", "dim"), [(2, 1), (3, 2), (10, 9), (10, 64)])
def test_a_simplex_has_equal_angles_and_the_middle_0(points, dim):
    vertices = simplex(points, dim).double()
    angles = vertices @ vertices.t()
    want = torch.full((points, points), -1 / (points - 1)).double().fill_diagonal_(1)
    torch.testing.assert_close(angles, want, atol=1e-6, rtol=0)
    torch.testing.assert_close(vertices.sum(0), torch.zeros(dim).double(), atol=1e-5, rtol=0)


def test_more_points_than_a_simplex_has_are_spread():
    # the six vertices of an octahedron are the best six points in three dimensions: neighbours at a right angle
    angles = spread(6, 3).double()
    angles = angles @ angles.t()
    assert angles.sort().values[0].tolist() == pytest.approx([-1, 0, 0, 0, 0, 1], abs=0.02)
