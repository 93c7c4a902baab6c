"""`ablate` as a person meets it: names, bad input, nothing heavy before it is needed."""

import subprocess
import sys


def test_list_names_the_shipped_studies(ablate):
    done = ablate("list")
    assert done.returncode == 0
    assert "demo" in done.stdout
    assert "handwritten digits" in done.stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from ablations.cli.parser import main\n"
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
    assert "2 arms × 2 seeds = 4 trials planned, 0 finished, 4 to run" in done.stdout
    assert not (ablate.folder / "results").exists()


def test_bad_input_ends_the_process_with_code_2(ablate):
    done = ablate("run", "demo", "--set", "lambda_sil=banana")
    assert done.returncode == 2
    assert done.stderr == "ablate: lambda_sil: input should be a valid number, got 'banana'\n"
