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
    "gcp": Kind(
        "a Ray cluster on Google Cloud",
        ("deploy/gcp.yaml", *INSTALL),
        f"{WHEEL}; fill in deploy/gcp.yaml; ablate cluster check deploy/gcp.yaml",
    ),
    "local": Kind(
        "a Ray cluster on machines that you have, over ssh",
        ("deploy/local.yaml", "deploy/end_with_raylet.sh", *INSTALL),
        f"{WHEEL}; fill in deploy/local.yaml; ablate cluster check deploy/local.yaml",
    ),
    "kuberay": Kind(
        "one study on Kubernetes, with KubeRay",
        ("deploy/kuberay.yaml", "deploy/Dockerfile", "constraints.txt"),
        f"{WHEEL}; build the image; fill in deploy/kuberay.yaml; ablate cluster check deploy/kuberay.yaml",
    ),
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
