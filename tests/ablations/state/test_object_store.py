"""Records, checkpoints, status and report on an object store: a local S3 server stands in for the cloud."""

import os
import subprocess
import sys

import pytest

from ablations.errors import StudyError
from ablations.state.checkpoints import Checkpoints
from ablations.state.lock import DriverLock, living_driver
from silhouette.results import Store
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


def test_a_study_runs_and_reports_against_the_bucket_and_shows_no_key(ablate, bucket):
    name, place = ablate.study(), bucket.replace("s3://", "s3://k3y0fmine:s3cr3t0fmine@")
    done = ablate("run", name, "--results", place, **KEYS)
    assert done.returncode == 0, done.stderr
    assert "4/4 complete" in done.stdout
    status = ablate("status", name, "--results", place, **KEYS)
    assert "4/4 complete" in status.stdout
    report = ablate("report", name, "--results", place, **KEYS)
    assert report.returncode == 0, report.stderr
    again = ablate("run", name, "--results", place, **KEYS)
    assert "all 4 trials already have records in" in again.stdout
    assert not (ablate.folder / "results/tiny").exists()
    written = [path.read_bytes() for path in (ablate.folder / "results").rglob("*") if path.is_file()]
    store = Store(place, "tiny")
    written += [store.read_bytes("study.json"), store.read_bytes("records.parquet")]
    written += [store.read_bytes("report", name) for name in store.names("report")]
    printed = [text.encode() for run in (done, status, report, again) for text in (run.stdout, run.stderr)]
    assert len(written) > 4
    for text in (*written, *printed):
        assert b"s3cr3t0fmine" not in text
        assert b"k3y0fmine" not in text
