"""What a fault may cost: at most the current epoch or checkpoint interval of one trial. The faults are real."""

import json
import os
import random
import signal
import subprocess
import time

import pytest

from ablations.state.checkpoints import Checkpoints
from silhouette.config import make_config
from silhouette.results import Store
from silhouette.training.run import Training
from tests.helpers.waiting import wait_for

METRICS = ("trial_id", "status", "val_top1", "val_loss", "test_top1", "test_silhouette", "class_correct", "curve")
TIMES = ("seconds", "images_per_second", "peak_memory")


@pytest.fixture(scope="module")
def uninterrupted(ablate_once):
    """Records of 24 trials that nothing disturbed."""
    ablate_once.study()
    done = ablate_once("run", "tiny.py", *SIZE)
    assert done.returncode == 0, done.stderr
    return metrics(ablate_once.folder)


SIZE = ("--set", "epochs=6", "--seeds", "12")


def metrics(folder, results="results"):
    """All that must not depend on faults, by trial_id: everything but times."""
    rows = Store(str(folder / results), "tiny").load(METRICS).to_pylist()
    assert len({row["trial_id"] for row in rows}) == len(rows)
    for row in rows:
        row["curve"] = [{k: v for k, v in point.items() if k not in TIMES} for point in row["curve"]]
    return {row["trial_id"]: row for row in rows}


