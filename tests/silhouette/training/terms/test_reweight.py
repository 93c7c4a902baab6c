"""Deferred re-weighting: every term with one value per sample becomes Σ w·ℓ / Σ w, from its epoch on."""

import pytest
import torch

from silhouette import TrialConfig
from silhouette.config import ConfigError, make_config
from silhouette.loss.soft_silhouette import SoftSilhouetteLoss
from silhouette.registry import TERMS
from silhouette.training.objectives import Objective
from silhouette.training.terms.counts import effective_weights
from tests.helpers.terms import config_of, loss_of, needed, random_output

COUNTS = [90, 30, 2]
LABELS = torch.tensor([0, 0, 0, 1, 1, 2])
DRW = {"reweight": "drw", "drw_epoch": 3, "drw_beta": 0.9}
WEIGHTED = [name for name, term in TERMS.items() if term.per_sample and name != "class_balanced"]


@pytest.fixture
def output():
    return random_output()


def objective(config, counts=COUNTS):
    torch.manual_seed(0)  # the parameters of terms that have some
    module = Objective(config, 3, counts, 7).double()
    for parameter in module.parameters_of("proxies"):
        torch.nn.init.normal_(parameter)  # centres start at 0, where all samples have the same value
    return module


def at(module, epoch, output, labels):
    module.start_epoch(epoch)
    torch.manual_seed(1)  # the positives that some terms draw
    rows = torch.ones(3, 7, dtype=torch.float64) * torch.arange(3)[:, None]
    return module(output, labels, rows).total.item()


def labels_for(term):
    return LABELS if TERMS[term].views == 2 else LABELS.repeat(2)


@pytest.mark.parametrize("term", WEIGHTED)
def test_before_its_epoch_and_with_equal_counts_nothing_changes(term, output):
    labels = labels_for(term)
    plain = at(objective(config_of(term, embedding_dim=5)), 0, output, labels)
    drw = config_of(term, embedding_dim=5, **DRW)
    assert at(objective(drw), 2, output, labels) == pytest.approx(plain, rel=1e-12)
    if not TERMS[term].counts:
        assert at(objective(drw, [9, 9, 9]), 3, output, labels) == pytest.approx(plain, rel=1e-12)


@pytest.mark.parametrize("term", WEIGHTED)
def test_from_its_epoch_on_the_mean_is_another(term, output):
    labels = labels_for(term)
    drw = objective(config_of(term, embedding_dim=5, **DRW))
    assert at(drw, 3, output, labels) != pytest.approx(at(drw, 2, output, labels), rel=1e-6)


def test_weighted_cross_entropy_by_torch(output):
    labels = LABELS.repeat(2)
    weights = effective_weights(COUNTS, 0.9)
    want = torch.nn.functional.cross_entropy(output.logits, labels, weight=weights).item()
    assert loss_of("ce", output, labels, COUNTS, epoch=3, **DRW) == pytest.approx(want, rel=1e-12)


def test_weighted_supcon_leaves_out_samples_without_a_positive(output):
    few = output._replace(**{name: part[:6] for name, part in output._asdict().items()})
    alone = few._replace(**{name: part[:5] for name, part in few._asdict().items()})
    settings = {"embedding_dim": 5, **DRW}
    values = {}
    for key, weight in (("plain", {}), ("equal", settings)):
        config = config_of("supcon", **{"embedding_dim": 5, **weight})
        values[key] = at(objective(config, [9, 9, 9]), 3, few, LABELS)
    assert values["equal"] == pytest.approx(values["plain"], rel=1e-12)
    assert at(objective(config_of("supcon", **settings)), 3, alone, LABELS[:5]) > 0


def test_weighted_circle_by_the_values_of_its_samples(output):
    labels, weights = LABELS.repeat(2), effective_weights(COUNTS, 0.9)
    similar, same = output.embedding @ output.embedding.t(), labels[:, None] == labels
    itself = torch.eye(len(labels), dtype=torch.bool)
    pulled = (-4 * (1.3 - similar).relu() * (similar - 0.7)).masked_fill(~same | itself, -torch.inf).logsumexp(1)
    pushed = (4 * (similar + 0.3).relu() * (similar - 0.3)).masked_fill(same, -torch.inf).logsumexp(1)
    values = torch.nn.functional.softplus(pulled + pushed)
    want = ((weights[labels] * values).sum() / weights[labels].sum()).item()
    options = {"circle_margin": 0.3, "circle_scale": 4.0}
    assert loss_of("circle", output, labels, COUNTS, epoch=3, **options, **DRW) == pytest.approx(want, rel=1e-9)


def test_weighted_triplets_by_a_loop(output):
    labels, weights = LABELS.repeat(2).tolist(), effective_weights(COUNTS, 0.9).tolist()
    far = torch.cdist(output.embedding, output.embedding).tolist()
    total = whole = 0.0
    for i, own in enumerate(labels):
        hardest = max(far[i][j] for j, c in enumerate(labels) if c == own and j != i)
        loss = 0.2 + hardest - min(far[i][j] for j, c in enumerate(labels) if c != own)
        total, whole = total + weights[own] * max(loss, 0), whole + weights[own] * (loss > 0)
    got = loss_of("triplet", output, torch.tensor(labels), COUNTS, epoch=3, margin=0.2, **DRW)
    assert got == pytest.approx(total / whole, rel=1e-9)


@pytest.mark.parametrize("reduction", ["mean", "macro"])
def test_weighted_silhouette(output, reduction):
    labels, weights = LABELS.repeat(2), effective_weights(COUNTS, 0.9)
    config = TrialConfig(objective="ce", lambda_sil=1.0, reduction=reduction, embedding_dim=5, **DRW)
    module = objective(config)
    values = SoftSilhouetteLoss(reduction="none", normalize=False)(output.embedding, labels)
    classes = torch.stack([values[labels == c].mean() for c in range(3)])
    per_sample = (weights[labels] * values).sum() / weights[labels].sum()
    want = per_sample if reduction == "mean" else (weights * classes).sum() / weights.sum()
    module.start_epoch(3)
    torch.testing.assert_close(module(output, labels).silhouette, want)
    module.start_epoch(2)
    plain = values.mean() if reduction == "mean" else classes.mean()
    torch.testing.assert_close(module(output, labels).silhouette, plain)


@pytest.mark.parametrize("term", sorted(set(TERMS) - set(WEIGHTED)))
def test_terms_without_values_of_samples_refuse_weights(term):
    with pytest.raises(ConfigError, match=f"^reweight: {term} .*; give reweight=none.*, got 'drw'$"):
        make(objective=f"ce + {term}", **DRW)


def make(**settings):
    return make_config({**needed(settings.get("objective", "ce")), **settings})


def test_weights_that_never_apply_are_an_error():
    with pytest.raises(ConfigError) as caught:
        make(reweight="drw")
    assert str(caught.value) == "drw_epoch: must be below epochs = 30, or no epoch is re-weighted, got 160"
    assert make(drw_epoch=5) == make()
