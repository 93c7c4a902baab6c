"""A study from the first command to its records and its MLflow view, on a real Ray and a real MLflow store."""

import json
import signal
import subprocess
import time

import pyarrow.parquet as pq
import pytest

from silhouette.results import Store

METRICS = ["trial_id", "val_top1", "val_loss", "test_top1", "test_macro_top1", "test_silhouette", "class_correct"]


@pytest.fixture(scope="module")
def first(ablate_once):
    """The first run of the tiny study; the tests of this module follow it in order."""
    done = ablate_once("run", ablate_once.study())
    assert done.returncode == 0, done.stderr
    return done


def records(folder, name="tiny"):
    return Store(str(folder / "results"), name).load().to_pylist()


def runs(folder):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/results/mlflow.db")
    experiment = client.get_experiment_by_name("tiny")
    return client, client.search_runs([experiment.experiment_id])


def test_every_trial_leaves_one_complete_record(first, ablate_once):
    rows = records(ablate_once.folder)
    assert [(row["arm"], row["seed"], row["status"]) for row in rows] == [
        ("λ=0", 0, "complete"),
        ("λ=0", 1, "complete"),
        ("λ=0.5", 0, "complete"),
        ("λ=0.5", 1, "complete"),
    ]
    assert pq.read_table(ablate_once.folder / "results/tiny/records.parquet").num_rows == 4
    row = rows[0]
    assert [point["epoch"] for point in row["curve"]] == [1, 2]
    assert row["test_top1"] == pytest.approx(sum(row["class_correct"]) / sum(row["class_total"]))
    assert json.loads(row["config"])["width"] == 4
    assert {"torch", "ray", "python"} <= set(json.loads(row["versions"]))
    assert row["threads"] == 1


def test_output_is_plain_lines_without_chatter(first):
    lines = first.stdout.strip().splitlines()
    assert lines[0] == "tiny: 4 trials planned, 0 finished, 4 to run"
    assert lines[-2].startswith("4/4 complete (4 complete)")
    assert lines[-1] == "next: ablate report tiny.py"
    assert first.stderr == ""


def test_mlflow_shows_one_parent_and_one_run_per_trial(first, ablate_once):
    client, found = runs(ablate_once.folder)
    parent = [run for run in found if run.data.tags["kind"] == "study"]
    nested = [run for run in found if run.data.tags["kind"] == "trial"]
    assert len(parent) == 1
    assert sorted(run.info.run_name for run in nested) == [f"λ={a} seed {s}" for a in ("0", "0.5") for s in (0, 1)]
    assert {run.data.tags["mlflow.parentRunId"] for run in nested} == {parent[0].info.run_id}
    assert {run.info.status for run in found} == {"FINISHED"}
    row = records(ablate_once.folder)[0]
    run = next(run for run in nested if run.data.tags["trial_id"] == row["trial_id"])
    assert run.data.metrics["test_top1"] == row["test_top1"]
    assert run.data.params["lambda_sil"] == "0.0"
    history = client.get_metric_history(run.info.run_id, "val_top1")
    assert [(m.step, m.value) for m in history] == [(p["epoch"], p["val_top1"]) for p in row["curve"]]


def test_a_second_run_runs_nothing(first, ablate_once):
    before = records(ablate_once.folder)
    done = ablate_once("run", "tiny.py")
    assert done.returncode == 0
    assert "all 4 trials already have records in" in done.stdout
    assert records(ablate_once.folder) == before


def test_status_shows_arms_and_seeds(first, ablate_once):
    done = ablate_once("status", "tiny.py")
    assert done.returncode == 0
    assert "4/4 complete" in done.stdout
    assert "●●" in done.stdout


def test_another_seed_runs_only_its_own_trials_and_doubles_no_mlflow_run(first, ablate_once):
    before = {row["trial_id"]: row for row in records(ablate_once.folder)}
    done = ablate_once("run", "tiny.py", "--seeds", "3")
    assert done.returncode == 0, done.stderr
    assert "6 trials planned, 4 finished, 2 to run" in done.stdout
    after = {row["trial_id"]: row for row in records(ablate_once.folder)}
    assert len(after) == 6
    assert {trial_id: after[trial_id] for trial_id in before} == before
    _, found = runs(ablate_once.folder)
    assert len(found) == 7


def test_sync_changes_nothing_that_is_there(first, ablate_once):
    _, before = runs(ablate_once.folder)
    done = ablate_once("sync", "tiny.py")
    assert done.returncode == 0, done.stderr
    _, after = runs(ablate_once.folder)
    assert {run.info.run_id: run.data.metrics for run in before if run.data.tags["kind"] == "trial"} == {
        run.info.run_id: run.data.metrics for run in after if run.data.tags["kind"] == "trial"
    }


def test_another_folder_and_fewer_workers_give_the_same_bits(first, ablate_once):
    done = ablate_once("run", "tiny.py", "--results", "again", "--set", "lambda_sil=0.5,0")
    assert done.returncode == 0, done.stderr
    again = Store(str(ablate_once.folder / "again"), "tiny").load(METRICS).to_pylist()
    once = {
        row["trial_id"]: row for row in Store(str(ablate_once.folder / "results"), "tiny").load(METRICS).to_pylist()
    }
    assert len(again) == 4
    assert all(once[row["trial_id"]] == row for row in again)


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(ablate):
    name = ablate.study()
    process = subprocess.Popen(
        ablate.command("run", name, "--set", "epochs=40", "--seeds", "20"),
        cwd=ablate.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    trials = ablate.folder / "results/tiny/trials"
    deadline = time.monotonic() + 120
    while not list(trials.glob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "To resume: ablate run tiny.py --set epochs=40 --seeds 20" in out
    rows = records(ablate.folder)
    assert 0 < len(rows) < 40
    assert {row["status"] for row in rows} == {"complete"}
    assert not (ablate.folder / "results/tiny/driver.json").exists()
