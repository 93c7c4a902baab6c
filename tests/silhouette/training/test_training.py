"""Training: the same bits whatever happens in between, one record, test data read once."""

import io

import numpy as np
import pytest
import torch

from silhouette import Training, TrialConfig
from silhouette.bits import unpack
from silhouette.data.imbalance import subsample
from silhouette.data.sampling import epoch_batches
from silhouette.data.transforms import image_keys
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
    assert unpack(row["correct_bits"], row["correct_samples"]).sum() == sum(correct)
    assert row["correct_samples"] == sum(total)
    assert row["test_macro_top1"] == pytest.approx(sum(c / t for c, t in zip(correct, total, strict=True)) / 10)
    assert row["val_top1"] == row["curve"][-1]["val_top1"]
    assert -1 <= row["test_silhouette"] <= 1


def test_test_data_is_read_once_and_only_at_the_end(monkeypatch):
    training = Training(config(), 0)
    reads = []
    batches = training._feed.batches
    test = set(training._split.test)
    monkeypatch.setattr(
        training._feed, "batches", lambda parts: reads.extend(i for p in parts for i in test & set(p)) or batches(parts)
    )
    training.step()
    assert training.result()["test_top1"] is None
    finish(training)
    assert training.result(test=False)["test_top1"] is None
    assert reads == []
    assert bits(training) == bits(training)
    assert sorted(reads) == sorted(test)


def test_without_validation_data_all_others_train_and_nothing_is_validated():
    """The class counts of the digits are those of all samples that are not for testing."""
    whole, part = trained(val_fraction=0, epochs=1, imbalance="none"), trained(epochs=1, imbalance="none")
    result = whole.result()
    assert result["status"] == "complete"
    assert {result[name] for name in ("val_top1", "val_macro_top1", "val_loss")} == {None}
    assert {row["val_top1"] for row in result["curve"]} == {None}
    assert result["test_top1"] is not None
    others = np.bincount(whole._data.labels) - np.array(result["class_total"])
    assert result["class_train"] == others.tolist()
    assert result["test_pool_sha256"] == part.result()["test_pool_sha256"]


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


PLACES = {"split": 0, "class_order": 1, "subset": 2, "init": 3, "order": 4, "augment": 5}
"""Place of each source of chance in what `drawn` returns."""


def drawn(vary, seed):
    """What each source of chance gives, then the test samples."""
    given = TrialConfig(vary=vary, transform="crop_flip", imbalance="long_tail", imbalance_factor=10, epochs=1, width=4)
    training = Training(given, seed, threads=1)
    split, seeds = training._split, training._seeds
    return [
        split.val.tolist(),
        training._class_train(),
        subsample(np.zeros(40, np.int64), [9], seeds["subset"]).tolist(),
        next(training.network.parameters()).detach().tolist(),
        [batch.tolist() for batch in epoch_batches(given, np.zeros(64, np.int64), seeds["order"], 0)],
        image_keys(seeds["augment"], 0, 0, np.arange(4)).tolist(),
        split.test.tolist(),
    ]


@pytest.mark.parametrize("source", PLACES)
def test_vary_moves_one_source_of_chance_alone(source):
    base, other = drawn("all", 0), drawn(source, 1)
    assert drawn(source, 0) == base  # seed 0 is where the other sources stay
    assert [i for i, (a, b) in enumerate(zip(base, other, strict=True)) if a != b] == [PLACES[source]]


def test_crossed_sources_have_two_digits_of_the_seed_each():
    base, both = drawn("all", 0), drawn("init*order", 203)
    init, order = PLACES["init"], PLACES["order"]
    assert both[init] == drawn("init", 2)[init]
    assert both[order] == drawn("order", 3)[order]
    assert [i for i, (a, b) in enumerate(zip(base, both, strict=True)) if a != b] == [init, order]


def test_only_all_and_test_split_moves_the_test_samples():
    base = drawn("all", 0)
    assert [a != b for a, b in zip(base, drawn("all", 1), strict=True)] == [True] * 6 + [False]
    assert [a != b for a, b in zip(base, drawn("all_and_test_split", 1), strict=True)] == [True] * 7
    assert drawn("all_and_test_split", 0) == base


def test_records_of_all_seeds_name_the_same_test_samples():
    def pool(vary, seed, test=True):
        return trained(seed, epochs=1, vary=vary).result(test=test)["test_pool_sha256"]

    base = pool("all", 0)
    assert pool("all", 1, test=False) == pool("split", 2) == base
    assert pool("all_and_test_split", 1) != base
