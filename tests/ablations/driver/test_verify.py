"""Train a finished trial again and compare every number with its record."""

import pytest

from ablations.cli.trials import verification_lines
from ablations.design.plans.describe import describe_study
from ablations.design.study import make_study
from ablations.driver.verify import Verification, verify_trial
from ablations.errors import StudyError
from ablations.state.agreement import Difference
from search_spaces import Interval
from tests.helpers.engine import PHASES, Phase, small_study
from tests.helpers.own_experiment import DESCENT


@pytest.fixture(scope="module", params=PHASES)
def done(request, tmp_path_factory):
    """A phase of a study of the torch-free experiment, run to its end; not to be changed."""
    phase = Phase(request.param, tmp_path_factory.mktemp(request.param))
    phase.train()
    return phase


@pytest.fixture
def trained(tmp_path):
    """One finished trial of a real training on digits, of one seed."""
    study = digits()
    phase = Phase("confirm", tmp_path, study=study)
    phase.finish(phase.group())
    return phase


def digits(**fixed):
    return make_study(
        {
            "name": "s",
            "question": "Does it help?",
            "factors": {"lambda_sil": (0.2, 0.0)},
            "fixed": {"dataset": "digits", "epochs": 2, "width": 4, "corruptions": True, **fixed},
            "baseline": {"lambda_sil": 0.0},
            "seeds": (3,),
        }
    )


def change(store, **values):
    """Write the only record again with other values."""
    (row,) = store.load().to_pylist()
    store.write_record({**row, **values})
    return row


def test_every_trial_of_both_phases_is_reproduced(done):
    rows = done.rows()
    statuses = {row["status"] for row in rows}
    assert statuses == ({"complete", "stopped"} if done.name == "tune" else {"complete"})
    for row in rows:
        found = verify_trial(done.study, done.store, row["trial_id"])
        assert (found.identical, found.differences) == (True, ())
        assert {each.column for each in found.environment} <= {"git_commit", "git_dirty"}  # such records have neither
        assert found.compared > 20


@pytest.mark.parametrize("name", PHASES)
def test_an_experiment_with_a_config_of_its_own_is_reproduced(tmp_path, name):
    values = {"name": "s", "question": "?", "seeds": (0, 1), "experiment": DESCENT, "metric": "test_error"}
    values |= {"factors": {"method": ("plain", "momentum")}, "baseline": {"method": "plain"}, "direction": "min"}
    tuning = {"nuisance": {"step_size": Interval(0.01, 1.0, log=True)}, "settings": 3, "grace": 1, "reduction": 2}
    study = make_study({**values, **({"tuning": tuning} if name == "tune" else {})})
    phase = Phase(name, tmp_path, study=study)
    phase.train()
    assert phase.rows()
    for row in phase.rows():
        found = verify_trial(study, phase.store, row["trial_id"])
        assert (found.identical, found.compared > 5) == (True, True)


def test_a_diverged_trial_is_reproduced(tmp_path):
    phase = Phase("confirm", tmp_path, study=small_study("confirm", fixed={"lr": 1.9}.items()))
    phase.train()
    row = phase.rows()[0]
    assert (row["status"], row["epochs_reached"] < 8) == ("diverged", True)
    assert verify_trial(phase.study, phase.store, row["trial_id"]).identical


def test_why_a_trial_fails_now_stands_before_what_it_lacks():
    lost = [Difference(f"metrics.test_{i}", 0.5, None) for i in range(40)]
    found = Verification("0" * 16, 50, (*lost, Difference("error", None, "no such module")), ())
    assert list(verification_lines(found))[1] == "  error: nothing in the record, no such module now"


def test_a_real_training_is_reproduced_and_a_changed_number_is_named(trained):
    (row,) = trained.rows()
    assert verify_trial(trained.study, trained.store, row["trial_id"]).identical
    curve = [{**point, "val_loss": point["val_loss"] + (1e-12 if point["epoch"] == 2 else 0)} for point in row["curve"]]
    change(
        trained.store, test_top1=row["test_top1"] + 1 / 450, curve=curve, class_correct=[1, *row["class_correct"][1:]]
    )
    found = verify_trial(trained.study, trained.store, row["trial_id"])
    assert [each.column for each in found.differences] == ["test_top1", "class_correct[0]", "curve[1].val_loss"]
    first = found.differences[0]
    assert (first.first, first.second) == (row["test_top1"] + 1 / 450, row["test_top1"])
    lines = list(verification_lines(found))
    assert lines[0].startswith("not identical: 3 of ")
    assert lines[1] == f"  test_top1: {first.first!r} in the record, {first.second!r} now"


def test_other_machine_and_code_are_named_and_are_no_difference(trained):
    before = change(trained.store, host="elsewhere", source_sha256="0" * 12, seconds=99.0, versions='{"torch": "2.9"}')
    found = verify_trial(trained.study, trained.store, before["trial_id"])
    assert found.identical
    named = {each.column: each.first for each in found.environment}
    assert (named["host"], named["source_sha256"], named["versions.torch"]) == ("elsewhere", "0" * 12, "2.9")
    assert f"note: source_sha256 was 000000000000, is {before['source_sha256']}" in verification_lines(found)


def test_the_thread_count_is_that_of_the_record(trained):
    row = change(trained.store, threads=2)
    assert "threads" not in {e.column for e in verify_trial(trained.study, trained.store, row["trial_id"]).environment}


def test_a_rerun_leaves_the_results_as_they_were(trained):
    (row,) = trained.rows()
    before = {path: path.stat().st_mtime_ns for path in trained.folder.rglob("*")}
    verify_trial(trained.study, trained.store, row["trial_id"])
    assert {path: path.stat().st_mtime_ns for path in trained.folder.rglob("*")} == before


def test_seeds_that_were_added_later_are_found(trained):
    row = trained.rows()[0]
    trained.store.write_json(describe_study(trained.study), "study.json")
    fewer = trained.study.replaced(seeds=(3,))
    assert verify_trial(fewer, trained.store, row["trial_id"]).identical


def test_what_cannot_be_rerun_is_one_line(trained, done):
    row = trained.rows()[0]
    with pytest.raises(StudyError, match=r"must have a finished record of the trial, got 'absent'"):
        verify_trial(trained.study, trained.store, "absent")
    with pytest.raises(StudyError, match=r"no such trial now; give the --set .* \(arm 'λ=0.2', seed 3\)"):
        verify_trial(digits(width=8), trained.store, row["trial_id"])
    change(trained.store, status="failed", error="boom")
    with pytest.raises(StudyError, match="must have a finished record"):
        verify_trial(trained.study, trained.store, row["trial_id"])
    if done.name == "tune":
        stopped = next(r for r in done.rows() if r["status"] == "stopped")
        with pytest.raises(StudyError, match="no such trial now"):
            verify_trial(small_study("confirm"), done.store, stopped["trial_id"])


def test_values_that_the_study_does_not_search_are_not_trained(tmp_path):
    phase = Phase("tune", tmp_path)
    phase.train()
    row = phase.rows()[0]
    phase.store.write_record({**row, "tune_values": '{"encoder": "evil:module"}'})
    with pytest.raises(StudyError, match="no such trial now"):
        verify_trial(phase.study, phase.store, row["trial_id"])
