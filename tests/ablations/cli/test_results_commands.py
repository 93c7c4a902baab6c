"""Commands that read or change the results of a study: status, forget, report, and what they say of a bad folder."""

import errno
import json

import pytest

from ablations import load_study
from ablations.cli.parser import main
from ablations.design.plans.describe import describe_study
from silhouette.results import Store
from tests.helpers.ablate import TINY


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(TINY)
    return tmp_path


@pytest.fixture
def study(folder):
    return load_study("tiny.py")


def finish(study, failed=()):
    """A results folder in which every trial of the study has its record; the seeds in `failed` have failed ones."""
    store = Store("results", study.name)
    store.write_json(describe_study(study), "study.json")
    for trial in study.trials():
        status = "failed" if trial.seed in failed else "complete"
        value = 0.9 + 0.01 * trial.seed + trial.arm.config.lambda_sil * (0.01 + 0.001 * (trial.seed % 3))
        store.write_record(
            {"trial_id": trial.trial_id, "arm": trial.arm.label, "seed": trial.seed, "phase": "confirm",
             "status": status, "test_top1": None if status == "failed" else value, "error": "boom",
             "val_top1": None if status == "failed" else 0.4321,
             "config": trial.arm.config.model_dump_json(), "epochs_planned": 2, "epochs_reached": 2,
             "seconds": 1.0, "device": "cpu"}
        )  # fmt: skip
    return store


def run(capsys, *arguments):
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_a_forgotten_trial_runs_again(study, capsys):
    store = finish(study)
    store.compact()
    first = next(study.trials())
    assert f"removed the record of λ=0, seed 0 ({first.trial_id})" in run(capsys, "forget", "tiny.py", first.trial_id)
    assert first.trial_id not in store.trial_ids() | set(store.load(["trial_id"])["trial_id"].to_pylist())
    assert "4 trials planned, 3 finished, 1 to run" in run(capsys, "plan", "tiny.py")


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("ablate run tiny.py --seeds 3 --set epochs=2", "ablate run tiny.py --seeds 3 --set epochs=2"),
        ("run_study", "ablate run tiny.py"),
    ],
)
def test_what_forget_says_runs_the_plan_of_the_folder(study, capsys, command, shown):
    store = finish(study)
    store.write_json({**store.read_json("study.json"), "provenance": {"command": command}}, "study.json")
    out = run(capsys, "forget", "tiny.py", next(study.trials()).trial_id)
    assert f"to run again: {shown}\n" in out


def test_forgetting_leaves_all_other_records_as_they_were(study, capsys):
    store = finish(study)
    store.compact()
    before = {row["trial_id"]: row for row in store.load().to_pylist()}
    gone = [trial.trial_id for trial in study.trials()][1:3]
    run(capsys, "forget", "tiny.py", *gone)
    assert {row["trial_id"]: row for row in store.load().to_pylist()} == {
        trial_id: row for trial_id, row in before.items() if trial_id not in gone
    }


def test_compact_counts_the_records(study, capsys):
    finish(study)
    assert "tiny: 4 records in " in run(capsys, "compact", "tiny.py")
    run(capsys, "forget", "tiny.py", *[trial.trial_id for trial in study.trials()][1:])
    assert "tiny: 1 record in " in run(capsys, "compact", "tiny.py")


def test_a_trial_without_a_record_cannot_be_forgotten(study, capsys):
    store = finish(study)
    known = next(study.trials()).trial_id
    assert main(["forget", "tiny.py", known, "0123"]) == 2
    assert "TRIAL_ID: must have a record in results/tiny, got '0123'" in capsys.readouterr().err
    assert known in store.trial_ids()


def test_a_trial_of_a_frozen_search_cannot_be_forgotten(study, capsys):
    store = finish(study)
    store.write_record({"trial_id": "77", "arm": "λ=0", "seed": 1, "phase": "tune", "status": "complete"})
    store.write_json({}, "frozen.json")
    assert main(["forget", "tiny.py", "77"]) == 2
    assert "its search is frozen, so it would not run again" in capsys.readouterr().err


def test_a_damaged_record_can_be_forgotten(study, folder, capsys):
    store = finish(study)
    store.write_bytes(b"no parquet", "trials", "00.parquet")
    run(capsys, "forget", "tiny.py", "00")
    assert "00" not in store.trial_ids()


def test_status_names_an_absent_folder(capsys):
    out = run(capsys, "status", "tiny.py", "--results", "nowhere")
    assert "no records yet: there is no nowhere/tiny" in out


