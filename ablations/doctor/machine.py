"""Checks of this machine: packages, hardware, token, results location, MLflow store, data sets."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from urllib.request import urlopen

from ablations.cluster.resources import usable_cpus
from ablations.finding import PROBE, Finding
from ablations.formatting import counted
from ablations.state.provenance import git_state, source_digest, versions
from silhouette.results import Store

PROJECT = "soft-silhouette-ablations"
ENOUGH_BYTES = 1 << 30
"""Free space that checkpoints and records need."""
RAY_SHARED_MEMORY = 256 << 20


def packages() -> Iterator[Finding]:
    """Compare the installed packages with the project's requirements."""
    wrong = [problem for line in requires(PROJECT) or () if (problem := _requirement_problem(line))]
    if wrong:
        yield Finding("fault", "packages", ", ".join(wrong), "pip install -c constraints.txt -e .")
    else:
        installed = ", ".join(f"{name} {number}" for name, number in versions().items() if name != PROJECT)
        yield Finding("ok", "packages", installed)


def _requirement_problem(line: str) -> str | None:
    """How the installed package does not meet a requirement; None if it does, or if an extra has the requirement."""
    from packaging.requirements import Requirement

    requirement = Requirement(line)
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        return None
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} absent (needs {requirement.specifier or 'any'})"
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return f"{requirement.name} {found} (needs {requirement.specifier or 'any'})"


def project() -> Iterator[Finding]:
    """Report the version, the sources and the commit of this project."""
    commit, dirty = git_state()["git_commit"], git_state()["git_dirty"]
    origin = "no git checkout" if commit is None else f"commit {commit[:12]}"
    detail = f"{version(PROJECT)}, sources {source_digest()}, {origin}"
    if dirty:
        yield Finding("note", "project", detail, "files differ from the commit; records will say so")
    else:
        yield Finding("ok", "project", detail)


def hardware() -> Iterator[Finding]:
    """Report CPUs and memory, and check the shared memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cpus = counted(usable_cpus(), "usable CPU")
    yield Finding("ok", "machine", f"{cpus}, {memory / 2**30:.0f} GiB of memory, {sys.platform}")
    shared = Path("/dev/shm")
    if shared.is_dir() and (free := shutil.disk_usage(shared).free) < RAY_SHARED_MEMORY:
        detail = f"/dev/shm has {free >> 20} MiB free"
        yield Finding("fault", "machine", detail, "Ray needs 256 MiB; give Docker the option --shm-size=1g")


def devices() -> Iterator[Finding]:
    """Check that torch and torchvision fit together, and list the GPUs that torch sees."""
    import torch
    import torchvision

    pair = f"torch {torch.__version__} with torchvision {torchvision.__version__}"
    if not torch.cuda.is_available():
        smi = shutil.which("nvidia-smi")
        advice = "nvidia-smi is there: is the driver new enough for this torch?" if smi else "trials run on CPUs"
        yield Finding("note", "torch", f"{pair}, no GPU", advice)
        return
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = properties.total_memory / 2**30
        yield Finding("ok", "torch", f"{pair}, GPU {index}: {properties.name}, {memory:.0f} GiB")


def token() -> Iterator[Finding]:
    """Check who can read Ray's authentication token: whoever has it may run code on the cluster."""
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    if os.environ.get("RAY_AUTH_TOKEN"):
        yield Finding("ok", "token", "in RAY_AUTH_TOKEN")
    elif not file.is_file():
        advice = "the first run creates one; the token of a cluster must be copied here"
        yield Finding("note", "token", f"no {file}", advice)
    elif mode := stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield Finding("fault", "token", f"other users can read {file} (mode {mode:03o})", f"chmod 600 {file}")
    else:
        yield Finding("ok", "token", f"{file}, readable by its owner only")


def results_location(results: str) -> Iterator[Finding]:
    """Check that the results location can be written, read and deleted, and has free space."""
    probe = Store(results, PROBE)
    try:
        probe.write_json({"works": True}, "probe.json")
        works = probe.read_json("probe.json") == {"works": True}
        probe.delete()
    except OSError as error:
        yield Finding("fault", "results", f"{results}: {str(error).splitlines()[0]}", "give another --results")
        return
    if not works:
        yield Finding(
            "fault", "results", f"{results}: reading returns other data than written", "give another --results"
        )
        return
    free = shutil.disk_usage(Path(probe.root).parent).free if probe.local else None
    yield _free_space(results, free)


def _free_space(results: str, free: int | None) -> Finding:
    """The finding on the free space in bytes; None on an object store, where there is no limit."""
    if free is not None and free < ENOUGH_BYTES:
        advice = "make room: checkpoints and records need it"
        return Finding("fault", "results", f"{results}: {free >> 20} MiB free", advice)
    room = "" if free is None else f", {free / 2**30:.0f} GiB free"
    return Finding("ok", "results", f"{results} can be written and read{room}")


def mlflow_store(uri: str) -> Iterator[Finding]:
    """Check that the MLflow store answers. A study runs without it too."""
    sync = "studies run without it; `ablate sync` completes the view later"
    if uri.startswith("sqlite:///"):
        file = Path(uri.removeprefix("sqlite:///"))
        if os.access(file if file.exists() else file.parent, os.W_OK):
            state = "can be written" if file.exists() else "will be created by the first run"
            yield Finding("ok", "mlflow", f"{uri} {state}")
        else:
            yield Finding("note", "mlflow", f"{uri} cannot be written", sync)
    elif not uri.startswith(("http://", "https://")):
        yield Finding("note", "mlflow", f"{uri} is not checked")
    else:
        yield _server_health(uri, sync)


def _server_health(uri: str, advice: str) -> Finding:
    try:
        with urlopen(f"{uri.rstrip('/')}/health", timeout=5) as answer:
            return Finding("ok", "mlflow", f"{uri} answers {answer.read().decode().strip()}")
    except (OSError, ValueError) as error:
        return Finding("note", "mlflow", f"{uri} does not answer ({error})", advice)


def data() -> Iterator[Finding]:
    """List the data sets that are decoded on this machine, and those that are not."""
    from silhouette.data.cache import cache_folder
    from silhouette.registry import DATASETS

    decoded = {path.name.rsplit("-", 1)[0] for path in (cache_folder() / "arrays").glob("*-*") if path.is_dir()}
    ready = [name for name in DATASETS if name in decoded or name in ("digits", "synthetic")]
    others = [name for name in DATASETS if name not in ready]
    yield Finding("ok", "data", f"ready: {', '.join(ready)} (cache: {cache_folder()})")
    if others:
        yield Finding("note", "data", f"not decoded: {', '.join(others)}", "`ablate data NAME` decodes it in advance")
