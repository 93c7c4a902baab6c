"""`ablate doctor`: whether this machine, and the cluster if one is named, can run a study; what to do if not."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from urllib.request import urlopen

from ablations.finding import Finding
from ablations.state.provenance import git_state, source_digest, versions
from ablations.tracking.mlflow_runs import tracking_uri
from silhouette.errors import InputError
from silhouette.results import Store

PROJECT = "soft-silhouette-ablations"
ENOUGH_BYTES = 1 << 30
PROBE = "doctor-probe"
"""The study name under which the results location is tried; its folder is deleted again."""


def examine(results: str, mlflow: str | None, address: str | None) -> Iterator[Finding]:
    """Every finding, as soon as it is there; a check that fails in an unforeseen way is a fault of its own."""
    new = "://" not in results and not Path(results).exists()
    yield from _guarded("packages", packages)
    yield from _guarded("project", project)
    yield from _guarded("machine", machine)
    yield from _guarded("torch", devices)
    yield from _guarded("token", token)
    yield from _guarded("results", lambda: store(results))
    yield from _guarded("mlflow", lambda: view(tracking_uri(results, mlflow)))
    yield from _guarded("data", data)
    if address:
        from ablations.doctor.cluster import cluster

        yield from _guarded("cluster", lambda: cluster(address, results))
    if new:  # looking must not leave a folder behind
        with suppress(OSError):
            Path(results).rmdir()


def _guarded(what: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except InputError as error:
        yield Finding("fault", what, str(error))
    except Exception as error:  # a doctor must not fall ill of the patient
        yield Finding("fault", what, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")


def packages() -> Iterator[Finding]:
    """What the project requires, against what is installed."""
    from packaging.requirements import Requirement

    wrong = []
    for line in requires(PROJECT) or ():
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            found = "absent"
        if found == "absent" or not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} {found} (needs {requirement.specifier or 'any'})")
    here = ", ".join(f"{name} {number}" for name, number in versions().items() if name != PROJECT)
    if wrong:
        yield Finding("fault", "packages", ", ".join(wrong), "pip install -c constraints.txt -e .")
    else:
        yield Finding("ok", "packages", here)


def project() -> Iterator[Finding]:
    """Which code this is."""
    commit, dirty = git_state()["git_commit"], git_state()["git_dirty"]
    origin = "no git checkout" if commit is None else f"commit {commit[:12]}"
    where = f"{version(PROJECT)}, sources {source_digest()}, {origin}"
    if dirty:
        yield Finding("note", "project", where, "files differ from the commit, and records will say so")
    else:
        yield Finding("ok", "project", where)


def machine() -> Iterator[Finding]:
    """CPUs, memory and shared memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield Finding("ok", "machine", f"{os.cpu_count()} CPUs, {memory / 2**30:.0f} GiB of memory, {sys.platform}")
    shared = Path("/dev/shm")
    if shared.is_dir() and shutil.disk_usage(shared).free < 256 << 20:
        free = shutil.disk_usage(shared).free >> 20
        yield Finding("fault", "machine", f"/dev/shm has {free} MiB free", "Ray needs 256: docker run --shm-size=1g")


def devices() -> Iterator[Finding]:
    """That torch and torchvision go together, and the GPUs that they see."""
    import torch
    import torchvision

    pair = f"torch {torch.__version__} with torchvision {torchvision.__version__}"
    if not torch.cuda.is_available():
        smi = shutil.which("nvidia-smi")
        advice = "there is an nvidia-smi: is the driver new enough for this torch?" if smi else "trials run on CPUs"
        yield Finding("note", "torch", f"{pair}, no GPU", advice)
        return
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = properties.total_memory / 2**30
        yield Finding("ok", "torch", f"{pair}, GPU {index}: {properties.name}, {memory:.0f} GiB")


def token() -> Iterator[Finding]:
    """Ray's authentication token: who can read it may run code on the cluster."""
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    if os.environ.get("RAY_AUTH_TOKEN"):
        yield Finding("ok", "token", "in RAY_AUTH_TOKEN")
    elif not file.is_file():
        yield Finding(
            "note", "token", f"no {file}", "the first run makes one; a cluster has its own, to be copied here"
        )
    elif mode := stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield Finding("fault", "token", f"{file} can be read by others (mode {mode:03o})", f"chmod 600 {file}")
    else:
        yield Finding("ok", "token", f"{file}, for its owner alone")


def store(results: str) -> Iterator[Finding]:
    """That the results location can be written, read and emptied, and has room."""
    probe = Store(results, PROBE)
    try:
        probe.write_json({"works": True}, "probe.json")
        works = probe.read_json("probe.json") == {"works": True}
        probe.delete()
    except OSError as error:
        yield Finding("fault", "results", f"{results}: {str(error).splitlines()[0]}", "give another --results")
        return
    free = shutil.disk_usage(Path(probe.root).parent).free if probe.local else None
    room = "" if free is None else f", {free / 2**30:.0f} GiB free"
    if not works:
        yield Finding("fault", "results", f"{results}: what is written does not come back", "give another --results")
    elif free is not None and free < ENOUGH_BYTES:
        yield Finding(
            "fault", "results", f"{results}: {free >> 20} MiB free", "make room: checkpoints and records need it"
        )
    else:
        yield Finding("ok", "results", f"{results} can be written and read{room}")


def view(uri: str) -> Iterator[Finding]:
    """That the MLflow store answers; a study runs without it all the same."""
    sync = "studies run without it; `ablate sync` completes the view later"
    if uri.startswith("sqlite:///"):
        file = Path(uri.removeprefix("sqlite:///"))
        if os.access(file if file.exists() else file.parent, os.W_OK):
            yield Finding("ok", "mlflow", f"{uri} {'can be written' if file.exists() else 'is made by the first run'}")
        else:
            yield Finding("note", "mlflow", f"{uri} cannot be written", sync)
        return
    if not uri.startswith(("http://", "https://")):
        yield Finding("note", "mlflow", f"{uri} is not checked")
        return
    try:
        with urlopen(f"{uri.rstrip('/')}/health", timeout=5) as answer:
            yield Finding("ok", "mlflow", f"{uri} answers {answer.read().decode().strip()}")
    except (OSError, ValueError) as error:
        yield Finding("note", "mlflow", f"{uri} does not answer ({error})", sync)


def data() -> Iterator[Finding]:
    """Which data sets are decoded here."""
    from silhouette.data.cache import cache_folder
    from silhouette.registry import DATASETS

    here = {path.name.rsplit("-", 1)[0] for path in (cache_folder() / "arrays").glob("*-*") if path.is_dir()}
    ready = [name for name in DATASETS if name in here or name in ("digits", "synthetic")]
    others = [name for name in DATASETS if name not in ready]
    yield Finding("ok", "data", f"ready: {', '.join(ready)} (cache: {cache_folder()})")
    if others:
        yield Finding("note", "data", f"not decoded: {', '.join(others)}", "`ablate data NAME` does it ahead of time")
