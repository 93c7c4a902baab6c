"""`ablate init experiment` writes a training that resumes exactly, and a study that finds it beside its file."""

import json
import runpy

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from ablations.cli.parser import main
from ablations.templates import FILES
from ablations.tracking.mlflow_runs import tracking_uri
from tests.helpers.ablate import Ablate

SHORT = ("--set", "epochs=2", "--seeds", "3")


def test_it_continues_from_its_state_with_the_same_numbers():
    made = runpy.run_path(str(FILES / "digits_experiment.py"))
    settings = made["Settings"](penalty="l1", epochs=4)
    whole, half, rest = (made["Digits"](settings, 3) for _ in range(3))
    while not whole.done:
        whole.step()
    half.step()
    rest.load_state_dict(json.loads(json.dumps(half.state_dict())))
    while not rest.done:
        rest.step()
    assert rest.curve == whole.curve
    assert rest.result() == whole.result()
    assert "test_error" not in whole.result(test=False)["metrics"]


def test_its_study_is_planned_with_the_training_beside_it(tmp_path, capsys):
    assert main(["init", "experiment", "--to", str(tmp_path)]) == 0
    assert main(["plan", str(tmp_path / "my_experiment.py"), "--results", str(tmp_path / "results")]) == 0
    assert "3 arms × 5 seeds = 15 trials planned" in capsys.readouterr().out


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder of a person who wrote the experiment and ran its study."""
    ablate = Ablate(tmp_path_factory.mktemp("experiment"))
    assert ablate("init", "experiment").returncode == 0
    ran = ablate("run", "my_experiment.py", *SHORT)
    assert (ran.returncode, "9/9 complete" in ran.stdout) == (0, True), ran.stdout + ran.stderr
    return ablate


def test_its_study_is_run_and_reported(done):
    assert done("report", "my_experiment.py").returncode == 0
    report = json.loads((done.folder / "results/my_experiment/report/report.json").read_text())
    assert (report["metric"]["label"], report["metric"]["direction"]) == ("error rate on test data", "min")
    assert [arm["n"] for arm in report["arms"]] == [3, 3, 3]


def test_mlflow_shows_its_metrics(done):
    client = MlflowClient(tracking_uri(str(done.folder / "results"), None))
    (study,) = [found for found in client.search_experiments() if found.name != "Default"]
    runs = [run for run in client.search_runs([study.experiment_id]) if "test_error" in run.data.metrics]
    records = pq.read_table(done.folder / "results/my_experiment/records.parquet").to_pylist()
    errors = {record["trial_id"]: dict(record["metrics"])["test_error"] for record in records}
    assert {run.data.tags["trial_id"]: run.data.metrics["test_error"] for run in runs} == errors
    assert len(errors) == 9
