"""What a fault may cost: at most the current epoch or checkpoint interval of one trial. The faults are real.

Each happens in the tune phase and in the confirm phase; the study then ends with the records of an uninterrupted run.
"""

import os
import random
import signal
import subprocess
from contextlib import suppress

import pytest

from ablations.state.lock import DriverLock
from silhouette.results import Store
from tests.helpers.faults import PHASES, TRIALS, FaultyStudy, begin
from tests.helpers.pretend import NO_PAUSES
from tests.helpers.processes import is_alive
from tests.helpers.waiting import wait_for

EVERY_REPORT = ("--checkpoint-seconds", "0")
NEVER = ("--checkpoint-seconds", "86400")


def test_a_killed_driver_costs_nothing_that_was_finished(faulty, uninterrupted):
    finished = faulty.record_files()
    process = faulty.start(*EVERY_REPORT)
    faulty.wait_for_epoch(4)
    faulty.wait_for_checkpoint()
    faulty.kill(process)
    assert faulty.record_files() == finished
    assert faulty.phase == "confirm" or not (faulty.results / "frozen.json").exists()
    trained, newest = len(faulty.trace()), faulty.checkpoints()[-1]
    done = faulty.finish(*EVERY_REPORT)
    assert done.returncode == 0, done.stderr
    assert faulty.comparable_rows() == uninterrupted.comparable_rows()
    assert finished.items() <= faulty.record_files().items()
    assert faulty.first_epochs_after(trained) == {newest + 1}
    assert not faulty.checkpoints()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_driver_killed_at_ten_random_moments(faulty, uninterrupted):
    moments, finished = random.Random(0), faulty.record_files()
    for _ in range(10):
        process = faulty.start(*EVERY_REPORT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(moments.uniform(1.0, 14.0))
        faulty.kill(process)
        now = faulty.record_files()
        assert finished.items() <= now.items()
        finished = now
    done = faulty.finish()
    assert done.returncode == 0, done.stderr
    assert faulty.comparable_rows() == uninterrupted.comparable_rows()
    assert finished.items() <= faulty.record_files().items()


def test_a_killed_worker_is_replaced(faulty, uninterrupted):
    process = faulty.start(*EVERY_REPORT)
    worker = faulty.wait_for_epoch(4)
    faulty.wait_for_checkpoint()
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: not is_alive(worker))
    trained, newest = len(faulty.trace()), faulty.checkpoints()[-1]
    faulty.slow.unlink()
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "lost its worker (1 of 3: " in said
    assert faulty.first_epochs_after(trained) == {newest + 1}
    if faulty.phase == "confirm":  # in a search, candidates that ended meanwhile are known to later ones
        assert faulty.comparable_rows() == uninterrupted.comparable_rows()
    assert {phase: len(faulty.rows(phase)) for phase in PHASES} == TRIALS
    assert {row["status"] for row in faulty.rows()} <= {"complete", "stopped"}


def interrupt(faulty, number, send=os.kill):
    """Send a signal to a running study: it keeps what is finished, and saves what is not."""
    finished = faulty.record_files()
    process = faulty.start(*NEVER)
    faulty.wait_for_epoch(3)
    send(process.pid, number)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert "To resume: ablate run faulty.py --cpus-per-trial" in said.splitlines()[-1]
    assert faulty.record_files() == finished
    assert faulty.checkpoints()[-1] >= 2
    assert faulty.phase == "confirm" or not (faulty.results / "frozen.json").exists()
    assert not (faulty.results / "driver.json").exists()


@pytest.mark.parametrize(
    ("number", "send"),
    [(signal.SIGTERM, os.kill), (signal.SIGHUP, os.killpg)],
    ids=["a preempted node", "a closed terminal, which tells every process"],
)
def test_an_interruption_keeps_what_is_finished_and_saves_the_rest(faulty, number, send):
    interrupt(faulty, number, send)


def test_a_study_interrupted_by_ctrl_c_continues_from_where_it_was(faulty, uninterrupted):
    interrupt(faulty, signal.SIGINT)
    trained, newest = len(faulty.trace()), faulty.checkpoints()[-1]
    done = faulty.finish()
    assert done.returncode == 0, done.stderr
    assert faulty.first_epochs_after(trained) == {newest + 1}
    assert faulty.comparable_rows() == uninterrupted.comparable_rows()


@pytest.mark.parametrize("phase", PHASES)
def test_a_study_outlives_the_reader_of_its_output(tmp_path, uninterrupted, phase):
    faulty = begin(tmp_path, uninterrupted, phase, last=True)
    process = faulty.start()
    process.stdout.close()  # `ablate run … | head`
    faulty.slow.unlink()
    assert process.wait(300) == 0, process.stderr.read()
    process.stderr.close()
    assert {phase: len(faulty.rows(phase)) for phase in PHASES} == TRIALS


def test_two_drivers_at_once_are_refused_by_name(ablate):
    study = FaultyStudy(ablate.folder, "tune")
    with DriverLock(Store(str(ablate.folder / "results"), "faulty"), "ablate run faulty"):
        second = study.finish()
    assert second.returncode == 2
    assert f"another `ablate run` works on {study.results} (process {os.getpid()} on " in second.stderr
    assert len(second.stderr.splitlines()) == 1


def test_a_truncated_record_runs_again_and_a_damaged_copy_costs_nothing(faulty, uninterrupted):
    record = faulty.results / "trials" / f"{faulty.rows(faulty.phase)[0]['trial_id']}.parquet"
    record.write_bytes(record.read_bytes()[:100])
    (faulty.results / "records.parquet").write_bytes(b"PAR1 damaged")
    done = faulty.finish()
    assert done.returncode == 0, done.stderr
    assert faulty.comparable_rows() == uninterrupted.comparable_rows()


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of one megabyte."""
    folder = tmp_path / "results"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting a small file system needs root: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("phase", PHASES)
def test_a_full_disk_loses_no_finished_trial_and_is_overcome(small_disk, uninterrupted, phase):
    faulty = begin(small_disk.parent, uninterrupted, phase, last=True)
    elsewhere = ("--mlflow", f"sqlite:///{faulty.folder}/view.db")
    finished = faulty.record_files()
    faulty.module = "tests.helpers.few_retries"
    process = faulty.start(*elsewhere, **{NO_PAUSES: "1"})
    faulty.wait_for_epoch(2)
    (small_disk / "ballast").write_bytes(bytes(_free(small_disk)))
    faulty.slow.unlink()
    _, errors = process.communicate(timeout=500)
    assert process.returncode == 1
    assert "No space left on device" in errors
    assert "Traceback" not in errors
    assert finished.items() <= faulty.record_files().items()
    (small_disk / "ballast").unlink()
    faulty.module = "ablations"
    again = faulty.finish(*elsewhere)
    assert again.returncode == 0, again.stderr
    assert finished.items() <= faulty.record_files().items()
    assert faulty.comparable_rows() == uninterrupted.comparable_rows()


def _free(folder):
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize - 4096
