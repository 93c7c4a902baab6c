"""The wheel, built from this checkout, and an environment that has it and not the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """A wheel, built from a copy so that nothing is written into the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("ablations", "analysis", "search_spaces", "silhouette", "deploy"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "constraints.txt", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, source]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """An environment with the wheel and the packages of this one, without the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    environment, work = folder / "environment", folder / "work"
    work.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin/python"
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "of_the_tests.pth").write_text("\n".join(_folders_without_the_checkout()))
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True, text=True)
    return Installed(python, work)


def _folders_without_the_checkout():
    """Where packages are imported from; a line of a .pth file adds a folder without reading the .pth files in it."""
    return [path for path in sys.path if path.endswith("-packages") and Path(path).is_dir()]


class Installed:
    """Commands of the installed wheel, run in a folder outside the checkout."""

    def __init__(self, python, work):
        self.python, self.work = python, work

    def __call__(self, *command):
        return subprocess.run(
            command, cwd=self.work, env=self._environment(), capture_output=True, text=True, timeout=400, check=False
        )

    def start(self, *command):
        """Start a command in a session of its own."""
        return subprocess.Popen(
            command,
            cwd=self.work,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def add(self, package):
        """Install a package from its folder."""
        install = [sys.executable, "-m", "pip", "--python", self.python, "install", "-q", "--no-deps", "--no-index"]
        subprocess.run([*install, "--no-build-isolation", package], check=True, capture_output=True, text=True)

    def _environment(self):
        hidden = ("PYTHONPATH", "RAY_ADDRESS", "MLFLOW_TRACKING_URI")
        environment = {key: value for key, value in os.environ.items() if key not in hidden}
        return environment | {"PATH": f"{self.python.parent}:{environment['PATH']}"}

    def code(self, text):
        """Standard output of Python code."""
        done = self(self.python, "-c", text)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()
