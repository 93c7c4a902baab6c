"""The MLflow runs of a study in a database file: each trial has one run, whatever happened before."""

import json

import pytest

from ablations.errors import StudyError
from ablations.tracking.mirror import sync
from ablations.tracking.mlflow_runs import MlflowRuns, tracking_uri
from ablations.tracking.runs_table import VIEW_TAG
from silhouette.results import Store
from tests.helpers.mlflow_runs import STUDY, all_runs, record, spec_of, trial_id, trial_runs
from tests.helpers.waiting import free_port


@pytest.fixture
def view(database, store):
    return MlflowRuns(database, store, STUDY)


def test_uri_is_absolute_and_the_environment_is_respected(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri("results") == f"sqlite:///{tmp_path}/results/mlflow.db"
    assert tracking_uri("s3://bucket/x") == f"sqlite:///{tmp_path}/results/mlflow.db"
    assert tracking_uri(f"file://{tmp_path}/x") == f"sqlite:///{tmp_path}/x/mlflow.db"
    assert tracking_uri("results", "sqlite:///view.db") == f"sqlite:///{tmp_path}/view.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert tracking_uri("results") == "http://127.0.0.1:1"


def test_a_folder_that_cannot_be_written_is_one_line_before_mlflow_waits_for_it(store):
    with pytest.raises(StudyError, match=r"^--results: the MLflow database is in /proc: .*; give a folder that can be"):
        sync(MlflowRuns("sqlite:////proc/mlflow.db", store, STUDY))


def test_sync_ten_times_is_sync_once_and_ends_stale_runs(view, store):
    for seed in (0, 1):
        store.write_record(record(seed))
    store.write_record(record(2, "failed"))
    view.show(spec_of(trial_id(7)), [{"epoch": 1, "val_top1": 0.1}], None)  # its driver died long ago
    for _ in range(10):
        view = MlflowRuns(view.uri, store, STUDY)
        assert sync(view) == 3
    runs = trial_runs(view)
    assert {name: run.info.status for name, run in runs.items()} == {
        trial_id(0): "FINISHED",
        trial_id(1): "FINISHED",
        trial_id(2): "FAILED",
        trial_id(7): "KILLED",
    }
    assert len(all_runs(view)) == 5
    history = view.client.get_metric_history(runs[trial_id(1)].info.run_id, "val_top1")
    assert [m.step for m in history] == [1, 2, 3]


def test_sync_attaches_the_report_and_its_verdicts(view, store):
    store.write_record(record(0))
    comparison = {"family": "all arms", "treatment": "λ=0.2", "verdict": "worse", "difference": -0.01}
    comparison |= {"ci_low": -0.02, "ci_high": -0.005, "p_adjusted": 0.01}
    refused = {**comparison, "treatment": "λ=1", "verdict": "no verdict", "reason": "interim: 5 of 10 planned seeds"}
    store.write_json({"comparisons": [comparison, refused]}, "report/report.json")
    sync(view)
    parent = view.client.get_run(view.parent)
    assert parent.data.metrics["all arms/λ_0.2/difference"] == -0.01
    assert parent.data.metrics["all arms/λ_0.2/p_adjusted"] == 0.01
    assert [name for name in parent.data.metrics if "λ_1/" in name] == ["all arms/λ_1/difference"]
    assert parent.data.tags["verdict/all arms/λ_0.2"] == "worse"
    assert [file.path for file in view.client.list_artifacts(view.parent, "report")] == ["report/report.json"]


def test_the_table_of_the_runs_shows_test_means_once_the_plan_is_complete(view, store):
    def columns():
        tags = view.client.get_experiment(view.experiment).tags
        return json.loads(tags[VIEW_TAG])["selectedColumns"]

    arm = record(0)["arm"]
    store.write_json({**STUDY, "arms": [{"arm": arm}], "seeds": [0, 1]}, "study.json")
    store.write_record(record(0))
    sync(view)
    assert columns() == ["metrics.`val_top1`"]
    store.write_record(record(1))
    sync(MlflowRuns(view.uri, store, STUDY))
    assert columns() == ["metrics.`test_top1`"]


def test_an_experiment_that_a_person_deleted_is_restored(view, store):
    store.write_record(record(0))
    sync(view)
    view.client.delete_experiment(view.experiment)
    assert sync(MlflowRuns(view.uri, store, STUDY)) == 1
    assert view.client.get_experiment(view.experiment).lifecycle_stage == "active"
    assert len(trial_runs(view)) == 1


def test_the_error_of_a_trial_that_succeeded_later_is_removed(view, store):
    spec = spec_of(trial_id(0))
    view.show(spec, [], record(0, "failed"))
    MlflowRuns(view.uri, store, STUDY).show(spec, [], record(0))
    (run,) = trial_runs(view).values()
    assert (run.data.tags["status"], "error" in run.data.tags) == ("complete", False)


def test_a_run_whose_creation_was_not_confirmed_is_not_created_again(view, monkeypatch):
    create = view.client.create_run

    def create_without_answer(*arguments, **named):
        create(*arguments, **named)
        raise ConnectionError("timed out")

    assert view.parent
    monkeypatch.setattr(view.client, "create_run", create_without_answer)
    with pytest.raises(ConnectionError):
        view.show(spec_of(trial_id(1)), [], None)
    view.show(spec_of(trial_id(1)), [], record(1))
    (run,) = trial_runs(view).values()
    assert run.data.params == {"lambda_sil": "0.2", "seed": "1"}
    assert len(all_runs(view)) == 2


def test_no_secret_of_a_results_location_reaches_mlflow(database):
    store = Store("s3://k3y:s3cret@bucket/x?region=eu-central-1", "tiny")
    view = MlflowRuns(database, store, STUDY)
    view.show(spec_of(trial_id(1)), [], None)
    for run in all_runs(view):
        assert run.data.tags["results"] == "s3://bucket/x?region=eu-central-1"
        assert "s3cret" not in str(run.to_dictionary())


def test_results_in_a_folder_with_a_quote_are_shown_once(database, tmp_path):
    store = Store(str(tmp_path / "it's"), "tiny")
    store.write_record(record(0))
    for _ in range(2):
        view = MlflowRuns(database, store, STUDY)
        sync(view)
    assert len(all_runs(view)) == 2


def test_parameters_are_the_config_and_the_seed_only(view):
    view.show({**spec_of(trial_id(1)), "results": "s3://key:secret@bucket"}, [], None)
    (run,) = trial_runs(view).values()
    assert set(run.data.params) == {"lambda_sil", "seed"}


def test_sync_with_a_server_that_is_down_is_one_line(store, ablate):
    store.write_json(STUDY, "study.json")
    done = ablate("sync", "tiny", "--mlflow", f"http://127.0.0.1:{free_port()}")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("ablate: --mlflow: must be an MLflow server or database that answers")
