"""The end of the `ablate` process: nothing is lost although modules are not freed."""

import subprocess
import sys

import pytest

END = """
import atexit, sys, threading, time
from ablations.cli import process

def main():
    atexit.register(print, "exit function")
    threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
    sys.stdout.write("no line end ")
    return 3

process.main = main
process.command()
"""


def test_threads_exit_functions_and_output_are_finished():
    done = subprocess.run([sys.executable, "-c", END], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout == "no line end thread\nexit function\n"


@pytest.mark.parametrize(
    ("arguments", "code"), [(["list"], 0), (["plan", "no-such-study"], 2), (["--help"], 0), (["plot"], 2)]
)
def test_exit_codes(arguments, code):
    done = subprocess.run([sys.executable, "-m", "ablations", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert (done.stdout if code == 0 else done.stderr).endswith("\n")


def test_a_reader_that_stops_is_no_error():
    command = f"set -o pipefail; {sys.executable} -m ablations list --spaces | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
