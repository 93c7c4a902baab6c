"""A worker that is lost after it wrote its record, and before the driver heard of it: the record counts."""

from types import SimpleNamespace

import pytest
import torch

from ablations.driver.listener import Listener
from ablations.state.checkpoints import sweep
from ablations.workers.spec import Work
from ablations.workers.trainable import TrialRun
from silhouette.config import TrialConfig
from silhouette.results import Store
from silhouette.training.run import Training

MESSAGE = '["aa", "the arm", 0, "confirm"]'


@pytest.fixture
def work(tmp_path):
    common = {"results": str(tmp_path), "study": "s", "threads": 1, "checkpoint_seconds": 0.0}
    common |= {"experiment": None, "git_commit": None, "git_dirty": None}
    config = TrialConfig(dataset="digits", width=4, epochs=1).model_dump(mode="json")
    return Work(common, {"the arm": {"arm": "the arm", "settings": {}, "config": config}})


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path), "s")


def write(store, status):
    curve = [{"epoch": 1, "val_top1": 0.5}]
    record = {"trial_id": "aa", "arm": "the arm", "seed": 0, "phase": "confirm", "status": status, "curve": curve}
    store.write_record({**record, "test_top1": 0.5})


def test_the_next_worker_trains_nothing(work, store):
    write(store, "complete")
    run = TrialRun(work.spec(MESSAGE))
    report = run.step()
    assert run.finished
    assert run.training is None
    assert (report["rows"], report["record"]["status"], report["record"]["test_top1"]) == ([], "complete", 0.5)
    assert "curve" not in report["record"]


def test_a_failed_record_is_no_end(work, store):
    write(store, "failed")
    run = TrialRun(work.spec(MESSAGE))
    while not run.finished:
        report = run.step()
    assert report["record"]["status"] == "complete"


def test_checkpoints_that_a_killed_worker_left_beside_its_record_go(work, store):
    write(store, "complete")
    store.write_bytes(b"", "checkpoints", "aa", "1.pt")
    store.write_bytes(b"", "checkpoints", "unfinished", "1.pt")
    sweep(store, {"aa"})
    assert store.folders("checkpoints") == ["unfinished"]
    store.write_bytes(b"", "checkpoints", "aa", "1.pt")
    TrialRun(work.spec(MESSAGE)).step()
    assert store.folders("checkpoints") == ["unfinished"]


def test_a_store_that_fails_after_the_record_does_not_undo_it(work, store, monkeypatch):
    def away(*parts):
        raise OSError("503 Slow Down")

    monkeypatch.setattr(Store, "delete", away)
    run = TrialRun(work.spec(MESSAGE))
    run.retried = True  # a failure would be its last
    while not run.finished:
        report = run.step()
    assert report["record"]["status"] == "complete"
    assert store.load(["status"]).to_pylist() == [{"status": "complete"}]


@pytest.mark.parametrize(("error", "times"), [(RuntimeError, 2), (torch.OutOfMemoryError, 1)])
def test_an_error_is_tried_again_once_but_not_one_of_memory(work, store, monkeypatch, error, times):
    raised = []

    def step(training):
        raised.append(error("CUDA out of memory" if error is torch.OutOfMemoryError else "it broke"))
        raise raised[-1]

    monkeypatch.setattr(Training, "step", step)
    run = TrialRun(work.spec(MESSAGE))
    while not run.finished:
        report = run.step()
    assert len(raised) == times
    assert (report["record"]["status"], run.training) == ("failed", None)
    monkeypatch.undo()
    assert str(raised[-1]) in store.load(["error"]).to_pylist()[0]["error"]
    again = TrialRun(work.spec(MESSAGE))  # a failed record is no end, and what failed leaves nothing behind
    while not again.finished:
        report = again.step()
    assert report["record"]["status"] == "complete"


@pytest.mark.parametrize(("written", "left", "lost"), [("complete", "complete", []), (None, "failed", [MESSAGE])])
def test_the_driver_does_not_write_over_it(work, store, written, left, lost):
    if written:
        write(store, written)
    told = []
    ears = SimpleNamespace(update=told.append, report=lambda report: None)
    listener = Listener(store, work, ears, ears)
    listener.on_trial_error(0, [], SimpleNamespace(config={"trial": MESSAGE}, error_file=None))
    assert store.load(["status"]).to_pylist() == [{"status": left}]
    assert listener.lost == lost
    assert told[-1]["record"]["status"] == left
