"""Trials with a person's own code, in this process without Ray: their records name it, and only it continues them."""

import json

import pytest

from ablations.design.study import make_study
from ablations.state.provenance import plugin_sources
from ablations.workers.seed_group import SeedGroup
from ablations.workers.spec import RunContext, arm_specs, confirm_spec
from silhouette.data import splits
from silhouette.results import Store
from tests.helpers.plugin import NAME, SOURCES, write_plugin

ENCODER, DATA, LOSS = f"{NAME}.nets:tiny", f"{NAME}.data:stripes", f"{NAME}.losses:arc"
METRIC = f"{NAME}.metrics:spread"
VALUES = ("test_top1", "test_loss", "test_silhouette", "terms", "parameters", "data_sha256")


@pytest.fixture(autouse=True)
def plugin(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("SILHOUETTE_DATA", str(tmp_path / "cache"))
    splits._load.cache_clear()
    yield write_plugin(tmp_path / "site")
    splits._load.cache_clear()


def begin(folder):
    """The context of a study with an arm without and one with an own loss, and its trials in order."""
    study = make_study(
        {
            "name": "own",
            "question": "?",
            "factors": {"objective": ("ce", f"ce + {LOSS}")},
            "fixed": {
                "encoder": ENCODER,
                "encoder.depth": 3,
                "dataset": DATA,
                "epochs": 3,
                "batch_size": 16,
                "metrics": (METRIC,),
                "spread.power": 0,
            },
            "baseline": {"objective": "ce"},
            "seeds": (0,),
        }
    )
    store = Store(str(folder), "own")
    return RunContext(store.uri, "own", checkpoint_seconds=0.0, arms=arm_specs(study.arms)), store, list(study.trials())


def one_epoch(context, trial):
    """A worker that is lost after one epoch and its checkpoint."""
    group = SeedGroup(context, confirm_spec(trial))
    group.trainings = group._begin()
    group._train_epoch()
    group.save()
    return group


def finish(context, trial):
    group = SeedGroup(context, confirm_spec(trial))
    group.trainings = group._begin()
    begun_at = group._epoch
    while group.status == "running":
        group.step()
    return begun_at


def record(store, trial):
    return store.finished_record(trial.trial_id)


def test_records_name_what_their_trial_used_and_its_source(tmp_path):
    context, store, trials = begin(tmp_path / "results")
    for trial in trials:
        finish(context, trial)
    plain, own = (json.loads(record(store, trial)["plugins"]) for trial in trials)
    assert set(plain) == {ENCODER, DATA, METRIC}
    assert set(own) == {ENCODER, DATA, METRIC, LOSS}
    assert dict(record(store, trials[0])["metrics"])["test_spread"] == 1.0  # any distance to the power of 0
    assert own[LOSS] == {"version": None, "source_sha256": plugin_sources([LOSS])[LOSS]}
    assert json.loads(record(store, trials[0])["config"])["encoder.depth"] == 3


def test_an_interrupted_trial_has_the_bits_of_an_uninterrupted_one(tmp_path):
    context, whole, (_, trial) = begin(tmp_path / "whole")
    assert finish(context, trial) == 0
    context, resumed, (_, trial) = begin(tmp_path / "resumed")
    one_epoch(context, trial)
    assert finish(context, trial) == 1
    one, other = ({name: record(store, trial)[name] for name in VALUES} for store in (whole, resumed))
    assert one == other
    assert one["test_top1"] is not None


def test_a_checkpoint_of_another_source_of_a_plugin_is_not_continued(tmp_path, plugin):
    context, _, (_, trial) = begin(tmp_path / "results")
    one_epoch(context, trial)
    write_plugin(plugin.parent, losses=SOURCES["losses.py"] + "\n# changed\n")
    assert finish(context, trial) == 0
