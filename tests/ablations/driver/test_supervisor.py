"""A run that Ray ends starts again, at most three times without a new record; everything else passes through."""

import os
import signal
import subprocess
import sys

import pytest

from silhouette.results import Store
from tests.helpers.pretend import EPOCH_SECONDS
from tests.helpers.processes import is_alive, trial_workers
from tests.helpers.waiting import wait_for

STUDY = """
from ablations import Study

STUDY = Study(
    question="Does a lost Ray change the records?",
    treatments={"CE": {"lambda_sil": 0.0}, "CE+Sil": {"lambda_sil": 0.2}},
    fixed={"epochs": 20},
    baseline="CE",
    seeds=(0, 1),
    experiment="tests.helpers.pretend:Pretend",
)
"""
SUPERVISED = """
import os, pathlib, signal, sys, time
from ablations.cli.process import end
from ablations.driver.supervisor import note_record, predecessor, supervised

starts = pathlib.Path(sys.argv[1])

def act():
    with starts.open("a") as file:
        file.write(f"{os.getpid()} {predecessor()}\\n")
    count = len(starts.read_text().splitlines())
    {body}

code = supervised(act, end)
print("code", code)
end(code)
"""


def run(folder, body, **options):
    script = SUPERVISED.replace("{body}", body)
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder / "starts")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **options,
    )  # fmt: skip


def starts(folder):
    return [line.split() for line in (folder / "starts").read_text().splitlines()]


@pytest.mark.parametrize("way", ["os._exit(1)", "os.abort()"])
def test_a_run_that_ray_ends_starts_again_three_times(tmp_path, way):
    process = run(tmp_path, way)
    out, error = process.communicate(timeout=60)
    assert (out, process.returncode) == ("code 1\n", 1)
    pids = [pid for pid, _ in starts(tmp_path)]
    assert [before for _, before in starts(tmp_path)] == ["None", *pids[:3]]  # each knows which driver it replaces
    assert "it starts again (3 of 3 without a new record)" in error
    assert "Ray ended this run 4 times without a new record" in error


def test_a_new_record_starts_the_count_again(tmp_path):
    process = run(tmp_path, "note_record() if count == 3 else None; os._exit(1)")
    out, _ = process.communicate(timeout=60)
    assert (out, len(starts(tmp_path))) == ("code 1\n", 6)  # the third counts as the first of three


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("return 0", 0),
        ("return 1", 1),  # some trials failed: the command's own answer
        ("return 143", 143),
        ("sys.exit(2)", 2),
        ("os._exit(130)", 130),  # an end that took too long after a signal
        ("os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("raise OSError('gone')", 1),
    ],
)
def test_every_other_end_passes_through(tmp_path, body, code):
    process = run(tmp_path, body)
    process.communicate(timeout=60)
    assert (process.returncode, len(starts(tmp_path))) == (code, 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_reaches_the_run_and_ends_it_for_good(tmp_path, number):
    body = "[signal.signal(n, lambda n, _: os._exit(1)) for n in (1, 2, 15)]; "
    body += "(starts.parent / 'up').touch(); time.sleep(60)"
    process = run(tmp_path, body)
    wait_for((tmp_path / "up").exists)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert (process.returncode, len(starts(tmp_path))) == (1, 1)  # asked to stop, so it is not started again


def test_a_run_ends_with_its_supervisor(tmp_path):
    process = run(tmp_path, "(starts.parent / 'up').touch(); time.sleep(60)")
    wait_for((tmp_path / "up").exists)
    process.kill()
    process.communicate(timeout=30)
    wait_for(lambda: not is_alive(int(starts(tmp_path)[0][0])), 10)


def raylets(session):
    """Ids of the raylets of a session."""
    found = subprocess.run(["pgrep", "-s", str(session), "-x", "raylet"], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="supervised on Linux only")
def test_a_study_goes_on_when_ray_dies_under_it(ablate):
    ablate.study(STUDY, "lost")
    process = ablate.start("run", "lost.py", "--checkpoint-seconds", "0", **{EPOCH_SECONDS: "0.2"})
    try:
        wait_for(lambda: list(ablate.folder.glob("results/lost/checkpoints/*/*.pt")))
        (raylet,) = raylets(process.pid)
        for pid in (raylet, *trial_workers(process.pid)):  # as when memory has run out
            os.kill(pid, signal.SIGKILL)
        out, error = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, error
    assert "Ray ended under this run; it starts again (1 of 3 without a new record)" in error
    records = Store(str(ablate.folder / "results"), "lost").load(("status", "epochs_reached")).to_pylist()
    assert records == 4 * [{"status": "complete", "epochs_reached": 20}], out
