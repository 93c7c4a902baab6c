"""A study from the first command to its records and its MLflow view, on a real Ray and a real MLflow store."""

import json
import shutil
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from silhouette.results import Store
from tests.helpers.ablate import Ablate
from tests.helpers.comparing import comparable_fields


@pytest.fixture(scope="module")
def folder(ablate_once):
    """Where the tiny study has run once; not to be changed."""
    done = ablate_once("run", ablate_once.study())
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (ablate_once.folder / "output.txt").write_text(done.stdout)
    return ablate_once.folder


@pytest.fixture
def again(folder, tmp_path):
    """The same folder, in which a test may run more: MLflow knows trials by their place. It is restored afterwards."""
    shutil.copytree(folder, tmp_path / "before")
    yield Ablate(folder)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "before", folder)


def records(folder, results="results"):
    return Store(str(folder / results), "tiny").load().to_pylist()


def runs(folder):
    """The runs of the study, read from a copy: MLflow keeps a file open that a test has replaced."""
    from mlflow import MlflowClient

    copy = shutil.copy(folder / "results/mlflow.db", Path(tempfile.mkdtemp(dir=folder)) / "mlflow.db")
    client = MlflowClient(f"sqlite:///{copy}")
    experiment = client.get_experiment_by_name("tiny")
    return client, client.search_runs([experiment.experiment_id])


def test_every_trial_leaves_one_complete_record(folder):
    rows = records(folder)
    assert [(row["arm"], row["seed"], row["status"]) for row in rows] == [
        ("λ=0", 0, "complete"),
        ("λ=0", 1, "complete"),
        ("λ=0.5", 0, "complete"),
        ("λ=0.5", 1, "complete"),
    ]
    assert pq.read_table(folder / "results/tiny/records.parquet").num_rows == 4
    row = rows[0]
    assert [point["epoch"] for point in row["curve"]] == [1, 2]
    assert row["test_top1"] == pytest.approx(sum(row["class_correct"]) / sum(row["class_total"]))
    assert json.loads(row["config"])["width"] == 4
    assert {"torch", "ray", "python"} <= set(json.loads(row["versions"]))
    assert row["threads"] == 1


def test_the_output_is_plain_lines(folder):
    lines = (folder / "output.txt").read_text().strip().splitlines()
    assert lines[0] == "2 seeds: below 3 seeds there is no verdict"
    assert lines[1] == "tiny: 4 trials planned, 0 finished, 4 to run"
    assert lines[-2].startswith("4/4 complete (4 complete)")
    assert lines[-1] == "next: ablate report tiny.py"


def test_mlflow_shows_one_parent_and_one_run_per_trial(folder):
    client, found = runs(folder)
    parent = [run for run in found if run.data.tags["kind"] == "study"]
    nested = [run for run in found if run.data.tags["kind"] == "trial"]
    assert len(parent) == 1
    assert sorted(run.info.run_name for run in nested) == [f"λ={a} seed {s}" for a in ("0", "0.5") for s in (0, 1)]
    assert {run.data.tags["mlflow.parentRunId"] for run in nested} == {parent[0].info.run_id}
    assert {run.info.status for run in found} == {"FINISHED"}
    row = records(folder)[0]
    run = next(run for run in nested if run.data.tags["trial_id"] == row["trial_id"])
    assert run.data.metrics["test_top1"] == row["test_top1"]
    assert run.data.params["lambda_sil"] == "0.0"
    history = client.get_metric_history(run.info.run_id, "val_top1")
    assert [(m.step, m.value) for m in history] == [(p["epoch"], p["val_top1"]) for p in row["curve"]]


def test_a_second_run_runs_nothing(again):
    before = records(again.folder)
    done = again("run", "tiny.py")
    assert done.returncode == 0
    assert "all 4 trials already have records in" in done.stdout
    assert records(again.folder) == before


def test_status_shows_arms_and_seeds(again):
    done = again("status", "tiny.py")
    assert done.returncode == 0
    assert "4/4 complete" in done.stdout
    assert "●●" in done.stdout


def test_another_seed_runs_only_its_own_trials_and_doubles_no_mlflow_run(again):
    before = {row["trial_id"]: row for row in records(again.folder)}
    done = again("run", "tiny.py", "--seeds", "3", "--extend")
    assert done.returncode == 0, done.stderr
    assert "6 trials planned, 4 finished, 2 to run" in done.stdout
    after = {row["trial_id"]: row for row in records(again.folder)}
    assert len(after) == 6
    assert {trial_id: after[trial_id] for trial_id in before} == before
    _, found = runs(again.folder)
    assert len(found) == 7


def test_sync_changes_nothing_that_is_there(again):
    def metrics():
        _, found = runs(again.folder)
        return {run.info.run_id: run.data.metrics for run in found if run.data.tags["kind"] == "trial"}

    before = metrics()
    done = again("sync", "tiny.py")
    assert done.returncode == 0, done.stderr
    assert metrics() == before


def test_another_folder_and_another_order_give_the_same_records(again):
    done = again("run", "tiny.py", "--results", "another", "--set", "lambda_sil=0.5,0")
    assert done.returncode == 0, done.stderr
    another = {row["trial_id"]: comparable_fields(row) for row in records(again.folder, "another")}
    assert another == {row["trial_id"]: comparable_fields(row) for row in records(again.folder)}