def start(ablate, *arguments, **environment):
    return subprocess.Popen(
        ablate.command("run", "tiny.py", *arguments),
        cwd=ablate.folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(folder):
    return {path.stem: path.stat().st_mtime_ns for path in (folder / "results/tiny/trials").glob("*.parquet")}


def kill_and_rerun(ablate, uninterrupted, moments):
    """Kill the driver after each time in `moments`, then run to the end; compare with the undisturbed records."""
    ablate.study()
    kept = {}
    for moment in moments:
        process = start(ablate, *SIZE, "--checkpoint-seconds", "0")
        time.sleep(moment)
        process.kill()
        process.communicate()
        now = finished(ablate.folder)
        assert kept.items() <= now.items(), "a finished trial was run again"
        kept = now
    done = ablate("run", "tiny.py", *SIZE)
    assert done.returncode == 0, done.stderr
    assert kept.items() <= finished(ablate.folder).items()
    assert metrics(ablate.folder) == uninterrupted
    assert not list((ablate.folder / "results/tiny").glob("checkpoints/*/*"))


def test_killed_driver_costs_nothing_that_was_finished(ablate, uninterrupted):
    kill_and_rerun(ablate, uninterrupted, [9.0, 12.0])


@pytest.mark.slow
def test_driver_killed_at_ten_random_moments(ablate, uninterrupted):
    moments = random.Random(0)
    kill_and_rerun(ablate, uninterrupted, [moments.uniform(1.0, 14.0) for _ in range(10)])


def workers_of(mark):
    """Process ids of the trial actors whose driver was started with that mark in its environment."""
    lines = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout.splitlines()
    mine = {int(line.split()[0]) for line in lines if "ray::" in line and "Trainable" in line}
    return {worker for worker in mine if mark in _environment(worker)}


def _environment(pid):
    try:
        with open(f"/proc/{pid}/environ") as source:
            return source.read()
    except OSError:
        return ""


def test_killed_worker_is_replaced(ablate, uninterrupted):
    ablate.study()
    process = start(ablate, *SIZE, "--checkpoint-seconds", "0", ABLATE_TEST=str(ablate.folder))
    wait_for(lambda: finished(ablate.folder))
    victim = min(wait_for(lambda: workers_of(str(ablate.folder))))
    os.kill(victim, signal.SIGKILL)
    _, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors
    assert metrics(ablate.folder) == uninterrupted


@pytest.mark.parametrize(
    ("number", "code", "send"),
    [(signal.SIGTERM, 143, os.kill), (signal.SIGHUP, 129, os.killpg)],
    ids=["a preempted node", "a closed terminal, which tells every process"],
)
def test_termination_checkpoints_and_ends_soon(ablate, number, code, send):
    ablate.study()
    process = start(ablate, "--set", "epochs=5000", "--seeds", "1", "--checkpoint-seconds", "10")
    first = wait_for(lambda: checkpoints(ablate.folder))
    time.sleep(2)  # some epochs pass; no checkpoint is due in this time
    begin = time.monotonic()
    send(process.pid, number)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert time.monotonic() - begin < 10
    assert "To resume: ablate run tiny.py --set epochs=5000 --seeds 1" in out
    assert checkpoints(ablate.folder) > first


def checkpoints(folder):
    """Names of the checkpoints of all trials: the newest epoch last."""
    return sorted(path.name for path in (folder / "results/tiny/checkpoints").glob("*/*.pt"))[-1:]


def _running(folder):
    path = folder / "results/tiny/driver.json"
    return path.exists() and json.loads(path.read_text())["running"]


def test_a_study_outlives_the_reader_of_its_output(ablate):
    ablate.study()
    process = start(ablate)
    process.stdout.close()  # `ablate run … | head`
    assert process.wait(300) == 0, process.stderr.read()
    process.stderr.close()
    assert len(finished(ablate.folder)) == 4


def test_two_drivers_at_once_are_refused_by_name(ablate):
    ablate.study()
    process = start(ablate, "--set", "epochs=200")
    wait_for(lambda: _running(ablate.folder))
    second = ablate("run", "tiny.py", "--set", "epochs=200")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert second.returncode == 2
    assert f"another `ablate run` works on {ablate.folder}/results/tiny (process {process.pid} on " in second.stderr
    assert len(second.stderr.splitlines()) == 1


def test_truncated_record_runs_again_and_a_damaged_copy_costs_nothing(ablate):
    ablate.study()
    assert ablate("run", "tiny.py").returncode == 0
    before = metrics(ablate.folder)
    folder = ablate.folder / "results/tiny"
    victim = next(iter((folder / "trials").glob("*.parquet")))
    victim.write_bytes(victim.read_bytes()[:100])
    (folder / "records.parquet").write_bytes(b"PAR1 damaged")
    done = ablate("run", "tiny.py")
    assert done.returncode == 0, done.stderr
    assert "4 trials planned, 3 finished, 1 to run" in done.stdout
    assert metrics(ablate.folder) == before


def test_damaged_checkpoint_falls_back_to_the_older_one(tmp_path):
    config = make_config({"width": 4, "epochs": 4})
    whole = Training(config, 3)
    checkpoints = Checkpoints(Store(str(tmp_path), "s"), "trial", every=0)
    for _ in range(3):
        whole.step()
        checkpoints.save(whole.epoch, {"training": whole.state_dict()})
    whole.step()
    folder = tmp_path / "s/checkpoints/trial"
    assert sorted(path.name for path in folder.iterdir()) == ["000002.pt", "000003.pt"]
    (folder / "000003.pt").write_bytes((folder / "000003.pt").read_bytes()[:500])
    resumed = Training(config, 3)
    resumed.load_state_dict(checkpoints.newest()["training"])
    assert resumed.epoch == 2
    while not resumed.done:
        resumed.step()
    assert resumed.result()["test_loss"] == whole.result()["test_loss"]
    (folder / "000002.pt").write_bytes(b"")
    assert checkpoints.newest() is None


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting a small file system needs root: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk_loses_no_finished_trial_and_is_overcome(ablate, small_disk):
    ablate.study()
    arguments = ("run", "tiny.py", "--results", str(small_disk), "--mlflow", f"sqlite:///{ablate.folder}/view.db")
    assert ablate(*arguments).returncode == 0
    before = metrics(ablate.folder, small_disk)
    (small_disk / "ballast").write_bytes(bytes(_free(small_disk)))
    full = ablate(*arguments, "--seeds", "3")
    assert full.returncode == 1
    assert "No space left on device" in full.stderr
    assert "Traceback" not in full.stderr
    assert metrics(ablate.folder, small_disk).items() >= before.items()
    (small_disk / "ballast").unlink()
    again = ablate(*arguments, "--seeds", "3")
    assert again.returncode == 0, again.stderr
    after = metrics(ablate.folder, small_disk)
    assert len(after) == 6
    assert after.items() >= before.items()


def _free(folder):
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize - 4096
