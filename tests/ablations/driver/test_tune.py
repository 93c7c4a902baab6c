"""A tuned study on a real Ray: killed in both phases it ends as if nothing had happened."""

import json
import os
import signal
import subprocess
import time

import pytest

from silhouette.results import Store

TUNED = """
from ablations import Study, Tuning
from search_spaces import Interval

STUDY = Study(
    question="Does the silhouette term help when both arms are tuned?",
    treatments={"CE": {"lambda_sil": 0.0}, "CE+Sil": {}},
    fixed={"dataset": "digits", "epochs": %d, "width": 4, "train_fraction": 0.3},
    baseline="CE",
    seeds=(0, 1, 2),
    tuning=Tuning(
        nuisance={"lr": Interval(1e-3, 1e-1, log=True), "lambda_sil": Interval(0.02, 1.0, log=True), "tau": None},
        settings=%d,
        grace=1,
        reduction=2.0,
    ),
)
"""
PATIENT = {"GOMP_SPINCOUNT": "0", "OMP_WAIT_POLICY": "PASSIVE"}
"""Two threads of a trial that wait for each other awake are slow to a standstill on a machine that is busy."""
KEY = ("phase", "arm", "seed", "tune_number")
SAME = (*KEY, "trial_id", "status", "epochs_reached", "tune_values", "tune_known", "val_top1", "test_top1", "config")


def tuned(ablate, epochs=4, settings=3) -> str:
    return ablate.study(TUNED % (epochs, settings), "tuned")


def records(folder, results="results") -> list[dict]:
    rows = Store(str(folder / results), "tuned").load().to_pylist()
    return sorted(({**row} for row in rows), key=lambda row: [str(row[name]) for name in KEY])


def essence(rows) -> list[dict]:
    kept = [{name: row[name] for name in SAME} for row in rows]
    for new, row in zip(kept, rows, strict=True):
        new["curve"] = [(point["epoch"], point["val_top1"], point["train_loss"]) for point in row["curve"]]
    return kept


@pytest.fixture(scope="module")
def first(ablate_once):
    """One run from beginning to end; the tests of this module follow it in order."""
    done = ablate_once("run", tuned(ablate_once), "--seeds", "2")
    assert done.returncode == 0, done.stderr
    return done


def test_every_arm_gets_the_same_number_of_settings_and_only_validation_data(first, ablate_once):
    rows = [row for row in records(ablate_once.folder) if row["phase"] == "tune"]
    for arm in ("CE", "CE+Sil"):
        mine = [row for row in rows if row["arm"] == arm]
        assert sorted(row["tune_number"] for row in mine) == [0, 0, 1, 1, 2, 2]
        assert len({row["config"] for row in mine}) == 3
        assert {row["seed"] for row in mine} == {1_000_000, 1_000_001}
    assert {row["status"] for row in rows} <= {"complete", "stopped"}
    assert all(row["test_top1"] is None and row["class_correct"] is None for row in rows)
    assert all(len(row["curve"]) == row["epochs_reached"] for row in rows)
    stopped = [row for row in rows if row["status"] == "stopped"]
    assert all(row["epochs_reached"] in (1, 2) for row in stopped)
    assert all(row["epochs_reached"] == 4 for row in rows if row["status"] == "complete")


def test_seeds_of_a_setting_end_together(first, ablate_once):
    rows = [row for row in records(ablate_once.folder) if row["phase"] == "tune"]
    groups = {}
    for row in rows:
        groups.setdefault((row["arm"], row["tune_number"]), set()).add((row["status"], row["epochs_reached"]))
    assert all(len(ends) == 1 for ends in groups.values())


def test_the_frozen_winner_is_what_was_confirmed(first, ablate_once):
    folder = ablate_once.folder / "results/tuned"
    frozen = json.loads((folder / "frozen.json").read_text())
    rows = [row for row in records(ablate_once.folder) if row["phase"] == "confirm"]
    assert len(rows) == 4
    for row in rows:
        assert json.loads(row["config"]) == frozen["plan"]["configs"][row["arm"]]
        assert (row["status"], row["epochs_reached"], row["tune_number"]) == ("complete", 4, None)
        assert row["test_top1"] is not None
        assert row["started_at"] >= frozen["frozen_at"][:19]
    study = json.loads((folder / "study.json").read_text())
    assert study["frozen"] == frozen["hash"]
    assert {arm["arm"]: arm["config"] for arm in study["arms"]} == frozen["plan"]["configs"]
    tune = [row for row in records(ablate_once.folder) if row["phase"] == "tune" and row["status"] == "complete"]
    for arm in frozen["arms"]:
        scores = {}
        for row in tune:
            if row["arm"] == arm["arm"]:
                scores.setdefault(row["tune_number"], []).append(row["val_top1"])
        best = max(scores, key=lambda number: (sum(scores[number]), -number))
        assert arm["setting"] == best
        assert arm["score"] == pytest.approx(sum(scores[best]) / 2)


def test_nothing_is_left_behind(first, ablate_once):
    folder = ablate_once.folder / "results/tuned"
    assert not (folder / "open_settings.json").exists()
    assert not list(folder.glob("checkpoints/*"))


