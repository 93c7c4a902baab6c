"""`ablate run --only`: one trial alone, and `--verify`: the same trial again."""

import pytest

from ablations.driver.controller import make_controller
from ablations.state.pending import read_study_state
from silhouette.config import trial_id
from tests.helpers.engine import SEEDS, Phase

ONLY = ("run", "tiny.py", "--only")


@pytest.fixture(scope="module")
def ids(ablate_once):
    """The study of two arms and two seeds, after `--only` of its second trial; ids by arm and seed."""
    from ablations import load_study

    ablate_once.study()
    study = load_study(str(ablate_once.folder / "tiny.py"))
    ids = {(trial.arm.label, trial.seed): trial.trial_id for trial in study.trials()}
    done = ablate_once(*ONLY, ids["λ=0.5", 0])
    assert done.returncode == 0, done.stderr
    return ids


def records(ablate):
    return {path.stem for path in (ablate.folder / "results/tiny/trials").glob("*.parquet")}


def test_only_one_trial_runs(ablate_once, ids):
    assert records(ablate_once) == {ids["λ=0.5", 0]}


def test_a_finished_trial_is_not_run_again(ablate_once, ids):
    file = ablate_once.folder / f"results/tiny/trials/{ids['λ=0.5', 0]}.parquet"
    before = file.stat().st_mtime_ns
    done = ablate_once(*ONLY, ids["λ=0.5", 0])
    assert (done.returncode, file.stat().st_mtime_ns) == (0, before)
    assert f"tiny: {ids['λ=0.5', 0]} already has a record (complete); --verify trains it again" in done.stdout


def test_a_trial_that_a_run_on_ray_trained_is_identical_in_this_process(ablate_once, ids):
    done = ablate_once(*ONLY, ids["λ=0.5", 0], "--verify")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("identical: ")
    assert "note:" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--only", "absent"], "--only: must be a trial of the study; `ablate status` names those that failed"),
        (
            ["--only", "absent", "--verify"],
            "--only: results/tiny must have a finished record of the trial,",
        ),
        (["--verify"], "--verify: requires --only TRIAL_ID"),
    ],
)
def test_a_wrong_trial_is_one_line(ablate_once, ids, arguments, line):
    done = ablate_once("run", "tiny.py", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert line in done.stderr
    assert records(ablate_once) == {ids["λ=0.5", 0]}


def test_a_trial_that_differs_is_exit_code_1(ablate_once, ids):
    from silhouette.results import Store

    store = Store(str(ablate_once.folder / "results"), "tiny")
    (row,) = store.load().to_pylist()
    store.write_record({**row, "test_loss": row["test_loss"] * (1 + 1e-15)})
    store.delete("records.parquet")
    done = ablate_once(*ONLY, ids["λ=0.5", 0], "--verify")
    store.write_record(row)
    assert done.returncode == 1
    assert "not identical: 1 of " in done.stdout
    assert f"test_loss: {row['test_loss'] * (1 + 1e-15)!r} in the record, {row['test_loss']!r} now" in done.stdout


def test_only_one_open_candidate_is_trained_and_the_others_stay_noted(tmp_path):
    """The driver died with two open candidates; the trial of the second one is wanted."""
    phase = Phase("tune", tmp_path)
    first, second = phase.source.next(), phase.source.next()
    controller = make_controller(phase.study, phase.store, phase.source.context)
    assert controller.keep_only(second.trials[0].trial_id)
    assert controller.left == 1
    assert controller.next() == second
    assert (controller.left, controller.next()) == (0, None)
    noted = {(note["arm"], note["tune_number"]) for note in phase.store.read_json("open_settings.json")}
    assert noted == {(spec.arm, spec.candidate.number) for spec in (first, second)}


def test_no_new_candidate_is_proposed_for_a_trial_that_is_none(tmp_path):
    phase = Phase("tune", tmp_path)
    controller = make_controller(phase.study, phase.store, phase.source.context)
    arm = phase.study.start_arms[0]
    assert not controller.keep_only(trial_id(arm.config, SEEDS[0], "tune", phase.study.experiment))
    assert controller.next() is None
    assert not read_study_state(phase.study, phase.store).status
