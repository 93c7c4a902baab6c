"""`ablate` as a person meets it: names, bad input, nothing heavy before it is needed."""

import subprocess
import sys

import pytest


def test_list_names_the_shipped_studies(ablate):
    done = ablate("list")
    assert done.returncode == 0
    assert "demo" in done.stdout
    assert "handwritten digits" in done.stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from ablations.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'ray', 'mlflow', 'pandas', 'pyarrow', 'pydantic', 'numpy', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_plan_counts_trials_and_runs_nothing(ablate):
    done = ablate("plan", ablate.study())
    assert done.returncode == 0
    assert "2 arms × 2 seeds = 4 trials wanted, 0 present, 4 to run" in done.stdout
    assert not (ablate.folder / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "demo", "--set", "lambda_sil=banana"], "lambda_sil: input should be a valid number, got 'banana'"),
        (["run", "nope"], "STUDY: one of"),
        (["run", "nope.py"], "STUDY: no such file, got 'nope.py'"),
        (["run", "broken.py"], "broken.py: ZeroDivisionError while reading the study: division by zero"),
        (["run", "empty.py"], "empty.py: needs STUDY = Study(...), got NoneType"),
        (["run", "demo", "--seeds", "0"], "--seeds: must be from 1 to 10000, got 0"),
        (["run", "demo", "--cpus-per-trial", "0"], "--cpus-per-trial: must be at least 1, got 0"),
        (["run", "demo", "--gpus-per-trial", "-1"], "--gpus-per-trial: must be from 0 to 64, got -1"),
        (["run", "demo", "--results", "ftp://host/x"], "--results: not a folder or a pyarrow.fs URI"),
        (["status", "demo", "--set", "nope=1"], "nope: no such setting"),
        (["report", "demo"], "study.json"),
        (["report", "../demo"], "study: use letters"),
        (["sync", "demo"], "STUDY: must have run"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(ablate, arguments, line):
    ablate.study("1 / 0", "broken")
    ablate.study("", "empty")
    done = ablate(*arguments)
    assert done.returncode == 2, done.stderr
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
