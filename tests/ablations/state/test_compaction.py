"""Compaction beside a run, in a process of its own."""

import time

import pytest

from ablations.state import compaction
from silhouette.results import Store
from tests.helpers.waiting import wait_for

ROW = {"phase": "confirm", "status": "complete", "arm": "a", "seed": 0}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(compaction, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(compaction, "LOOSE", 3)


def filled(folder, records):
    store = Store(str(folder), "large")
    for number in range(records):
        store.write_record({**ROW, "trial_id": f"t{number}"})
    return store


def test_records_are_copied_while_the_run_goes_on(tmp_path):
    store, ended = filled(tmp_path, 5), [0]
    with compaction.compacting(store, lambda: ended[0]):
        time.sleep(0.3)
        assert store.names() == []
        ended[0] = 3
        wait_for(lambda: store.names() == ["records.parquet"], 60)
        ended[0] = 5  # two more are not worth a copy
        store.write_record({**ROW, "trial_id": "late"})
        time.sleep(0.3)
    store.delete("trials")
    assert store.load(["trial_id"])["trial_id"].to_pylist() == ["t0", "t1", "t2", "t3", "t4"]


def test_a_large_study_is_copied_when_it_has_grown_by_a_quarter(tmp_path):
    store, ended = filled(tmp_path, 20), [4]
    with compaction.compacting(store, lambda: ended[0]):
        time.sleep(0.5)
        assert store.names() == []
        ended[0] = 5
        wait_for(lambda: store.names() == ["records.parquet"], 60)


def test_the_end_of_the_run_does_not_wait_for_a_copy(tmp_path, monkeypatch):
    endless = "import time, pathlib, sys; pathlib.Path(sys.argv[1], 'begun').touch(); time.sleep(600)"
    monkeypatch.setattr(compaction, "COMPACT", endless)
    store, start = filled(tmp_path, 5), time.monotonic()
    with compaction.compacting(store, lambda: 5):
        wait_for((tmp_path / "begun").exists, 60)
    assert time.monotonic() - start < 60