def test_status_shows_the_seeds_of_the_report(study, capsys):
    finish(study.replaced(seeds=(0, 1, 2, 3)))
    assert "8/8 complete" in run(capsys, "status", "tiny.py")
    assert "4/4 complete" in run(capsys, "status", "tiny.py", "--seeds", "2")
    run(capsys, "report", "tiny.py")
    document = json.loads(Store("results", "tiny").read_bytes("report", "report.json"))
    assert document["seeds"] == [0, 1, 2, 3]


def test_status_says_which_arms_of_the_report_it_leaves_out(study, capsys):
    finish(study.replaced(factors={"lambda_sil": (0.0, 0.5, 1.0)}))
    out = run(capsys, "status", "tiny.py")
    assert "4/4 complete" in out
    assert "the report shows 1 more of the arms" in out


@pytest.mark.parametrize("seeds", [(), ("--seeds", "2")])
def test_status_says_if_the_folder_has_another_plan(study, capsys, seeds):
    finish(study.replaced(sesoi=0.01))
    out = run(capsys, "status", "tiny.py", *seeds)
    assert "note: the report shows another plan than this one: sesoi: was 0.01" in out


def test_status_shows_no_test_value_before_the_plan_is_complete(study, capsys):
    larger = study.replaced(seeds=(0, 1, 2, 3))
    store = finish(study)
    store.write_json(describe_study(larger), "study.json")
    for arguments in ((), ("--seeds", "2"), ("--set", "lambda_sil=0")):
        out = run(capsys, "status", "tiny.py", *arguments)
        assert "test_" not in out
        assert "0.9" not in out
    assert "mean val_top1 of 2 common seeds" in run(capsys, "status", "tiny.py")
    finish(larger)
    out = run(capsys, "status", "tiny.py")
    assert "mean test_top1 of 4 common seeds" in out
    assert "0.9150" in out


def test_the_legend_stands_on_a_line_of_its_own(study, capsys):
    finish(study, failed=(1,))
    lines = run(capsys, "status", "tiny.py").splitlines()
    assert "2/4 complete (2 complete, 2 failed)" in lines
    assert any(line.startswith("● complete  ◐ stopped") for line in lines)
    assert sum("boom" in line for line in lines) == 2


def test_plan_counts_one_arm_in_the_singular(folder, capsys):
    text = TINY.replace("(0.0, 0.5)", "(0.0,)")
    (folder / "single.py").write_text(text)
    assert "1 arm × 2 seeds = 2 trials planned, 0 finished, 2 to run" in run(capsys, "plan", "single.py")


def test_report_prints_the_verdicts_and_the_path(study, capsys):
    finish(study.replaced(seeds=tuple(range(6))))
    answer, *verdicts, path = run(capsys, "report", "tiny.py").splitlines()
    assert answer.startswith("answer: λ=0.5 is ")
    assert len(verdicts) == 1
    assert verdicts[0].split(":")[0] in ("better", "worse", "equivalent", "inconclusive")
    assert "λ=0.5" in verdicts[0]
    assert path.startswith("report: ")
    assert path.endswith("results/tiny/report/index.html")


def test_a_folder_that_cannot_be_written_names_the_option(study, folder, capsys, monkeypatch):
    store = finish(study)

    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system", f"{store.path('records.parquet')}.0123abcd.tmp")

    monkeypatch.setattr("os.replace", refuse)
    assert main(["compact", "tiny.py"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"ablate: --results: {folder}/results/tiny/records.parquet: ")
    assert "Read-only file system; give a folder that can be written, got 'results'" in error


@pytest.mark.parametrize("command", ["plan", "status", "compact", "sync", "report"])
def test_no_error_shows_the_keys_of_a_location(command, capsys):
    assert main([command, "tiny.py", "--results", "ftp://k3y:s3cret@host/x"]) == 2
    error = capsys.readouterr().err
    assert "s3cret" not in error
    assert "k3y" not in error


def test_the_report_of_an_unfinished_study_says_so_in_the_terminal(study, capsys):
    store = finish(study)
    last = [trial for trial in study.trials() if trial.seed == study.seeds[-1]]
    store.forget({trial.trial_id: {} for trial in last})
    out = run(capsys, "report", "tiny.py")
    assert "note: Interim: no verdict on 1 of 1 comparison." in out
    assert "interim: 1 of 2 planned seeds" in out
