"""A small study on real digits, and `ablate` as a person runs it."""

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

TINY = """
from ablations.design.study import Study

STUDY = Study(
    question="Does the silhouette term change anything in two epochs?",
    factors={"lambda_sil": (0.0, 0.5)},
    fixed={"dataset": "digits", "epochs": 2, "width": 4},
    baseline={"lambda_sil": 0.0},
    seeds=(0, 1),
)
"""


@dataclass
class Ablate:
    """Runs `ablate` in a folder of its own."""

    folder: Path

    def __call__(self, *arguments: str, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env={**os.environ, "RAY_ADDRESS": "", **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    @staticmethod
    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "ablations", *arguments]

    def study(self, text: str = TINY, name: str = "tiny") -> str:
        path = self.folder / f"{name}.py"
        path.write_text(textwrap.dedent(text))
        return path.name


@pytest.fixture
def ablate(tmp_path):
    return Ablate(tmp_path)


@pytest.fixture(scope="module")
def ablate_once(tmp_path_factory):
    """The same, shared by a module's tests that follow one run."""
    return Ablate(tmp_path_factory.mktemp("ablate"))
