"""What is imported is declared, what is declared is imported, and constraints.txt fits the bounds."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"ablations", "analysis", "search_spaces", "silhouette"}
OF_CLUSTER = ("ablations/cluster_file", "ablations/templates/files/deploy")
"""What needs the extra `cluster`."""
NOT_IMPORTED = {"google-api-python-client"}
"""Ray imports it."""
TOOLS = {
    "coverage", "import-linter", "mypy", "pandas", "pytest-timeout", "pytest-xdist", "ruff", "setuptools",
    "types-pyyaml",
}  # fmt: skip
"""Run as commands or plug-ins, or imported by others."""


def declared(*extras):
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    return {canonicalize_name(Requirement(line).name) for line in lines} - {PROJECT["name"]}


def imported(folder):
    """Distributions whose modules the Python files below a folder import, each with one such file."""
    homes = packages_distributions()
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        local = {one.stem for one in path.parent.glob("*.py")} if folder == "benchmarks" else set()
        for name in _modules(path) - local:
            distribution = min(homes.get(name, [name]), key=len)  # mlflow, not its part mlflow-skinny
            found[canonicalize_name(distribution)] = str(path.relative_to(ROOT))
    return found


def _modules(path):
    """Top-level modules that a file imports, or asks pytest to import, but for our own and those of Python."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "importorskip":
            names.add(node.args[0].value)
    return {name.partition(".")[0] for name in names} - OURS - {"tests"} - set(sys.stdlib_module_names)


@pytest.mark.parametrize("package", sorted(OURS))
def test_every_import_of_a_package_is_a_declared_dependency(package):
    found = imported(package)
    base = {name: file for name, file in found.items() if not file.startswith(OF_CLUSTER)}
    assert {name: file for name, file in base.items() if name not in declared()} == {}
    assert {name: file for name, file in found.items() if name not in declared("cluster")} == {}


@pytest.mark.parametrize(("folder", "extra"), [("tests", "test"), ("benchmarks", "benchmarks"), ("deploy", "cluster")])
def test_every_other_import_is_in_an_extra(folder, extra):
    extras = ("test", "cluster", "benchmarks") if extra == "test" else (extra,)
    assert {name: file for name, file in imported(folder).items() if name not in declared(*extras)} == {}


def test_every_declared_dependency_is_used():
    used = {name for package in OURS for name in imported(package)}
    assert declared("cluster") - used == NOT_IMPORTED
    assert declared("test") - used - set(imported("tests")) - NOT_IMPORTED - TOOLS == set()
    assert declared("benchmarks") - used - set(imported("benchmarks")) == NOT_IMPORTED - {"google-api-python-client"}


def test_every_dependency_has_a_lower_bound_that_constraints_fit():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    lines = [*PROJECT["dependencies"], *(line for lines in PROJECT["optional-dependencies"].values() for line in lines)]
    for requirement in map(Requirement, lines):
        if requirement.name != PROJECT["name"]:
            bounds = {one.operator for one in requirement.specifier}
            assert ">=" in bounds, requirement
            assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_what_is_known_to_break_is_bounded():
    bounds = {Requirement(line).name: Requirement(line).specifier for line in PROJECT["dependencies"]}
    assert "2.61.0" not in bounds["ray"]
    assert "3.0.0" not in bounds["pytorch-metric-learning"]


def test_the_citation_names_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
