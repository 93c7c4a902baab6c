"""`--gpus-per-trial` above 1: processes of a trial, identities, and what does not fit together."""

import pytest

from ablations.design.processes import on_gpus, processes
from ablations.design.study import make_study
from ablations.errors import StudyError
from tests.helpers.engine import small_study
from tests.helpers.pretend import PRETEND


def study(**changes):
    base = {
        "name": "s",
        "question": "Does it help?",
        "factors": {"lambda_sil": (0.0, 0.2)},
        "baseline": {"lambda_sil": 0.0},
        "seeds": (0, 1),
    }
    return make_study({**base, **changes})


def ids(one):
    return [trial.trial_id for trial in one.trials()]


@pytest.mark.parametrize("gpus", [None, 0.0, 0.25, 1.0])
def test_up_to_one_gpu_changes_nothing(gpus):
    assert on_gpus(study(), gpus) == study()
    assert ids(study(fixed={"world_size": 1})) == ids(study())


def test_two_gpus_are_two_processes_and_other_trials():
    two = on_gpus(study(), 2.0)
    assert processes(two) == 2
    assert two == on_gpus(two, 2.0) == on_gpus(study(fixed={"world_size": 2}), 2.0)
    assert not set(ids(two)) & set(ids(study()))


@pytest.mark.parametrize("gpus", [None, 0.0])
def test_the_study_may_say_it(gpus):
    one = study(fixed={"world_size": 2})
    assert on_gpus(one, gpus) == one


def test_an_own_experiment_gets_the_devices_and_keeps_its_trials():
    one = small_study("confirm", experiment=PRETEND)
    assert on_gpus(one, 2.0) == one
    assert processes(one) == 1


@pytest.mark.parametrize(
    ("changes", "gpus", "line"),
    [
        (
            {"fixed": {"world_size": 2}},
            1.0,
            "--gpus-per-trial: must be 2, or 0 for CPUs, since s has world_size=2, got 1",
        ),
        (
            {"fixed": {"world_size": 2}},
            4.0,
            "--gpus-per-trial: must be 2, or 0 for CPUs, since s has world_size=2, got 4",
        ),
        ({"fixed": {"batch_size": 63}}, 2.0, "world_size: must divide batch_size = 63, got 2"),
    ],
)
def test_what_does_not_fit_is_one_line(changes, gpus, line):
    with pytest.raises(StudyError) as caught:
        on_gpus(study(**changes), gpus)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
