"""What a worker keeps of a trial beside its record, and what a fault of the disk or of the experiment costs."""

import errno

import numpy as np
import pytest

from ablations.design.plan import adopt_plan
from ablations.design.plans.describe import describe_study
from ablations.design.study import make_study
from ablations.errors import StudyError
from ablations.state.kept import kept_trials, read_sample, read_weights
from ablations.workers.experiment import check_keep
from ablations.workers.spec import RunContext
from silhouette.results import Store
from silhouette.training.run import Training
from tests.helpers.comparing import comparable_fields
from tests.helpers.engine import Phase, small_study
from tests.helpers.pretend import PRETEND, Pretend

pytestmark = pytest.mark.usefixtures("prompt_workers")


class Mute(Pretend):
    """Offers no weights and no embeddings."""

    weights = embeddings = None


class Broken(Pretend):
    """Its embeddings cannot be computed."""

    def embeddings(self):
        raise RuntimeError("no test data here\nsecond line")


def keeping(tmp_path, keep, phase="confirm", study=None):
    """A phase whose trials keep something."""
    made = Phase(phase, tmp_path, study=study)
    made.source.context = RunContext(**{**vars(made.source.context), "keep": keep})
    return made


@pytest.mark.parametrize("keep", ["last", "embeddings"])
def test_complete_confirm_trials_keep_what_the_study_says(tmp_path, keep):
    phase = keeping(tmp_path, keep)
    phase.train()
    ids = phase.store.trial_ids()
    other = {"last": "embeddings", "embeddings": "last"}[keep]
    assert kept_trials(phase.store) == {keep: ids, other: set()}
    assert len(ids) == 6


def test_what_is_kept_does_not_change_the_records(tmp_path, tmp_path_factory):
    plain, kept = Phase("confirm", tmp_path), keeping(tmp_path_factory.mktemp("kept"), "embeddings")
    plain.train()
    kept.train()
    assert kept.comparable_rows() == plain.comparable_rows()
    assert not kept_trials(plain.store)["embeddings"]


def test_the_tune_phase_and_diverged_trials_keep_nothing(tmp_path, tmp_path_factory):
    tune = keeping(tmp_path, "last", "tune")
    tune.train()
    study = small_study("confirm", fixed={"lr": 1.9}.items())
    diverged = keeping(tmp_path_factory.mktemp("diverged"), "last", study=study)
    diverged.train()
    assert {row["status"] for row in diverged.rows()} == {"diverged"}
    assert kept_trials(tune.store) == kept_trials(diverged.store) == {"last": set(), "embeddings": set()}


def fill_disk(monkeypatch, full):
    """No file whose path is `full` can be written."""
    write = Store.write_bytes

    def write_bytes(self, data, *parts):
        if full(parts):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, data, *parts)

    monkeypatch.setattr(Store, "write_bytes", write_bytes)


def test_a_full_disk_costs_the_kept_file_and_says_so(tmp_path, monkeypatch):
    phase = keeping(tmp_path, "last")
    fill_disk(monkeypatch, lambda parts: parts[0] == "kept")
    group = phase.group()
    report = phase.finish(group)
    assert [row["status"] for row in phase.rows()] == ["complete"]
    (note,) = report.notes
    assert note.startswith(f"{group.spec.id}: nothing kept (OSError: ")
    assert note.endswith("No space left on device); its record is written")


def test_a_record_that_finds_the_disk_full_takes_the_place_of_the_kept_file(tmp_path, monkeypatch):
    phase = keeping(tmp_path, "last")
    fill_disk(monkeypatch, lambda parts: parts[0] == "trials" and kept_trials(phase.store)["last"])
    group = phase.group()
    report = phase.finish(group)
    assert [row["status"] for row in phase.rows()] == ["complete"]
    assert kept_trials(phase.store)["last"] == set()
    assert report.notes[0].startswith(f"{group.spec.id}: nothing kept (")


def test_a_disk_that_is_full_for_a_moment_costs_nothing(tmp_path, monkeypatch):
    phase, tries = keeping(tmp_path, "last"), []
    fill_disk(monkeypatch, lambda parts: parts[0] == "kept" and len(tries) < 2 and not tries.append(parts))
    group = phase.group()
    assert phase.finish(group).notes == ()
    assert (len(tries), kept_trials(phase.store)["last"]) == (2, {group.spec.id})


