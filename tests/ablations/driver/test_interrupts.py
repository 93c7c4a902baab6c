"""A signal ends a study with the exit code of the signal, whatever else fails. Whole studies are in test_faults."""

import os
import signal
import subprocess
import sys

import pytest

from ablations.driver import interrupts as signals
from ablations.driver.interrupts import Deadline, Interrupted, interruptible, raise_if_interrupted
from ablations.driver.session import COMPACT_SECONDS
from tests.helpers.waiting import wait_for


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_raises_interrupted_also_if_its_exception_was_caught_or_replaced(monkeypatch, number):
    monkeypatch.setattr(signals, "GRACE_SECONDS", 3600)  # after which it ends the process, which is pytest

    def swallowed():
        try:
            os.kill(os.getpid(), number)
        except Interrupted:
            return

    def turned():
        try:
            os.kill(os.getpid(), number)
        except Interrupted as error:
            raise ImportError("half a module") from error

    announced = []
    before = signal.getsignal(number)
    for body in (swallowed, turned):
        with pytest.raises(Interrupted) as caught, interruptible(Deadline(), announced.append, announced.append):
            body()
        assert caught.value.code == 128 + number
        wait_for(lambda: announced)
        assert announced == [caught.value]  # announced once, and the last act was not needed
        announced.clear()
        assert signal.getsignal(number) is before


SIGNALLED = """
import os, signal, sys, time
from ablations.driver.interrupts import Deadline, interruptible

number, times, pause = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
with interruptible(Deadline(), lambda _: None, lambda _: print("ended at once", flush=True)):
    try:
        os.kill(os.getpid(), number)
    except Exception:
        for _ in range(times - 1):
            time.sleep(pause)
            os.kill(os.getpid(), number)
    print("ends in order", flush=True)
"""


@pytest.mark.parametrize(
    ("number", "pause", "expected"),
    [
        (signal.SIGTERM, 0.2, "ends in order"),  # from Slurm and from the script of a job
        (signal.SIGHUP, 0.2, "ends in order"),
        (signal.SIGTERM, 2.2, "ended at once"),
        (signal.SIGINT, 0.3, "ended at once"),  # a person who presses Ctrl-C twice
    ],
)
def test_a_signal_that_is_repeated_within_two_seconds_is_one(number, pause, expected):
    command = [sys.executable, "-c", SIGNALLED, str(int(number)), "3" if pause < 0.3 else "2", str(pause)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == [expected]


def test_another_signal_is_no_repetition():
    assert not Interrupted(signal.SIGTERM).is_repeated_by(signal.SIGHUP)


def test_an_error_without_a_signal_stays_what_it_is():
    announced = []
    with pytest.raises(ImportError), interruptible(Deadline(), announced.append, announced.append):
        raise ImportError("a module")
    raise_if_interrupted()
    assert announced == []


def test_without_a_signal_there_is_no_deadline():
    assert Deadline().left(at_most=20.0, reserve=2.0) == 20.0


def test_all_parts_of_the_end_share_the_time_since_the_first_signal():
    now = [100.0]
    deadline = Deadline(lambda: now[0])
    deadline.start()
    now[0] += 3.0
    deadline.start()  # a second signal moves nothing
    assert deadline.left(at_most=20.0) == signals.GRACE_SECONDS - 3.0
    assert deadline.left(at_most=1.0) == 1.0
    mirror = deadline.left(at_most=20.0, reserve=COMPACT_SECONDS)
    now[0] += mirror  # a server that does not answer takes all that it may
    assert deadline.left(at_most=20.0, reserve=COMPACT_SECONDS) == 0.0
    assert deadline.left(at_most=20.0) == COMPACT_SECONDS  # compaction still has its time
    now[0] += 60.0
    assert deadline.left(at_most=20.0) == 0.0


LIVES_ON = """
import os, signal, sys, time
from ablations import RunOptions, load_study
from ablations.driver import interrupts, run

interrupts.GRACE_SECONDS = 0.2
run._run_phases = lambda *_: os.kill(os.getpid(), signal.SIGINT)
code = run.run_study(load_study("demo"), RunOptions(results=sys.argv[1]))
time.sleep(1)  # beyond the time after which an end that is not in order would end the process
print("lives on after", code)
"""


def test_a_process_that_called_run_study_lives_on_after_a_signal(tmp_path):
    command = [sys.executable, "-c", LIVES_ON, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "lives on after 130"
    assert done.returncode == 0
