"""One Ray session, display and mirror for a run: how many trials run at once, and what a signal leaves in MLflow."""

import os
import signal
import subprocess

import pytest
from mlflow import MlflowClient

from ablations.design.study import make_study
from ablations.driver.interrupts import Deadline
from ablations.driver.options import RunOptions
from ablations.driver.session import INCOMPLETE, RunSession, preload_modules
from ablations.errors import StudyError
from silhouette.results import Store
from tests.helpers.pretend import ENVIRONMENT, EPOCH_SECONDS, HOLD_FILE, PRETEND
from tests.helpers.waiting import wait_for

STUDY = f"""
from ablations import Study, Tuning
from search_spaces import Interval

STUDY = Study(
    question="Does the engine end in order?",
    treatments={{"CE": {{"lambda_sil": 0.0}}, "CE+Sil": {{"lambda_sil": 0.2}}}},
    fixed={{"dataset": "digits", "epochs": 4}},
    baseline="CE",
    seeds=range(6),
    experiment="{PRETEND}",
    tuning=Tuning(nuisance={{"lr": Interval(1e-3, 1e-1, log=True)}}, settings=2, grace=1, reduction=2.0),
)
"""


def session(tmp_path, **options):
    study = make_study({"name": "s", "question": "?", "factors": {"lr": (0.1, 0.2)}, "baseline": {"lr": 0.1}})
    return RunSession(study, Store(str(tmp_path), "s"), RunOptions(**options), None, {"study": "s"}, Deadline())


def test_jobs_bound_the_cpus_of_a_local_ray(tmp_path):
    usable = len(os.sched_getaffinity(0))
    assert session(tmp_path)._local_cpus() <= usable
    assert session(tmp_path, jobs=1)._local_cpus() == 1
    assert session(tmp_path, jobs=10_000)._local_cpus() <= usable
    with pytest.raises(StudyError, match="--jobs: must be at least 1, got 0"):
        RunOptions(jobs=0).check()


def test_one_cpu_is_named_in_the_singular(monkeypatch):
    monkeypatch.setattr("ablations.driver.options.usable_cpus", lambda: 1)
    with pytest.raises(StudyError, match="--cpus-per-trial: this process may use 1 CPU, got 2"):
        RunOptions(cpus=2).check()


def test_workers_preload_what_a_trial_needs_unless_many_would_get_none():
    assert preload_modules(RunOptions(), PRETEND, 2) == ("ablations.workers.trainable", "tests.helpers.pretend")
    assert preload_modules(RunOptions(), None, 2)[1] == "silhouette.training.run"
    assert preload_modules(RunOptions(cpus=2), None, 8) == ()
    assert preload_modules(RunOptions(), None, 64) == ()


def runs_of(folder):
    client = MlflowClient(f"sqlite:///{folder}/results/mlflow.db")
    experiment = client.get_experiment_by_name("engine")
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    return {run.data.tags.get("trial_id"): run for run in found}


def lines_to(stream, start):
    """The lines of a stream up to the first one that begins so; all lines if there is none."""
    lines = []
    for line in stream:
        lines.append(line.rstrip("\n"))
        if line.startswith(start):
            break
    return lines


def test_a_signal_is_answered_before_the_trials_end_and_the_view_follows_the_records(ablate):
    """One tuned study: tune phase and confirm phase in one session, a signal in the confirm phase, and a second run.

    When the signal comes, the trial that runs is held in an epoch. It can end and be saved only after the answer.
    """
    ablate.study(STUDY, "engine")
    trials, hold = ablate.folder / "results/engine/trials", ablate.folder / "hold"
    process = subprocess.Popen(
        ablate.command("run", "engine.py", "--jobs", "1", "--checkpoint-seconds", "0"),
        cwd=ablate.folder,
        env={**os.environ, "RAY_ADDRESS": "", **ENVIRONMENT, EPOCH_SECONDS: "0.1", HOLD_FILE: str(hold)},
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: len(list(trials.glob("*.parquet"))) >= 8 + 2)
    hold.touch()
    wait_for(hold.with_name("held").exists)
    process.send_signal(signal.SIGINT)
    lines = lines_to(process.stdout, "interrupted (SIGINT)")
    assert lines[-1].startswith("interrupted (SIGINT): saving checkpoints")
    assert process.poll() is None
    announced = len(lines) - 1
    hold.unlink()
    lines += process.stdout.read().splitlines()
    assert process.wait(60) == 130
    rows = [
        row for row in Store(str(ablate.folder / "results"), "engine").load().to_pylist() if row["phase"] == "confirm"
    ]
    last = next(line for line in lines[announced:] if "/12 complete" in line)
    assert last.startswith(f"{len(rows)}/12 complete ({len(rows)} complete, {12 - len(rows)} missing)")
    assert lines[-1] == (
        "interrupted (SIGINT); finished trials are kept. To resume: "
        "ablate run engine.py --jobs 1 --checkpoint-seconds 0"
    )
    assert sum("frozen as" in line for line in lines) == 1
    shown = runs_of(ablate.folder)
    for row in rows:
        assert shown[row["trial_id"]].info.status == "FINISHED"
        assert shown[row["trial_id"]].data.metrics["test_top1"] == row["test_top1"]
    assert (ablate.folder / "results/engine/records.parquet").exists()
    done = ablate("run", "engine.py", **ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert f"12 trials planned, {len(rows)} finished, {12 - len(rows)} to run" in done.stdout
    assert {run.info.status for run in runs_of(ablate.folder).values()} == {"FINISHED"}
    assert not (ablate.folder / "results/engine" / INCOMPLETE).exists()


def test_a_run_with_nothing_to_run_completes_a_view_that_an_earlier_run_left_behind(tmp_path):
    store = Store(str(tmp_path), "s")
    store.write_json({"study": "s"}, INCOMPLETE)
    lines = {"study": "s", "question": "?", "plan_hash": "0"}
    study = make_study({"name": "s", "question": "?", "factors": {"lr": (0.1, 0.2)}, "baseline": {"lr": 0.1}})
    options = RunOptions(str(tmp_path), mlflow=f"sqlite:///{tmp_path}/mlflow.db")
    with RunSession(study, store, options, None, lines, Deadline()) as one:
        run = one.runs._new_run({"trial_id": "aa", "arm": "a", "seed": 0, "phase": "confirm"}, one.runs.parent)
        record = {"trial_id": "aa", "arm": "a", "seed": 0, "phase": "confirm", "status": "complete", "test_top1": 0.5}
        store.write_record({**record, "epochs_reached": 1, "curve": []})
    with RunSession(study, store, options, None, lines, Deadline()) as other:
        other.complete_view(lambda: {"complete": 1})
    shown = MlflowClient(options.mlflow).get_run(run.info.run_id)
    assert (shown.info.status, shown.data.metrics["test_top1"]) == ("FINISHED", 0.5)
    assert store.read_json(INCOMPLETE) is None
