"""Claims: one driver holds a trial; it is taken over once its heartbeat has stopped, and by one driver alone."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ablations.errors import StudyError
from ablations.state import claims as module
from ablations.state.claims import DRIVERS, ENDED, FREE, HELD, STALE_SECONDS, Claims
from ablations.state.lock import DriverLock, living_sharers, running_trials
from ablations.state.sharing import SharedLock, sweep_claims
from silhouette.results import Store


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path), "s")


def driver(store, name, clock, place="elsewhere", pid=1, beat=0):
    """A driver with a heartbeat, on another machine unless its place is ours."""
    said = {"place": place, "pid": pid, "beat": beat}
    store.write_bytes(json.dumps(said).encode(), DRIVERS, f"{name}.json")
    clock.now += 2  # the folder is read anew
    return Claims(store, name, clock)


def test_a_trial_is_held_by_one_driver_and_given_back(store):
    clock = Clock()
    first, second = driver(store, "a", clock), driver(store, "b", clock)
    assert first.take("x")
    clock.now += 2
    assert (second.state("x"), second.take("x")) == (HELD, False)
    first.release("x")
    clock.now += 2
    assert second.take("x")
    clock.now += 2
    assert (first.state("x"), first.take("x")) == (HELD, False)


def test_a_heartbeat_that_stands_still_frees_the_trial_by_the_clock_of_who_waits(store):
    clock = Clock()
    lost, waiting = driver(store, "a", clock), driver(store, "b", clock)
    assert lost.take("x")
    for beat in range(3):  # it lives
        clock.now += STALE_SECONDS - 1
        driver(store, "a", clock, beat=beat + 1)
        assert waiting.state("x") == HELD
    clock.now += STALE_SECONDS - 1
    assert waiting.state("x") == HELD
    clock.now += 2
    assert waiting.take("x")
    assert sorted(store.names("claims")) == ["x.0000", "x.0001"]


def test_a_process_of_this_machine_that_has_ended_frees_its_trial_at_once(store):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    clock = Clock()
    lost = driver(store, "a", clock, place=module.place(), pid=gone.pid)
    living = driver(store, "c", clock, place=module.place(), pid=os.getpid())
    waiting = driver(store, "b", clock)
    assert lost.take("x")
    assert living.take("y")
    clock.now += 2
    assert (waiting.state("x"), waiting.state("y")) == (FREE, HELD)


@pytest.mark.parametrize("text", ["", '{"owner', "[]", '{"owner": 3}'])
def test_a_claim_that_was_cut_short_holds_until_it_is_stale(store, text):
    store.write_bytes(text.encode(), "claims", "x.0000")
    clock = Clock()
    waiting = driver(store, "b", clock)
    assert waiting.state("x") == HELD
    clock.now += STALE_SECONDS + 1
    assert waiting.take("x")


def test_a_failure_during_a_run_is_not_tried_again_and_one_before_it_is(store):
    clock = Clock()
    first, second = driver(store, "a", clock), driver(store, "b", clock)
    first.take("x")
    first.release("x", "failed")
    clock.now += 2
    assert (second.state("x"), second.take("x")) == (ENDED, False)
    later = driver(store, "c", clock)
    assert later.take("x")


def test_of_many_drivers_one_gets_a_stale_trial(store):
    clock = Clock()
    driver(store, "lost", clock).take("x")
    drivers = [driver(store, f"d{number}", clock) for number in range(16)]
    for one in drivers:
        assert one.state("x") == HELD
    clock.now += STALE_SECONDS + 2
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda one: one.take("x"), drivers)) == 1


TAKES_ALL = """
import sys
from ablations.state.claims import Claims
from silhouette.results import Store

claims = Claims(Store(sys.argv[1], "s"), sys.argv[2])
sys.stdin.readline()
print(*[key for key in map(str, range(200)) if claims.take(key)])
"""


def test_processes_share_trials_without_a_double(store):
    command = [sys.executable, "-c", TAKES_ALL, str(Path(store.root).parent)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([*command, name], **pipes) for name in "abcd"]
    taken = [process.communicate("go\n", timeout=120)[0].split() for process in running]
    assert sorted(int(key) for keys in taken for key in keys) == list(range(200))


def test_drivers_that_share_keep_others_out_and_are_kept_out(store):
    with SharedLock(store, "ablate run s --shared") as first, SharedLock(store, "ablate run s --shared") as second:
        first.running = lambda: ["x"]
        second.running = lambda: ["y"]
        first._write(), second._write()
        assert sorted(running_trials(store)) == ["x", "y"]
        with pytest.raises(StudyError, match="another `ablate run` works on"), DriverLock(store, "ablate run s"):
            pass
    assert living_sharers(store) == []
    with (
        DriverLock(store, "ablate run s"),
        pytest.raises(StudyError, match=r"^--shared: a process of this machine runs .* without --shared; wait for it"),
        SharedLock(store, "ablate run s --shared"),
    ):
        pass


def test_a_driver_on_another_machine_keeps_sharers_out_by_its_heartbeat(store, monkeypatch):
    monkeypatch.setattr("fcntl.flock", lambda *_: None)  # as on a file system where locks are local to a node
    with (
        DriverLock(store, "ablate run s"),
        pytest.raises(StudyError, match=r"^--shared: process .* without --shared"),
        SharedLock(store, "ablate run s --shared"),
    ):
        pass


def test_the_end_gives_back_what_has_not_ended_and_the_last_one_sweeps(store):
    with SharedLock(store, "one") as lock, SharedLock(store, "two") as other:
        assert lock.claims.take("x")
        sweep_claims(store)
        assert store.names("claims") == ["x.0000"]
        lock.__exit__(None, None, None)
        other.claims._listed_at = -1e9
        assert other.claims.take("x")
    sweep_claims(store)
    assert (store.names("claims"), store.names("drivers")) == ([], [])
