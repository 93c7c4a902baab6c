"""`ablate` in a folder of its own, as a person runs it."""

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.pretend import ENVIRONMENT

EXPERIMENT = '    experiment="tests.helpers.pretend:Pretend",\n'
TINY = f"""
from ablations import Study

STUDY = Study(
    question="Does the silhouette term change anything in two epochs?",
    factors={{"lambda_sil": (0.0, 0.5)}},
    fixed={{"dataset": "digits", "epochs": 2, "width": 4}},
    baseline={{"lambda_sil": 0.0}},
    seeds=(0, 1),
{EXPERIMENT})
"""
"""Trains nothing real, so it takes no time and no torch."""


@dataclass
class Ablate:
    """Runs `ablate` in one folder.

    Attributes:
        folder: Where studies and results are.
        module: What Python runs.
    """

    folder: Path
    module = "ablations"

    def __call__(self, *arguments: str, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=os.environ | ENVIRONMENT | environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command in a session of its own, so that a signal to its group does not reach the tests."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=os.environ | ENVIRONMENT | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def command(self, *arguments: str) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", self.module, *arguments]

    def study(self, text: str = TINY, name: str = "tiny") -> str:
        """Write a study file; returns its name, for the command line."""
        path = self.folder / f"{name}.py"
        path.write_text(textwrap.dedent(text))
        return path.name
