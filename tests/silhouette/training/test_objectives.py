"""Objectives: each learns, each against its definition, and their parameters are trained and kept."""

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import silhouette_score

from silhouette import Training, TrialConfig
from silhouette.data import transforms
from silhouette.registry import TERMS
from silhouette.training.encoders import Output
from silhouette.training.objectives import Objective
from silhouette.training.terms import Batch
from silhouette.training.terms.center import CenterLoss
from tests.helpers.terms import needed

TINY = {
    "dataset": "synthetic",
    "synthetic_classes": 4,
    "synthetic_per_class": 20,
    "synthetic_spread": 0.3,
    "encoder": "mlp",
    "width": 2,
    "batch_size": 16,
    "lr": 0.01,
}


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SILHOUETTE_DATA", str(tmp_path))


def output(samples=12, dim=5, classes=3):
    return Output(torch.randn(samples, 7), F.normalize(torch.randn(samples, dim)), torch.randn(samples, classes))


def settings(objective, **others):
    return {**TINY, "objective": objective, **needed(objective), **others}


SUMS = ["ce + 0.5*supcon2", "ce + 0.1*center", "triplet + proxy_nca", "logit_adjusted + 0.35*bcl"]


TRAINS_THE_CLASSIFIER = [name for name in (*TERMS, *SUMS) if TrialConfig(**settings(name)).trains_classifier]
ON_EMBEDDINGS = [name for name in TERMS if name not in TRAINS_THE_CLASSIFIER]


@pytest.mark.parametrize("objective", TRAINS_THE_CLASSIFIER)
def test_every_objective_of_the_logits_fits_a_tiny_set(objective):
    fits(**settings(objective, epochs=60 if objective == "paco" else 20))


@pytest.mark.parametrize("objective", ["ce", "ce + 0.1*center"])
def test_objectives_fit_with_the_silhouette(objective):
    fits(**settings(objective, lambda_sil=0.2, epochs=20))


def fits(**given):
    training = trained(**given)
    assert training._train_outputs().counts().top1 > 0.95
    assert training.curve[-1]["train_loss"] < training.curve[0]["train_loss"]


def trained(**given):
    training = Training(TrialConfig(**given), 0)
    while not training.done:
        training.step()
    assert training.status == "complete"
    return training


@pytest.mark.parametrize("objective", ON_EMBEDDINGS)
@pytest.mark.parametrize("lambda_sil", [0.0, 0.2])
def test_every_objective_of_the_embeddings_draws_the_classes_apart(objective, lambda_sil):
    """By the silhouette coefficient of the embeddings, which an untrained network has at 0.4 on these data.

    With two views the augmentation, which damages images of 8 pixels, keeps the classes closer.
    """
    views = TERMS[objective].views
    given = settings(objective, synthetic_spread=0.6, epochs=60 if views == 2 else 20, lambda_sil=lambda_sil)
    before, after = separation(Training(TrialConfig(**given), 0)), separation(trained(**given))
    assert before < 0.45
    assert after > (0.55 if views == 2 else 0.8)


def separation(training):
    """The silhouette coefficient of the embeddings of the training samples."""
    training.network.eval()
    with torch.no_grad():
        images = transforms.to_input(training.config, next(training._feed.batches([training._split.train])))
        embedding = training.network(images).embedding
    return silhouette_score(embedding.numpy(), training._split.train_labels)


def test_terms_add_up():
    config = TrialConfig(objective="ce + 0.5*supcon + 2*triplet", lambda_sil=0.3)
    labels = torch.arange(12) % 3
    losses = Objective(config, 3)(output(), labels)
    assert set(losses.terms) == {"ce", "supcon", "triplet", "sil"}
    torch.testing.assert_close(losses.total, sum(losses.terms.values()))
    torch.testing.assert_close(losses.total, losses.supervised + 0.3 * losses.silhouette)


def test_ce_is_cross_entropy():
    out, labels = output(), torch.arange(12) % 3
    losses = Objective(TrialConfig(), 3)(out, labels)
    assert losses.total == F.cross_entropy(out.logits, labels)
    assert losses.silhouette is None


def test_supcon_by_its_formula():
    out, labels = output(), torch.arange(12) % 3
    similar = out.embedding @ out.embedding.t() / 0.2
    others = ~torch.eye(12, dtype=torch.bool)
    log_prob = similar - similar.masked_fill(~others, -1e9).logsumexp(1, keepdim=True)
    positives = (labels[:, None] == labels) & others
    want = -((log_prob * positives).sum(1) / positives.sum(1)).mean()
    got = Objective(TrialConfig(objective="supcon", temperature=0.2), 3)(out, labels).total
    torch.testing.assert_close(got, want)


def test_two_views_double_the_batch():
    config = TrialConfig(objective="ce + supcon2", transform="crop_flip")
    objective = Objective(config, 3)
    assert objective.views == 2
    out, labels = output(24), torch.arange(12) % 3
    losses = objective(out, labels)
    torch.testing.assert_close(losses.terms["ce"], F.cross_entropy(out.logits, labels.repeat(2)))
    one = Objective(TrialConfig(objective="supcon"), 3)
    both = one(out, labels.repeat(2)).total
    torch.testing.assert_close(losses.terms["supcon2"], both)


def test_center_loss_by_hand():
    loss = CenterLoss(2, 2)
    with torch.no_grad():
        loss.centers.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    # squared distances 1 and 4, half of their mean: 1.25
    z = torch.tensor([[1.0, 0.0], [1.0, 2.0]], requires_grad=True)
    batch = Batch(torch.zeros(2, 2), z, torch.tensor([0, 1]), images=2)
    assert loss(batch).item() == 1.25
    (gradient,) = torch.autograd.grad(loss(batch), z)
    assert gradient.tolist() == [[0.5, 0.0], [0.0, 1.0]]


def test_proxies_are_trained_faster_and_checkpointed():
    training = Training(TrialConfig(**settings("proxy_anchor", epochs=2, loss_lr_scale=7.0)), 0)
    before = {name: p.clone() for name, p in training.objective.named_parameters()}
    training.step()
    (changed,) = [not torch.equal(p, before[n]) for n, p in training.objective.named_parameters()]
    assert changed
    rates = {group["lr"] for group in training.optimizer.param_groups}
    assert max(rates) == pytest.approx(7 * min(rates))
    again = Training(training.config, 0)
    again.load_state_dict(training.state_dict())
    for a, b in zip(again.objective.parameters(), training.objective.parameters(), strict=True):
        assert torch.equal(a, b)


def test_shares_of_the_terms_are_recorded():
    training = Training(TrialConfig(**settings("ce", lambda_sil=0.5, epochs=1)), 0)
    row = training.step()
    shares = {t["term"]: t["share"] for t in training.result()["terms"]}
    assert sum(shares.values()) == pytest.approx(1)
    assert row["sil_share"] == shares["sil"] > 0
