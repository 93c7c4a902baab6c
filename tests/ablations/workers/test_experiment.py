"""A study names its experiment: what trains a trial, found by name, and identified by it."""

import subprocess
import sys

import pytest

from ablations.design.plans.describe import describe_study
from ablations.design.study import TRAINING, make_study
from ablations.errors import StudyError
from ablations.state.checkpoints import Checkpoints
from ablations.workers.experiment import load_experiment
from silhouette.config import make_config
from silhouette.errors import InputError
from silhouette.results import Store
from tests.helpers.pretend import ENVIRONMENT, EPOCH_SECONDS, PRETEND, Pretend

STUDY = {"question": "Does it run?", "factors": {"lambda_sil": (0.0, 0.5)}, "baseline": {"lambda_sil": 0.0}}


def test_the_default_experiment_leaves_plan_and_trial_ids_as_they_were():
    plain, named = make_study(STUDY), make_study({**STUDY, "experiment": TRAINING})
    assert named.experiment is None
    assert describe_study(named) == describe_study(plain)
    assert "experiment" not in describe_study(plain)
    assert [t.trial_id for t in named.trials()] == [t.trial_id for t in plain.trials()]
    assert load_experiment(None).__name__ == "Training"


def test_another_experiment_makes_another_plan_and_other_trials():
    plain, other = make_study(STUDY), make_study({**STUDY, "experiment": PRETEND})
    assert describe_study(other)["experiment"] == PRETEND
    assert describe_study(other)["plan_hash"] != describe_study(plain)["plan_hash"]
    assert not {t.trial_id for t in other.trials()} & {t.trial_id for t in plain.trials()}
    assert load_experiment(PRETEND) is Pretend


@pytest.mark.parametrize("name", ["pretend", "a.b:", ":Class", "a b:C", "a:b:c", "/tmp/x.py:Class"])
def test_a_name_that_is_no_name_is_bad_input(name):
    with pytest.raises(InputError, match="experiment: must be module:Class"):
        make_study({**STUDY, "experiment": name})


@pytest.mark.parametrize("name", ["no_such_module:Class", "tests.helpers.pretend:NoSuchClass"])
def test_a_class_that_cannot_be_imported_is_named_in_one_line(name):
    with pytest.raises(StudyError, match="experiment: must be a class that Python can import") as caught:
        load_experiment(name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pretend_continues_from_a_checkpoint_with_the_same_numbers(tmp_path):
    config = make_config({"epochs": 6, "lr": 0.05})
    whole, half = Pretend(config, 3), Pretend(config, 3)
    checkpoints = Checkpoints(Store(str(tmp_path), "s"), "trial", every=0)
    for _ in range(3):
        half.step()
    checkpoints.save(half.epoch, half.state_dict())
    resumed = Pretend(config, 3)
    resumed.load_state_dict(checkpoints.newest())
    for one in (whole, resumed):
        while not one.done:
            one.step()
    assert resumed.result() == whole.result()
    assert resumed.state_dict() == whole.state_dict()
    assert Pretend(config, 4).point != Pretend(config, 3).point


def test_pretend_diverges_with_a_large_learning_rate():
    one = Pretend(make_config({"epochs": 30, "lr": 50.0}), 0)
    while not one.done:
        one.step()
    assert one.status == "diverged"
    assert "loss is" in one.error


WITHOUT_TORCH = """
import sys
from ablations.workers.seed_group import SeedGroup
from ablations.workers.spec import ArmSpec, RunContext, SeedGroupSpec, TrialSpec
from ablations.workers.trainable import SeedGroupTrainable
from silhouette.config import TrialConfig
config = TrialConfig(epochs=3).model_dump(mode="json")
context = RunContext(sys.argv[1], "s", checkpoint_seconds=0.0, experiment=sys.argv[2], arms={"a": ArmSpec({}, config)})
group = SeedGroup(context, SeedGroupSpec("aa", "a", "confirm", (TrialSpec("aa", 0),)))
while group.status == "running":
    report = group.step()
    group.save()
print(report.status, sorted({"torch", "mlflow", "optuna", "sklearn"} & set(sys.modules)))
"""


def test_a_worker_of_an_experiment_without_torch_imports_none(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path), PRETEND],
        env={**ENVIRONMENT, EPOCH_SECONDS: "0.4"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "complete []\n", done.stderr
