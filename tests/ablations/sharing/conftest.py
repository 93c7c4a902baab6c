"""A finished study with a helper beside its file and a plugin elsewhere, trained once; every test gets a copy."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ablations import load_study
from ablations.cli.parser import main
from ablations.design.plan import adopt_plan
from silhouette.results import Store
from tests.helpers.engine import Phase

STUDY = """
from amounts import WEIGHTS

from ablations import Study

STUDY = Study(
    question="Does the silhouette term change anything in two epochs?",
    factors={"lambda_sil": WEIGHTS},
    fixed={"dataset": "digits", "epochs": 2, "width": 4},
    baseline={"lambda_sil": 0.0},
    seeds=(0, 1, 2),
    experiment="pluggedin.training:Mine",
)
"""
HELPER = "import json\n\nWEIGHTS = (0.0, 0.5)\n"
PLUGIN = "from tests.helpers.pretend import Pretend\n\n\nclass Mine(Pretend):\n    pass\n"


@dataclass
class Folder:
    """A folder with a study and its results; `main` runs in it.

    Attributes:
        path: The folder.
        capsys: What a command prints.
    """

    path: Path
    capsys: object
    name = "s"

    def ablate(self, *arguments, code=0):
        """Run a command; returns what it printed, that on standard error last."""
        found = main([str(argument) for argument in arguments])
        printed = self.capsys.readouterr()
        assert found == code, printed
        return printed.out + printed.err

    def store(self, results="results"):
        return Store(str(self.path / results), self.name)

    def study(self):
        return load_study("s.py")

    def rows(self, results="results"):
        return self.store(results).load().to_pylist()

    def ids(self, results="results"):
        return [row["trial_id"] for row in self.rows(results)]

    def copy(self, to, trials=None, **changed):
        """Copy the results, with these trials only and with changed columns."""
        source, target = self.store(), self.store(to)
        target.write_json(source.read_json("study.json"), "study.json")
        for row in source.load().to_pylist():
            if trials is None or row["trial_id"] in trials:
                target.write_record({**row, "metrics": None, **changed})
        return target

    def change_plan(self, results, **changed):
        store = self.store(results)
        store.write_json({**store.read_json("study.json"), **changed}, "study.json")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The study, run to its end in this process; not to be changed."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "s.py").write_text(STUDY)
    (folder / "amounts.py").write_text(HELPER)
    (folder / "elsewhere/pluggedin").mkdir(parents=True)
    (folder / "elsewhere/pluggedin/__init__.py").write_text("")
    (folder / "elsewhere/pluggedin/training.py").write_text(PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder / "elsewhere"))
        study = load_study(folder / "s.py")
        phase = Phase("confirm", str(folder / "results"), study)
        adopt_plan(study, phase.store, {"command": "ablate run s.py", "versions": {}})
        phase.train()
    return folder


@pytest.fixture
def folder(trained, tmp_path, monkeypatch, capsys):
    shutil.copytree(trained, tmp_path / "of", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path / "of")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "of/elsewhere"), *sys.path])
    forget_modules()
    yield Folder(tmp_path / "of", capsys)
    forget_modules()


def forget_modules():
    """Each copy of the study imports its own plugin."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("pluggedin", "amounts")]:
        del sys.modules[name]
