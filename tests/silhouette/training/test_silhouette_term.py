"""The silhouette term of a trial under imbalance: its counts, its memory, and the same bits after an interruption."""

import io

import pytest
import torch

from silhouette import Training, TrialConfig
from silhouette.errors import InputError
from silhouette.training.objectives import Objective

LONG_TAIL = {"imbalance": "long_tail", "imbalance_factor": 50, "batch_size": 16, "epochs": 3, "width": 4}
MEMORIES = ({"class_memory": "momentum", "memory_least": 3}, {"class_memory": "queue", "memory_size": 3})
each_memory = pytest.mark.parametrize("memory", MEMORIES, ids=["momentum", "queue"])


def start(**settings):
    return Training(TrialConfig(**{**LONG_TAIL, "lambda_sil": 0.2, **settings}), 0)


def finish(training):
    while not training.done:
        training.step()
    return training


def bits(training):
    states = {**training.network.state_dict(), **training.objective.state_dict()}
    losses = [(row["train_loss"], row["train_sil_loss"], row["val_loss"]) for row in training.curve]
    return {name: value.tolist() for name, value in states.items()}, losses, training.result()["class_correct"]


@each_memory
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_resume_gives_the_same_bits(memory, distance):
    settings = {**memory, "distance": distance, "class_prior": 1.0, "reduction": "balanced"}
    whole, interrupted, resumed = (start(**settings) for _ in range(3))
    interrupted.step()
    file = io.BytesIO()
    torch.save(interrupted.state_dict(), file)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert bits(finish(resumed)) == bits(finish(whole))


@each_memory
def test_a_trial_remembers_every_class(memory):
    training = finish(start(**memory))
    plain = finish(start())
    assert training.objective.silhouette.loss.memory.known.all()
    assert training.result()["classes_per_batch"] < 10  # so that the memory has something to add
    assert training.curve[-1]["train_sil_loss"] != plain.curve[-1]["train_sil_loss"]
    assert plain.objective.state_dict() == {}


def test_the_counts_are_those_of_the_trial_after_imbalance_and_label_noise():
    training = start(reduction="balanced", label_noise=0.3)
    counts = torch.from_numpy(training._split.train_labels).bincount(minlength=10)
    weights = training.objective.silhouette.loss.sample_weights
    torch.testing.assert_close(weights * counts, torch.full_like(weights, len(training._split.train) / 10))
    assert counts.tolist() != training._class_train()  # which are the true classes


@pytest.mark.parametrize(
    ("settings", "name"), [({"class_prior": 1}, "class_prior"), ({"reduction": "balanced"}, "reduction: balanced")]
)
def test_without_counts_a_correction_is_refused(settings, name):
    with pytest.raises(InputError, match=f"^{name} needs the training counts of all 10 classes, got none; give class_"):
        Objective(TrialConfig(lambda_sil=1, **settings), 10)


def test_deferred_weights_work_with_a_memory_and_a_prior():
    settings = {"class_memory": "queue", "class_prior": 1.0, "reweight": "drw"}
    late, never = (finish(start(**settings, drw_epoch=epoch)) for epoch in (1, 2))
    assert late.curve[0]["train_loss"] == never.curve[0]["train_loss"]
    assert late.curve[1]["train_loss"] != never.curve[1]["train_loss"]


@pytest.mark.parametrize("settings", [*MEMORIES, {"class_prior": 1.0}, {"reduction": "balanced"}], ids=str)
def test_each_form_fits_a_tiny_set(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("SILHOUETTE_DATA", str(tmp_path))
    tiny = {"dataset": "synthetic", "synthetic_classes": 4, "synthetic_per_class": 20, "synthetic_spread": 0.3}
    network = {"encoder": "mlp", "width": 2, "batch_size": 4, "lr": 0.01, "epochs": 20}
    training = finish(Training(TrialConfig(**tiny, **network, lambda_sil=1.0, **settings), 0))
    first, last = training.curve[0], training.curve[-1]
    assert last["train_sil_loss"] < first["train_sil_loss"]
    assert training._train_outputs().counts().top1 > 0.95
