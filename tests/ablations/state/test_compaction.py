"""Compaction beside a run, in a process of its own."""

import ast
import signal

import pytest

from ablations.cli.parser import main
from ablations.state import compaction
from ablations.state.lock import DriverLock
from silhouette.results import Store
from tests.helpers.processes import is_alive
from tests.helpers.waiting import wait_for

ROW = {"phase": "confirm", "status": "complete", "arm": "a", "seed": 0}


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch):
    monkeypatch.setattr(compaction, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(compaction, "MAX_UNCOMPACTED", 3)


class Ended:
    """The number of trials that have ended; counts how often it was asked for."""

    def __init__(self, number):
        self.number, self.polls = number, 0

    def __call__(self):
        self.polls += 1
        return self.number

    def wait_for_polls(self, count=3):
        """Until compaction has decided so many times more; it copies before it asks again."""
        last = self.polls + count
        wait_for(lambda: self.polls > last)


def filled(folder, records):
    store = Store(str(folder), "large")
    for number in range(records):
        store.write_record({**ROW, "trial_id": f"t{number}"})
    return store


def test_records_are_copied_while_the_run_goes_on(tmp_path):
    store, ended = filled(tmp_path, 5), Ended(0)
    with compaction.compacting(store, ended):
        ended.wait_for_polls()
        assert store.names() == []
        ended.number = 3
        wait_for(lambda: store.names() == ["records.parquet"])
        store.write_record({**ROW, "trial_id": "late"})
        ended.number = 5  # two more are not worth a copy
        ended.wait_for_polls()
    store.delete("trials")
    assert store.load(["trial_id"])["trial_id"].to_pylist() == ["t0", "t1", "t2", "t3", "t4"]


def test_a_large_study_is_copied_when_it_has_grown_by_a_quarter(tmp_path):
    store, ended = filled(tmp_path, 20), Ended(4)
    with compaction.compacting(store, ended):
        ended.wait_for_polls()
        assert store.names() == []
        ended.number = 5
        wait_for(lambda: store.names() == ["records.parquet"])


@pytest.fixture(params=["of Python", "ignored"])
def sigint(request):
    """How SIGINT is handled; a shell lets a command ignore it that a script starts with `&`."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if request.param == "ignored" else signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("sigint")
def test_the_end_of_the_run_ends_a_copy(tmp_path, monkeypatch):
    folder = f"pathlib.Path(os.environ[{compaction.RESULTS!r}], 'pid')"
    endless = f"import os, pathlib, time; {folder}.write_text(str(os.getpid())); "
    monkeypatch.setattr(compaction, "COMPACT", endless + "time.sleep(3600)")
    store = filled(tmp_path, 5)
    with compaction.compacting(store, Ended(5)):
        pid = int(wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
        assert is_alive(pid)
    wait_for(lambda: not is_alive(pid))
    assert store.names() == []


def test_a_copy_that_is_ended_removes_its_unfinished_file(tmp_path, monkeypatch):
    endless = "import os, time; os.replace = lambda *_: time.sleep(3600)\n"
    monkeypatch.setattr(compaction, "COMPACT", endless + compaction.COMPACT)
    store = filled(tmp_path, 5)
    with compaction.compacting(store, Ended(5)):
        wait_for(lambda: [name for name in store.names() if name.endswith(".tmp")])
    wait_for(lambda: store.names() == [])


def test_ablate_compact_copies_the_records_unless_a_driver_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    store = Store("results", "s")
    assert main(["compact", "s"]) == 2
    assert "holds no records of it" in capsys.readouterr().err
    store.write_record({"trial_id": "a" * 16, "status": "complete"})
    with DriverLock(store, "ablate run s"):
        assert main(["compact", "s"]) == 2
        assert "another `ablate run` works on" in capsys.readouterr().err
    assert main(["compact", "s"]) == 0
    assert "s: 1 record in " in capsys.readouterr().out
    assert (tmp_path / "results/s/records.parquet").is_file()


def test_the_keys_of_a_location_are_not_on_a_command_line(tmp_path, monkeypatch):
    seen = "import os, pathlib, sys; pathlib.Path(os.environ['SEEN']).write_text(repr([sys.argv, os.environ[{!r}]]))"
    monkeypatch.setattr(compaction, "COMPACT", seen.format(compaction.RESULTS))
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    store = filled(tmp_path, 5)
    with compaction.compacting(store, Ended(5)):
        wait_for(lambda: (tmp_path / "seen").exists() and (tmp_path / "seen").read_text().endswith("]"))
    arguments, location = ast.literal_eval((tmp_path / "seen").read_text())
    assert (arguments, location) == (["-c", "large"], store.uri)
