"""Training: the same bits whatever happens in between, one record, test data read once."""

import io

import pytest
import torch

from silhouette import Training, TrialConfig
from silhouette.results import SCHEMA, Store

LONG_TAIL = {"imbalance": "long_tail", "imbalance_factor": 20}
SMALL = {"epochs": 3, "width": 4, "batch_size": 64}


def config(**settings):
    return TrialConfig(**{**SMALL, **LONG_TAIL, "lambda_sil": 0.2, **settings})


def finish(training):
    while not training.done:
        training.step()
    return training


def trained(seed=0, **settings):
    return finish(Training(config(**settings), seed))


def bits(training):
    """Everything that must not change: weights, and the result without its timings."""
    result = training.result()
    for row in (result, *result["curve"]):
        for name in ("seconds", "images_per_second", "peak_memory"):
            row.pop(name, None)
    weights = {name: value.numpy().tobytes() for name, value in training.network.state_dict().items()}
    return weights, result


@pytest.fixture(scope="module")
def uninterrupted():
    return bits(trained())


def test_reuse_of_a_process_and_order_of_trials_change_nothing(uninterrupted):
    torch.manual_seed(999)
    torch.use_deterministic_algorithms(False)
    trained(seed=1, lambda_sil=0)
    assert bits(trained()) == uninterrupted


def test_trials_in_turns_do_not_change_each_other(uninterrupted):
    first, second = Training(config(), 0), Training(config(), 7)
    while not first.done:
        second.step()
        torch.rand(3)
        first.step()
    assert bits(first) == uninterrupted


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_resume_gives_the_same_bits(uninterrupted, epoch):
    interrupted = Training(config(), 0)
    for _ in range(epoch):
        interrupted.step()
    file = io.BytesIO()
    torch.save(interrupted.state_dict(), file)
    file.seek(0)
    resumed = Training(config(), 0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert resumed.epoch == epoch
    assert bits(finish(resumed)) == uninterrupted


def test_a_checkpoint_of_another_trial_is_refused():
    state = Training(config(), 0).state_dict()
    with pytest.raises(ValueError, match="its seed is not this trial's, got 0"):
        Training(config(), 1).load_state_dict(state)
    with pytest.raises(ValueError, match="its config is not this trial's"):
        Training(config(epochs=9), 0).load_state_dict(state)


def test_arms_are_paired_by_seed():
    ce, sil = Training(config(lambda_sil=0), 3), Training(config(lambda_sil=1, tau_s=1), 3)
    for part in ("train", "val", "test"):
        assert (getattr(ce._split, part) == getattr(sil._split, part)).all()
    for a, b in zip(ce.network.parameters(), sil.network.parameters(), strict=True):
        assert torch.equal(a, b)
    assert ce.step()["classes_per_batch"] == sil.step()["classes_per_batch"]


def test_seeds_differ():
    a, b = Training(config(), 0), Training(config(), 1)
    assert a.result()["class_train"] != b.result()["class_train"]
    assert not torch.equal(a.network.classifier.weight, b.network.classifier.weight)


def test_the_result_is_a_record(tmp_path, uninterrupted):
    store = Store(str(tmp_path), "s")
    store.write_record({"trial_id": "t", "seed": 0, **trained().result()})
    (row,) = store.load().to_pylist()
    assert set(row["curve"][0]) == {field.name for field in SCHEMA.field("curve").type.value_type}
    assert row["status"] == "complete"
    assert (row["epochs_planned"], row["epochs_reached"], len(row["curve"])) == (3, 3, 3)
    correct, total = row["class_correct"], row["class_total"]
    assert row["test_top1"] == sum(correct) / sum(total)
    assert row["test_macro_top1"] == pytest.approx(sum(c / t for c, t in zip(correct, total, strict=True)) / 10)
    assert row["val_top1"] == row["curve"][-1]["val_top1"]
    assert -1 <= row["test_silhouette"] <= 1


def test_test_data_is_read_once_and_only_at_the_end(monkeypatch):
    training = Training(config(), 0)
    reads = []
    images = training._images
    test = set(training._split.test)
    monkeypatch.setattr(training, "_images", lambda i: reads.extend(test & set(i)) or images(i))
    training.step()
    assert training.result()["test_top1"] is None
    finish(training)
    assert training.result(test=False)["test_top1"] is None
    assert reads == []
    assert training.result() == training.result()
    assert sorted(reads) == sorted(test)


def test_a_finished_trial_cannot_step():
    with pytest.raises(RuntimeError, match="the trial is complete after epoch 1"):
        trained(epochs=1).step()


def test_divergence_ends_the_trial_with_a_record(tmp_path):
    training = Training(config(), 0)
    training.step()
    with torch.no_grad():
        training.network.classifier.weight.fill_(1e38)
    row = training.step()
    assert row["epoch"] == 2
    assert row["train_loss"] is None
    result = training.result()
    assert (result["status"], result["epochs_reached"], result["val_top1"]) == ("diverged", 1, None)
    assert result["error"].startswith("epoch 2: ")
    store = Store(str(tmp_path), "s")
    store.write_record({"trial_id": "t", **result})
    assert store.load(["test_top1"]).to_pylist() == [{"test_top1": None}]


def test_ce_has_no_silhouette_loss():
    row = trained(epochs=1, lambda_sil=0).curve[0]
    assert row["train_sil_loss"] is None
    assert row["train_loss"] == row["train_sup_loss"]


@pytest.mark.parametrize("lambda_sil", [0, 0.2])
def test_learns_the_digits(lambda_sil):
    result = finish(Training(TrialConfig(epochs=6, lambda_sil=lambda_sil), 0)).result()
    assert result["test_top1"] > 0.95


def test_vary_changes_one_source_of_randomness_alone():
    def run(vary, seed):
        training = Training(TrialConfig(epochs=1, width=4, vary=vary), seed, threads=1)
        first = next(training.network.parameters()).detach().clone()
        training.step()
        return training._split.test.tolist(), first, training.result()["test_loss"]

    split, weights, loss = run("all", 0)
    for vary in ("init", "order", "split", "augment"):
        assert run(vary, 0)[2] == loss  # seed 0 is where the other sources stay
    init, order, other = run("init", 1), run("order", 1), run("split", 1)
    assert init[0] == order[0] == split
    assert other[0] != split
    assert order[1].equal(weights)
    assert other[1].equal(weights)
    assert not init[1].equal(weights)
    assert len({loss, init[2], order[2], other[2]}) == 4
