"""Every term resumes with the same bits, from real trials of a long tail."""

import io

import pytest
import torch

from silhouette import Training
from silhouette.registry import TERMS
from tests.helpers.terms import config_of

TINY = {
    "dataset": "synthetic",
    "synthetic_classes": 4,
    "synthetic_per_class": 30,
    "imbalance": "long_tail",
    "imbalance_factor": 5,
    "encoder": "mlp",
    "width": 1,
    "embedding_dim": 8,
    "batch_size": 8,
    "epochs": 3,
}
OTHERS = {
    "drw": ("ldam", {"reweight": "drw", "drw_epoch": 1, "lambda_sil": 0.1, "reduction": "macro"}),
    "memory": ("kcl", {"reweight": "drw", "drw_epoch": 1, "lambda_sil": 0.1, "class_memory": "queue"}),
    "etf": ("ce", {"classifier": "etf"}),
    "cosine": ("balanced_softmax + 0.5*bcl", {"classifier": "cosine"}),
}
CASES = {**{name: (name, {}) for name in TERMS}, **OTHERS}


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SILHOUETTE_DATA", str(tmp_path))


def bits(training):
    while not training.done:
        training.step()
    state = training.network.state_dict() | training.objective.state_dict()
    losses = [row["train_loss"] for row in training.curve]
    return {name: value.numpy().tobytes() for name, value in state.items()}, losses, training.result()["test_top1"]


@pytest.mark.parametrize("case", CASES)
def test_resume_gives_the_same_bits(case):
    objective, settings = CASES[case]
    config = config_of(objective, **TINY, **settings)
    first = Training(config, 0)
    first.step()
    first.step()
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    resumed = Training(config, 0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert bits(resumed) == bits(Training(config, 0))
    assert resumed.status == "complete"


def test_terms_get_the_counts_of_the_labels_that_are_trained_on():
    config = config_of("balanced_softmax", label_noise=0.5, noise_kind="asymmetric", **TINY)
    training = Training(config, 0)
    noisy = torch.from_numpy(training._split.train_labels).bincount(minlength=4)
    assert noisy.tolist() != training.result()["class_train"]
    assert training.objective.terms["balanced_softmax"].shift.exp().tolist() == pytest.approx(noisy.tolist())