def test_verdicts_use_the_confirm_phase_alone(first, ablate_once):
    done = ablate_once("report", "tuned.py")
    assert done.returncode == 0, done.stderr
    report = json.loads((ablate_once.folder / "results/tuned/report/report.json").read_text())
    assert report["ledger"]["tune_phase"] == 12
    assert {arm["n"] for arm in report["arms"]} == {2}
    assert all(set(arm["values"]) == {"0", "1"} for arm in report["arms"])


@pytest.mark.slow
def test_a_second_run_runs_nothing_and_more_seeds_run_only_themselves(first, ablate_once):
    before = essence(records(ablate_once.folder))
    assert ablate_once("run", "tuned.py", "--seeds", "2").returncode == 0
    assert essence(records(ablate_once.folder)) == before
    done = ablate_once("run", "tuned.py")
    assert done.returncode == 0, done.stderr
    assert "6 trials planned, 4 finished, 2 to run" in done.stdout
    assert len(records(ablate_once.folder)) == len(before) + 2
    study = json.loads((ablate_once.folder / "results/tuned/study.json").read_text())
    assert [(note["from"], note["to"], note["declared"]) for note in study["extended"]] == [(2, 3, False)]


def kill_when(ablate, ready, *arguments) -> None:
    """Run, and SIGKILL the driver as soon as `ready()` holds."""
    output = ablate.folder / "output.txt"
    with output.open("w") as sink:
        process = subprocess.Popen(
            ablate.command("run", "tuned.py", *arguments),
            cwd=ablate.folder,
            env={**os.environ, "RAY_ADDRESS": "", **PATIENT},
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 600
    while not ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None, f"it ended before it could be killed: {output.read_text()}"
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(3)  # Ray's processes notice that their driver is gone


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_killed_in_tune_and_in_confirm_it_ends_as_if_nothing_had_happened(ablate):
    name = tuned(ablate, epochs=10, settings=4)
    one_worker = ("--cpus-per-trial", "2", "--checkpoint-seconds", "0", "--seeds", "8")
    assert ablate("run", name, *one_worker, "--results", "whole", timeout=900, **PATIENT).returncode == 0
    whole = essence(records(ablate.folder, "whole"))

    def phase(kind):
        return [row for row in records(ablate.folder) if row["phase"] == kind]

    def in_the_middle_of_a_setting():
        found = list((ablate.folder / "results/tuned/checkpoints").glob("*/*.pt"))
        return len(phase("tune")) >= 6 and bool(found)

    kill_when(ablate, in_the_middle_of_a_setting, *one_worker)
    before = {row["trial_id"]: row for row in phase("tune")}
    assert 6 <= len(before) < 16
    assert not (ablate.folder / "results/tuned/frozen.json").exists()
    kill_when(ablate, lambda: len(phase("confirm")) >= 2, *one_worker)
    assert 2 <= len(phase("confirm")) < 16
    done = ablate("run", name, *one_worker, timeout=900, **PATIENT)
    assert done.returncode == 0, done.stderr
    after = records(ablate.folder)
    assert essence(after) == whole  # the same settings in the same order, the same ends, the same bits
    assert len({row["trial_id"] for row in after}) == len(after) == 16 + 16
    assert {i: row for i, row in ((r["trial_id"], r) for r in after) if i in before} == before  # nothing run twice
    assert ablate("report", "tuned.py").returncode == 0


@pytest.mark.slow
def test_ctrl_c_in_the_tune_phase_freezes_nothing_and_goes_on(ablate):
    name = tuned(ablate, epochs=12, settings=4)
    process = subprocess.Popen(
        ablate.command("run", name), cwd=ablate.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    trials = ablate.folder / "results/tuned/trials"
    deadline = time.monotonic() + 600
    while len(list(trials.glob("*.parquet"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "To resume: ablate run tuned.py" in out
    assert not (ablate.folder / "results/tuned/frozen.json").exists()
    done = ablate("run", name)
    assert done.returncode == 0, done.stderr
    rows = records(ablate.folder)
    assert [
        len({r["tune_number"] for r in rows if r["arm"] == a and r["phase"] == "tune"}) for a in ("CE", "CE+Sil")
    ] == [4, 4]
    assert sum(row["phase"] == "tune" for row in rows) == 16


@pytest.mark.slow
def test_a_setting_whose_worker_is_killed_goes_on(ablate):
    name = tuned(ablate, epochs=40, settings=2)
    process = subprocess.Popen(
        ablate.command("run", name, "--checkpoint-seconds", "0"), cwd=ablate.folder, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    folder = ablate.folder / "results/tuned/checkpoints"
    deadline = time.monotonic() + 600
    while not list(folder.glob("*/*.pt")) and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = subprocess.run(["pgrep", "-f", "ray::.*Trainable"], capture_output=True, text=True, check=False)
    mine = [int(pid) for pid in workers.stdout.split() if _descends(int(pid), process.pid)]
    assert mine
    subprocess.run(["kill", "-9", str(mine[0])], check=True)
    _, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    rows = [row for row in records(ablate.folder) if row["phase"] == "tune"]
    assert len(rows) == 8
    assert {row["status"] for row in rows} <= {"complete", "stopped"}


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        with open(f"/proc/{pid}/stat") as file:
            pid = int(file.read().rsplit(")", 1)[1].split()[1])
    return False
