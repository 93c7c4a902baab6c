"""Does this environment contain what the project needs, in the versions of constraints.txt?

Run by install.sh with the environment's own Python. Exit code 0: nothing is to be installed, so no network is needed.
Exit code 1: something is missing or has another version; one line says what.
"""

from __future__ import annotations

import csv
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

CHECKOUT = Path(__file__).resolve().parents[1]
PROJECT = "soft-silhouette-ablations"
EXTRA = "cluster"


def main() -> int:
    """Print the first thing that is missing, if any."""
    try:
        fault = next(faults(), None)
    except ImportError:  # without `packaging` nothing of ours is there
        fault = "a new environment"
    if fault:
        print(f"to install: {fault}")
    return 1 if fault else 0


def faults() -> Iterator[str]:
    """What is missing or has another version, requirements of requirements included."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins = dict(pinned())
    of_checkout = needed_by_the_project()
    todo = [Requirement(line) for line in of_checkout or [f"{PROJECT}[{EXTRA}]"]]
    seen: set[str] = set()
    if not any(metadata.distributions(name=PROJECT)):
        yield PROJECT
    elif not of_checkout and not wheel_is_installed():
        yield f"{PROJECT} from the wheel in {CHECKOUT}"
    while todo:
        wanted = todo.pop()
        if str(wanted) in seen:
            continue
        seen.add(str(wanted))
        try:
            found = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            yield wanted.name
            continue
        pin = pins.get(canonicalize_name(wanted.name), found)
        if found.split("+")[0] != pin.split("+")[0]:  # 2.15.0+cu130 is a build of 2.15.0
            yield f"{wanted.name} {pin}, there is {found}"
        for line in metadata.requires(wanted.name) or []:
            needed = Requirement(line)
            extras = {"", *wanted.extras}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                todo.append(needed)


def needed_by_the_project() -> list[str]:
    """Requirements of this checkout; none where this is a folder that `ablate init` wrote."""
    file = CHECKOUT / "pyproject.toml"
    project = tomllib.loads(file.read_text())["project"] if file.is_file() else {}
    if project.get("name") != PROJECT:
        return []
    needed: list[str] = project["dependencies"] + project["optional-dependencies"][EXTRA]
    return needed


def wheel_is_installed() -> bool:
    """Whether the files of a wheel in this folder are those installed; True where there is no wheel."""
    wheels = list(CHECKOUT.glob("soft_silhouette_ablations-*.whl"))
    installed = hashes(metadata.distribution(PROJECT).read_text("RECORD") or "")
    return not wheels or any(hashes(record_of(wheel)) <= installed for wheel in wheels)


def record_of(wheel: Path) -> str:
    """The list of a wheel's files with their hashes."""
    with ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        return archive.read(name).decode()


def hashes(record: str) -> set[tuple[str, str]]:
    """Path and hash of each file. pip before 23.1 does not store the hash of the wheel itself."""
    return {(row[0], row[1]) for row in csv.reader(record.splitlines())}


def pinned() -> Iterator[tuple[str, str]]:
    """Name and version of every line of constraints.txt."""
    from packaging.utils import canonicalize_name

    for line in (CHECKOUT / "constraints.txt").read_text().splitlines():
        if "==" in line and not line.startswith("#"):
            name, version = line.split("==", 1)
            yield canonicalize_name(name), version.strip()


if __name__ == "__main__":
    sys.exit(main())