def test_a_fault_of_the_experiment_costs_the_kept_file(tmp_path):
    study = small_study("confirm", experiment=f"{__name__}:Broken")
    phase = keeping(tmp_path, "embeddings", study=study)
    report = phase.finish(phase.group())
    assert "nothing kept (RuntimeError: no test data here); its record is written" in report.notes[0]
    assert report.status == "complete"


@pytest.mark.parametrize(("keep", "method"), [("last", "weights"), ("embeddings", "embeddings")])
def test_an_experiment_without_the_method_is_refused(keep, method):
    with pytest.raises(StudyError, match=rf"keep: .*:Mute must have the method {method}\(\); .*, got '{keep}'"):
        check_keep(f"{__name__}:Mute", keep)
    check_keep(PRETEND, keep)
    check_keep(None, keep)
    check_keep(f"{__name__}:Mute", "none")


def test_keep_is_in_the_plan_and_in_no_identity(tmp_path):
    plain, store = small_study("confirm"), Store(str(tmp_path), "s")
    keeping = plain.replaced(keep="last")
    assert [t.trial_id for t in keeping.trials()] == [t.trial_id for t in plain.trials()]
    assert describe_study(keeping)["plan_hash"] == describe_study(plain)["plan_hash"]
    assert "keep" not in describe_study(plain)
    assert adopt_plan(keeping, store, {})["keep"] == "last"
    changed = adopt_plan(plain.replaced(keep="embeddings"), store, {})
    assert changed == store.read_json("study.json")
    assert (changed["keep"], [(c["from"], c["to"]) for c in changed["keep_changes"]]) == (
        "embeddings",
        [("last", "embeddings")],
    )
    with pytest.raises(StudyError, match="keep: must be"):
        plain.replaced(keep="best")


def train(**fixed):
    return make_study(
        {
            "name": "s",
            "question": "?",
            "factors": {"lambda_sil": (0.0, 0.2)},
            "fixed": {"dataset": "digits", "epochs": 2, "width": 4, **fixed},
            "baseline": {"lambda_sil": 0.0},
            "seeds": (3,),
        }
    )


@pytest.mark.parametrize("keep", ["last", "embeddings"])
def test_a_real_training_gives_the_features_of_its_test_samples(tmp_path, keep):
    phase = keeping(tmp_path, keep, study=train(objective="supcon"))
    group = phase.group()
    phase.finish(group)
    (row,) = phase.rows()
    again = Training(phase.study.arms[0].config, 3, threads=1)
    if keep == "last":
        again.load_weights(read_weights(phase.store, row["trial_id"]))
        sample = again.embeddings()
    else:
        found = read_sample(phase.store, row["trial_id"])
        sample = vars(found)
    while not again.done and keep == "embeddings":
        again.step()
    expected = again.embeddings()
    for name in ("features", "embeddings", "labels", "indices"):
        np.testing.assert_array_equal(sample[name], expected[name])
    assert sample["features"].shape == (450, again.network.features)
    assert again.result(test=False)["test_pool_sha256"] == row["test_pool_sha256"]


def test_weights_of_another_network_are_refused():
    small, large = (Training(train(width=width).arms[0].config, 0, threads=1) for width in (4, 8))
    with pytest.raises(RuntimeError, match="size mismatch"):
        large.load_weights(small.weights())


def test_weights_are_copies():
    training = Training(train().arms[0].config, 0, threads=1)
    before = training.weights()
    copies = {name: value.copy() for name, value in before.items()}
    training.step()
    for name, value in before.items():
        np.testing.assert_array_equal(value, copies[name])


def test_keeping_does_not_change_the_rest_of_a_training():
    config = train().arms[0].config
    plain, looked_at = (Training(config, 0, threads=1) for _ in range(2))
    for training in (plain, looked_at):
        training.step()
    looked_at.weights()
    looked_at.embeddings()
    for training in (plain, looked_at):
        training.step()
    assert comparable_fields(looked_at.result()) == comparable_fields(plain.result())
