"""A tuned study that trains for real: its search, its choice, and that a fault in each phase changes no bit."""

import json
import os
import shutil
import signal

import pytest

from silhouette.results import Store
from tests.helpers.ablate import Ablate
from tests.helpers.comparing import comparable_fields
from tests.helpers.faults import ONE_AT_A_TIME
from tests.helpers.processes import is_alive, trial_workers
from tests.helpers.waiting import wait_for

EPOCHS, CANDIDATES = 8, 3
TUNED = f"""
from ablations import Study, Tuning
from search_spaces import Interval

STUDY = Study(
    question="Does the silhouette term help when both arms are tuned?",
    treatments={{"CE": {{"lambda_sil": 0.0}}, "CE+Sil": {{}}}},
    fixed={{"dataset": "digits", "epochs": {EPOCHS}, "width": 4, "train_fraction": 0.3}},
    baseline="CE",
    seeds=(0, 1, 2),
    tuning=Tuning(
        nuisance={{"lr": Interval(1e-3, 1e-1, log=True), "lambda_sil": Interval(0.02, 1.0, log=True), "tau": None}},
        settings={CANDIDATES},
        grace=1,
        reduction=2.0,
        confirm_on="train+val",
    ),
)
"""
OPTIONS = ("run", "tuned.py", *ONE_AT_A_TIME, "--checkpoint-seconds", "0")
PATIENT = {"GOMP_SPINCOUNT": "0", "OMP_WAIT_POLICY": "PASSIVE"}
"""Threads of a trial that busily wait for each other are very slow where other processes need the CPUs."""


def records(folder, phase=None):
    rows = Store(str(folder / "results"), "tuned").load().to_pylist()
    return [row for row in rows if phase in (None, row["phase"])]


@pytest.fixture(scope="module")
def folder(ablate_once):
    """Where the study has run from beginning to end; not to be changed."""
    ablate_once.study(TUNED, "tuned")
    done = ablate_once(*OPTIONS, **PATIENT)
    assert done.returncode == 0, done.stderr
    return ablate_once.folder


@pytest.fixture
def again(folder, tmp_path):
    """A copy of it, in which a test may write."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return Ablate(tmp_path)


def test_every_arm_gets_the_same_number_of_candidates_and_only_validation_data(folder):
    rows = records(folder, "tune")
    for arm in ("CE", "CE+Sil"):
        mine = [row for row in rows if row["arm"] == arm]
        assert sorted(row["tune_number"] for row in mine) == [0, 0, 1, 1, 2, 2]
        assert len({row["config"] for row in mine}) == CANDIDATES
        assert {row["seed"] for row in mine} == {1_000_000, 1_000_001}
    assert {row["status"] for row in rows} <= {"complete", "stopped"}
    assert all(row["test_top1"] is None and row["class_correct"] is None for row in rows)
    assert all(len(row["curve"]) == row["epochs_reached"] for row in rows)
    stopped = [row for row in rows if row["status"] == "stopped"]
    assert all(row["epochs_reached"] in (1, 2, 4) for row in stopped)
    assert all(row["epochs_reached"] == EPOCHS for row in rows if row["status"] == "complete")


def test_seeds_of_a_candidate_end_together(folder):
    groups = {}
    for row in records(folder, "tune"):
        groups.setdefault((row["arm"], row["tune_number"]), set()).add((row["status"], row["epochs_reached"]))
    assert len(groups) == 2 * CANDIDATES
    assert all(len(ends) == 1 for ends in groups.values())


def test_the_frozen_winner_is_what_was_confirmed(folder):
    frozen = json.loads((folder / "results/tuned/frozen.json").read_text())
    rows = records(folder, "confirm")
    assert len(rows) == 6
    for row in rows:
        assert json.loads(row["config"]) == frozen["plan"]["configs"][row["arm"]]
        assert (row["status"], row["epochs_reached"], row["tune_number"]) == ("complete", EPOCHS, None)
        assert row["test_top1"] is not None
        assert row["started_at"] >= frozen["frozen_at"][:19]
    study = json.loads((folder / "results/tuned/study.json").read_text())
    assert study["frozen"] == frozen["hash"]
    assert {arm["arm"]: arm["config"] for arm in study["arms"]} == frozen["plan"]["configs"]
    tune = [row for row in records(folder, "tune") if row["status"] == "complete"]
    for arm in frozen["arms"]:
        scores = {}
        for row in tune:
            if row["arm"] == arm["arm"]:
                scores.setdefault(row["tune_number"], []).append(row["val_top1"])
        best = max(scores, key=lambda number: (sum(scores[number]), -number))
        assert arm["setting"] == best
        assert arm["score"] == pytest.approx(sum(scores[best]) / 2)


def test_winners_are_trained_on_the_validation_data_too(folder):
    """Of 1078 samples, then of 1347, a share of 0.3 by class is used; the test samples are the same ones."""
    tune, confirm = records(folder, "tune"), records(folder, "confirm")
    assert {row["val_top1"] is None for row in tune} == {False}
    assert {row["val_top1"] for row in confirm} == {row["val_loss"] for row in confirm} == {None}
    assert len({row["test_pool_sha256"] for row in (*tune, *confirm)}) == 1
    used = [{sum(row["class_train"]) for row in rows} for rows in (tune, confirm)]
    assert used == [{324}, {404}]


def test_nothing_is_left_behind(folder):
    assert not (folder / "results/tuned/open_settings.json").exists()
    assert not list((folder / "results/tuned").glob("checkpoints/*"))


def test_verdicts_use_the_confirm_phase_alone(again):
    done = again("report", "tuned.py")
    assert done.returncode == 0, done.stderr
    report = json.loads((again.folder / "results/tuned/report/report.json").read_text())
    assert report["ledger"]["tune_phase"] == 2 * CANDIDATES * 2
    assert {arm["n"] for arm in report["arms"]} == {3}
    assert report["confirm_on"] == "train+val"
    assert [tuning["confirmed"] for tuning in report["tuning"]] == [None, None]
    assert all(set(arm["values"]) == {"0", "1", "2"} for arm in report["arms"])


def test_a_driver_killed_in_the_tune_phase_and_a_worker_in_the_confirm_phase_change_no_bit(ablate, folder):
    ablate.study(TUNED, "tuned")
    files = ablate.folder / "results/tuned"
    process = ablate.start(*OPTIONS, **PATIENT)
    wait_for(lambda: len(list(files.glob("trials/*.parquet"))) >= 2)
    wait_for(lambda: list(files.glob("checkpoints/*/*.pt")))
    process.kill()
    process.communicate()
    wait_for(lambda: not trial_workers(process.pid))
    assert not (files / "frozen.json").exists()
    before = {row["trial_id"]: row for row in records(ablate.folder)}
    assert 2 <= len(before) < 2 * CANDIDATES * 2

    process = ablate.start(*OPTIONS, **PATIENT)
    wait_for(lambda: (files / "frozen.json").exists() and records(ablate.folder, "confirm"))
    (worker,) = trial_workers(process.pid)
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: not is_alive(worker))
    assert len(records(ablate.folder, "confirm")) < 6
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors

    after = {row["trial_id"]: row for row in records(ablate.folder)}
    assert {trial_id: after[trial_id] for trial_id in before} == before  # nothing ran twice
    whole = {row["trial_id"]: comparable_fields(row) for row in records(folder)}
    assert {trial_id: comparable_fields(row) for trial_id, row in after.items()} == whole
