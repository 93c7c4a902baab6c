"""Write the files of one kind into a folder, without overwriting anything."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ablations.errors import StudyError
from ablations.templates import FILES


class Kind(NamedTuple):
    """What `ablate init` can write: what it is, its files in `FILES`, and what to do next."""

    what: str
    files: tuple[str, ...]
    then: str


INSTALL = ("deploy/install.sh", "deploy/satisfied.py", "constraints.txt")
"""What the set-up commands of a cluster file run."""
AWS = ("bucket.json", "head.json", "prepare.py", "trust.json")
WHEEL = "copy the wheel of this package beside constraints.txt"


def cloud(path: Path) -> Kind:
    """What `ablate init` writes for a cluster file: its first line says what it is, up to a colon.

    Args:
        path: A file for the folder `deploy`. Files of that folder that it names, and those that they name, go with it.

    >>> cloud(FILES / "deploy/gcp.yaml").what
    'a Ray cluster on Google Cloud'
    """
    name, text = f"deploy/{path.name}", path.read_text(encoding="utf-8")
    what = text.removeprefix("# ").partition(":")[0]
    files = sorted(_named_in(text))
    image = "build the image; " if "deploy/Dockerfile" in files else ""
    then = f"{WHEEL}; {image}fill in {name}; ablate cluster check {name}"
    return Kind(what[:1].lower() + what[1:], (name, *files), then)


def _named_in(text: str) -> set[str]:
    """The files that a text names, and those that they name; no cluster file."""
    folder = [path for path in (FILES / "deploy").iterdir() if path.is_file() and path.suffix != ".yaml"]
    known = {path.name: f"deploy/{path.name}" for path in folder} | {"constraints.txt": "constraints.txt"}
    found, to_read = set[str](), [text]
    while to_read:
        more = {file for name, file in known.items() if name in to_read[-1]} - found
        to_read[-1:] = [(FILES / file).read_text(encoding="utf-8") for file in more]
        found |= more
    return found


KINDS = {
    "study": Kind(
        "a study of your own, on the digits data: about a minute on 2 cores",
        ("my_study.py",),
        "ablate run {study} && ablate report {study}",
    ),
    "experiment": Kind(
        "a training of your own and a study of it: scikit-learn on digits, a few seconds",
        ("my_experiment.py", "digits_experiment.py"),
        "ablate run {study} && ablate report {study}",
    ),
    "aws": Kind(
        "a Ray cluster on AWS: cluster.yaml and what it needs",
        ("cluster.yaml", *INSTALL, *(f"deploy/aws/{name}" for name in AWS)),
        f"{WHEEL}; python deploy/aws/prepare.py BUCKET; fill in cluster.yaml; ablate cluster check",
    ),
    **{path.stem: cloud(path) for path in sorted((FILES / "deploy").glob("*.yaml"))},
    "slurm": Kind(
        "the defaults of your site for `ablate slurm`: partition, account, time, set-up lines",
        ("slurm.yaml",),
        "fill in slurm.yaml; ablate doctor --slurm; ablate slurm demo",
    ),
}


def write(kind: str, to: str) -> list[Path]:
    """Write the files of a kind; files that are there already with the same content stay as they are.

    Args:
        kind: A key of `KINDS`.
        to: Folder, made if it does not exist; for a study also the path of the `.py` file.

    Returns:
        The paths of all files of the kind, in the order of `KINDS`.

    Raises:
        StudyError: If the kind is unknown, or a file is there already with other content; nothing is written then.
    """
    if kind not in KINDS:
        raise StudyError(f"KIND: must be {', '.join(KINDS)}, got {kind!r}")
    targets = {FILES / name: Path(to) / name for name in KINDS[kind].files}
    if kind == "study" and to.endswith(".py"):
        targets = dict.fromkeys(targets, Path(to))
    for source, target in targets.items():
        if target.exists() and not (target.is_file() and target.read_bytes() == source.read_bytes()):
            raise StudyError(f"--to: files are never overwritten; move {target} or give another folder, got {to!r}")
    for source, target in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return list(targets.values())


def next_line(kind: str, to: str, paths: Sequence[Path]) -> str:
    """What to do with the files of a kind, as a line that can be pasted.

    Args:
        kind: A key of `KINDS`.
        to: Where they were written.
        paths: Their paths.
    """
    if kind in ("study", "experiment"):
        return KINDS[kind].then.format(study=shlex.quote(str(paths[0])))
    return KINDS[kind].then if to == "." else f"cd {shlex.quote(to)}; {KINDS[kind].then}"
