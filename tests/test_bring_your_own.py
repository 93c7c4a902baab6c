"""A package outside the tree, used through the wheel: killed half-way, resumed, reported, bundled and verified.

`tests/data/own_pieces` has an encoder, a rival loss, a data set, a metric, a training without torch, and two studies.
"""

import json
import os
import shutil
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.helpers.waiting import wait_for

PIECES = Path(__file__).parent / "data" / "own_pieces"
STUDIES = ("own_network", "own_training")
TRIALS = {"own_network": 12, "own_training": 12}


@pytest.fixture(scope="module")
def own(installed, tmp_path_factory):
    """The environment of the wheel with the package, and its two studies in the working folder."""
    installed.add(_copy(tmp_path_factory.mktemp("pieces")))
    for study in STUDIES:
        shutil.copy(PIECES / f"{study}.py", installed.work)
    return installed


@pytest.fixture(scope="module", params=STUDIES)
def study(own, request):
    """A study that was killed when a third of its records were there, resumed and reported."""
    name = request.param
    _killed_half_way(own, name)
    resumed = own("ablate", "run", f"{name}.py")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    reported = own("ablate", "report", f"{name}.py")
    assert reported.returncode == 0, reported.stderr
    return name


def _copy(folder):
    """A copy of the package: an installation writes beside the sources."""
    return shutil.copytree(PIECES, folder / "own_pieces", ignore=shutil.ignore_patterns("__pycache__"))


def _killed_half_way(own, name):
    records = own.work / "results" / name / "trials"
    run = own.start("ablate", "run", f"{name}.py")
    wait_for(lambda: len(list(records.glob("*.parquet"))) >= 2 or run.poll() is not None)
    assert run.poll() is None, run.stdout.read()
    os.killpg(run.pid, signal.SIGKILL)
    run.wait(timeout=60)


def _records(folder, name):
    return pq.read_table(folder / "results" / name / "records.parquet").to_pylist()


def test_every_trial_has_a_complete_record_that_names_its_plugins(own, study):
    records = _records(own.work, study)
    assert [record["status"] for record in records] == ["complete"] * TRIALS[study]
    for record in records:
        plugins = json.loads(record["plugins"])
        assert {found["version"] for found in plugins.values()} == {"1.2"}


def test_the_report_compares_by_the_metric_of_the_study(own, study):
    document = json.loads((own.work / "results" / study / "report" / "report.json").read_text())
    assert {comparison["n"] for comparison in document["comparisons"]} == {TRIALS[study] // len(document["arms"])}
    if study == "own_training":  # a larger step has the lower error in every seed, and lower is better
        (comparison,) = document["comparisons"]
        assert (comparison["verdict"], comparison["difference"] < 0) == ("better", True)


def test_options_and_own_metrics_are_in_the_records(own):
    records = _records(own.work, "own_network")
    assert {json.loads(record["settings"])["encoder.depth"] for record in records} == {1, 2}
    assert all(0 < dict(record["metrics"])["test_within"] < 1 for record in records)


def test_the_report_imports_neither_the_package_nor_torch(own, study):
    write = f"from analysis import write_report; write_report('results', {study!r})"
    imported = own.code(f"{write}; import sys; print(*{{name.split('.')[0] for name in sys.modules}})")
    assert "analysis" in imported
    assert not {"own_pieces", "torch", "ray", "mlflow"} & {*imported}


def test_a_trial_is_repeated_with_the_same_numbers(own, study):
    trial_id = _records(own.work, study)[0]["trial_id"]
    done = own("ablate", "run", f"{study}.py", "--only", trial_id, "--verify")
    assert (done.returncode, "identical" in done.stdout) == (0, True), done.stdout + done.stderr


def test_a_bundle_is_verified_in_another_folder(own, study, tmp_path):
    bundled = own("ablate", "bundle", f"{study}.py", "--to", tmp_path / "bundle.zip")
    assert bundled.returncode == 0, bundled.stdout + bundled.stderr
    trial_id = _records(own.work, study)[-1]["trial_id"]
    verified = own("ablate", "verify", tmp_path / "bundle.zip", "--rerun", trial_id, "--trust")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_changed_code_of_a_plugin_is_refused(own, study, tmp_path):
    original, changed = _copy(tmp_path / "original"), _copy(tmp_path / "changed")
    nets = changed / "own_pieces" / "nets.py"
    nets.write_text(nets.read_text() + "\n\nCHANGED = True\n")
    own.add(changed)
    try:
        refused = own("ablate", "run", f"{study}.py", "--seeds", "20", "--extend")
    finally:
        own.add(original)
    assert (refused.returncode, "own_pieces" in refused.stderr) == (2, True), refused.stderr
