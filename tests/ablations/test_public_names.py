"""The public names of the package: complete, imported only when used, and the same as in version 0.1.0 files."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import ablations
from ablations import RunOptions, Study, StudyError, load_study, run_study

KEPT = Path(__file__).parents[1] / "data" / "results-0.1.0"
HEAVY = {"torch", "torchvision", "ray", "mlflow", "matplotlib", "optuna", "pandas", "pydantic", "pyarrow", "numpy"}


def modules_after(code: str) -> set[str]:
    """Top names and full names of the modules that a fresh Python has imported after running the code."""
    text = textwrap.dedent(code) + "\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_imports_nothing_heavy():
    assert not HEAVY & modules_after("import ablations")


def test_a_study_is_data_without_torch_ray_and_mlflow():
    found = modules_after("from ablations import Family, RunOptions, Study, StudyError, Tuning, load_study")
    assert not {"torch", "ray", "mlflow", "matplotlib", "optuna"} & found


@pytest.mark.parametrize("name", ablations.__all__)
def test_every_public_name_is_there_with_a_docstring(name):
    assert getattr(ablations, name).__doc__
    assert name in dir(ablations)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ablations' has no attribute 'Stduy'"):
        _ = ablations.Stduy


def test_study_files_of_version_0_1_0_are_read(tmp_path):
    path = tmp_path / "old.py"
    path.write_text(
        "from ablations.study import Study\n"
        "from ablations.tuning import Tuning\n"
        "STUDY = Study(question='q?', factors={'lambda_sil': (0.0, 0.2)}, baseline={'lambda_sil': 0.0},\n"
        "              tuning=Tuning(nuisance={'lr': None}))\n"
    )
    assert [arm.label for arm in load_study(path).arms] == ["λ=0", "λ=0.2"]


def test_run_study_refuses_what_a_study_file_may_not_say(tmp_path):
    study = Study(question="q?", factors={"lambda_sil": (0.0, 0.2)}, baseline={"lambda_sil": 0.7})
    with pytest.raises(StudyError, match="baseline: must be exactly one arm"):
        run_study(study, RunOptions(results=str(tmp_path)))


def test_run_study_runs_what_is_missing_and_returns_the_exit_code(tmp_path):
    """In a folder of version 0.1.0 in which every trial is finished, so that no Ray is started."""
    shutil.copytree(KEPT, tmp_path / "results")
    code = """
        from ablations import RunOptions, load_study, run_study
        then = {"epochs": 3, "vary": "all_and_test_split"}
        study = load_study("demo").replaced(seeds=range(3), fixed={**load_study("demo").fixed, **then})
        code = run_study(study, RunOptions(results="results"))
        import ray
        assert code == 0 and not ray.is_initialized()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "all 24 trials already have records in" in done.stdout


@pytest.mark.parametrize("package", ["ablations", "analysis", "search_spaces", "silhouette"])
def test_every_package_ships_its_types(package):
    assert (Path(ablations.__file__).parents[1] / package / "py.typed").is_file()
