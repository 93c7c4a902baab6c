"""`ablate` as a person meets it: names, bad input, nothing heavy before it is needed."""

import subprocess
import sys


def test_list_names_the_built_in_studies(ablate):
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
    assert done.stderr == "ablate: lambda_sil: must be a number, got 'banana'\n"


def test_a_run_does_not_import_the_checker_of_cluster_files():
    code = (
        "import pkgutil, sys, importlib\n"
        "from ablations.cli import commands, parser, results\n"
        "import ablations.cluster, ablations.driver, ablations.workers\n"
        "for room in (ablations.cluster, ablations.driver, ablations.workers):\n"
        "    for module in pkgutil.iter_modules(room.__path__, f'{room.__name__}.'):\n"
        "        importlib.import_module(module.name)\n"
        "assert 'ablations.driver.run' in sys.modules\n"
        "found = [name for name in sys.modules if name.startswith('ablations.cluster_file')]\n"
        "assert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_run_that_is_refused_imports_no_checker_of_cluster_files(tmp_path):
    code = (
        "import sys; from ablations.cli.parser import main\n"
        "assert main(['run', 'demo', '--results', sys.argv[1], '--cpus-per-trial', '0']) == 2\n"
        "assert not [name for name in sys.modules if name.startswith('ablations.cluster_file')]"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
