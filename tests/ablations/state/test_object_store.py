"""Records, checkpoints, status and report on an object store: a local S3 server stands in for the cloud."""

import os
import platform
import subprocess
import sys
import zipfile
from datetime import UTC, datetime

import numpy as np
import pytest

from ablations import load_study
from ablations.design.plan import adopt_plan
from ablations.errors import StudyError
from ablations.state.checkpoints import Checkpoints
from ablations.state.kept import forget, kept_bytes, kept_trials, read_sample, read_weights, write_kept
from ablations.state.lock import DriverLock, living_driver
from silhouette.evaluated import Evaluation, read_evaluations, write_evaluations
from silhouette.results import Store
from tests.helpers.ablate import EXPERIMENT, TINY
from tests.helpers.waiting import answers, free_port, wait_for

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="module")
def bucket():
    """URI of an empty bucket on a local S3 server."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", address.rpartition(":")[2]]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(f"http://{address}/studies", "PUT"))
        yield f"s3://studies/runs?endpoint_override={address}&scheme=http&region=us-east-1"
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def store(bucket, monkeypatch, request):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return Store(bucket, request.node.name.replace("[", "_").replace("]", ""))


def record(trial_id, status="complete"):
    return {"trial_id": trial_id, "arm": "a", "seed": 0, "phase": "confirm", "status": status, "test_top1": 0.5}


def test_records_are_written_read_and_compacted(store):
    store.write_record(record("aa", "failed"))
    store.write_record(record("bb"))
    assert store.compact() == 2
    store.write_record(record("aa"))
    assert [(r["trial_id"], r["status"]) for r in store.load().to_pylist()] == [("aa", "complete"), ("bb", "complete")]
    assert store.trial_ids() == {"aa", "bb"}


def test_kept_files_and_what_was_measured_on_them_are_written_read_and_forgotten(store):
    for trial_id in ("aa", "bb"):
        store.write_record(record(trial_id))
        write_kept(store, trial_id, "last", kept_bytes("last", trial_id, {"w": np.arange(3.0)}))
        sample = {"features": [[0.5, 1.0]], "labels": [2]}
        write_kept(store, trial_id, "embeddings", kept_bytes("embeddings", trial_id, sample))
    write_evaluations(store, [Evaluation(i, "test_x", "m:x", "0" * 12, 1.0, "last", "2026") for i in ("aa", "bb")])
    assert kept_trials(store) == {"last": {"aa", "bb"}, "embeddings": {"aa", "bb"}}
    assert read_weights(store, "aa")["w"].tolist() == [0.0, 1.0, 2.0]
    assert read_sample(store, "aa").features.tolist() == [[0.5, 1.0]]
    forget(store, ["aa"])
    assert kept_trials(store) == {"last": {"bb"}, "embeddings": {"bb"}}
    assert [one.trial_id for one in read_evaluations(store)] == ["bb"]
    assert store.trial_ids() == {"bb"}


def test_checkpoints_keep_two_and_are_cleared(store):
    checkpoints = Checkpoints(store, "aa", every=0)
    for epoch in (1, 2, 3):
        checkpoints.save(epoch, {"epoch": epoch})
    assert sorted(store.names("checkpoints", "aa")) == ["000002.pt", "000003.pt"]
    assert checkpoints.newest() == {"epoch": 3}
    checkpoints.clear()
    assert store.names("checkpoints", "aa") == []


def test_heartbeat_is_the_lock_where_there_is_no_file_lock(store):
    with DriverLock(store, "ablate run x"):
        assert living_driver(store)["pid"] == os.getpid()
        with pytest.raises(StudyError, match="another `ablate run` works on"), DriverLock(store, "ablate run x"):
            pass
    assert living_driver(store) is None


def test_the_heartbeat_of_a_driver_that_has_surely_ended_does_not_hold_up_the_next(store):
    me = {"host": platform.node(), "pid": 4711, "started_at": "2026-11-26T10:00:00+00:00"}
    store.write_json({**me, "updated_at": datetime.now(UTC).isoformat(timespec="seconds")}, "driver.json")
    with pytest.raises(StudyError, match="process 4711"), DriverLock(store, "ablate run x", predecessor=4712):
        pass
    with DriverLock(store, "ablate run x", predecessor=4711):
        assert living_driver(store)["pid"] == os.getpid()


def test_a_study_runs_and_reports_against_the_bucket(ablate, bucket):
    name = ablate.study()
    done = ablate("run", name, "--results", bucket, **KEYS)
    assert done.returncode == 0, done.stderr
    assert "4/4 complete" in done.stdout
    assert "4/4 complete" in ablate("status", name, "--results", bucket, **KEYS).stdout
    report = ablate("report", name, "--results", bucket, **KEYS)
    assert report.returncode == 0, report.stderr
    again = ablate("run", name, "--results", bucket, **KEYS)
    assert "all 4 trials already have records in" in again.stdout
    assert not (ablate.folder / "results/tiny").exists()


def write_finished_study(store, study):
    """All records of a study, and no study.json, so that the next run writes it."""
    for trial in study.trials():
        value = 0.9 + 0.01 * trial.seed + trial.arm.config.lambda_sil / 100
        store.write_record(
            {**record(trial.trial_id), "arm": trial.arm.label, "seed": trial.seed, "test_top1": value,
             "config": trial.arm.config.model_dump_json()}
        )  # fmt: skip


def test_the_keys_in_a_uri_are_shown_nowhere(ablate, bucket):
    """In messages, study.json, the report and MLflow. All trials are finished, so that no Ray is started."""
    name, place = ablate.study(name="keyed"), bucket.replace("s3://", "s3://k3y0fmine:s3cr3t0fmine@")
    store = Store(place, "keyed")
    write_finished_study(store, load_study(ablate.folder / name))
    commands = (["run"], ["run", "--cpus-per-trial", "0"], ["plan"], ["status"], ["report"], ["sync"], ["compact"])
    done = [ablate(command, name, "--results", place, *rest, **KEYS) for command, *rest in commands]
    assert [run.returncode for run in done] == [0, 2, 0, 0, 0, 0, 0], [run.stderr for run in done]
    printed = [text.encode() for run in done for text in (run.stdout, run.stderr)]
    written = [store.read_bytes("study.json"), store.read_bytes("records.parquet")]
    written += [store.read_bytes("report", file) for file in store.names("report")]
    written += [path.read_bytes() for path in (ablate.folder / "results").rglob("*") if path.is_file()]
    assert (ablate.folder / "results/mlflow.db").is_file()
    for text in (*printed, *written):
        assert b"s3cr3t0fmine" not in text
        assert b"k3y0fmine" not in text
    assert "next: ablate report keyed.py --results 's3://studies/runs?" in done[0].stdout


def test_buckets_are_merged_and_bundled_without_their_keys(ablate, bucket):
    # without the experiment of the tests: a bundle holds the code of its experiment, here all files of the tests
    name, place = (
        ablate.study(TINY.replace(EXPERIMENT, ""), name="shared"),
        bucket.replace("s3://", "s3://k3y0fmine:s3cr3t0fmine@"),
    )
    study = load_study(ablate.folder / name)
    places = [place.replace("/runs?", f"/{part}?") for part in ("anna", "ben", "both")]
    for part, seed in zip(places, (0, 1), strict=False):
        store = Store(part, "shared")
        adopt_plan(study, store, {})
        for trial in study.trials():
            if trial.seed == seed:
                own = {"arm": trial.arm.label, "seed": seed, "config": trial.arm.config.model_dump_json()}
                store.write_record({**record(trial.trial_id), **own})
    merged = ablate("merge", *places[:2], "--into", places[2], **KEYS)
    assert merged.returncode == 0, merged.stderr
    assert "shared: 4 records in s3://studies/both?" in merged.stdout
    bundled = ablate("bundle", name, "--results", places[2], **KEYS)
    assert bundled.returncode == 0, bundled.stderr
    with zipfile.ZipFile(ablate.folder / "shared.zip") as archive:
        written = {file: archive.read(file) for file in archive.namelist()}
    assert b"ablate merge s3://studies/anna?" in written["results/shared/study.json"].replace(b"'", b"")
    for text in (merged.stdout.encode(), bundled.stdout.encode(), *written.values()):
        assert b"s3cr3t0fmine" not in text
        assert b"k3y0fmine" not in text
