"""`ablate doctor`: run every check of this machine, and of a cluster if an address is given."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import suppress

from ablations.design.study import Study
from ablations.doctor import machine
from ablations.doctor.plugins import plugins
from ablations.finding import Finding
from ablations.tracking.mlflow_runs import tracking_uri
from silhouette.errors import InputError
from silhouette.location import local_folder


def examine(results: str, mlflow: str | None, address: str | None, study: Study | None = None) -> Iterator[Finding]:
    """Run all checks and yield each finding as soon as it is known.

    Args:
        results: Location of the results, as `--results` gives it.
        mlflow: MLflow tracking URI; None for the default one.
        address: Ray cluster to check; None checks this machine only.
        study: Study whose own encoders, data sets and losses are checked too, here and on the nodes.
    """
    folder = local_folder(results)
    is_new = folder is not None and not folder.exists()
    yield from _guarded("packages", machine.packages)
    yield from _guarded("project", machine.project)
    yield from _guarded("machine", machine.hardware)
    yield from _guarded("torch", machine.devices)
    yield from _guarded("token", machine.token)
    yield from _guarded("results", lambda: machine.results_location(results))
    yield from _guarded("mlflow", lambda: machine.mlflow_store(tracking_uri(results, mlflow)))
    yield from _guarded("data", machine.data)
    if study is not None:
        yield from _guarded("plugin", lambda: plugins(study, here=address is None))
    if not address and "SLURM_JOB_ID" in os.environ:
        yield from _guarded("node", _slurm_node)
    if address:
        yield from _guarded("cluster", lambda: _cluster(address, results, study.plugins if study else ()))
    if folder is not None and is_new:  # a check must not leave a folder behind
        with suppress(OSError):
            folder.rmdir()


def _cluster(address: str, results: str, own: tuple[str, ...]) -> Iterator[Finding]:
    from ablations.doctor.cluster import cluster  # not needed to check this machine only

    return cluster(address, results, own)


def _slurm_node() -> Iterator[Finding]:
    """This machine as the one node of a Slurm job; it needs no token, since its Ray listens on the loopback."""
    from ablations.doctor.slurm import node_facts, node_faults

    return node_faults(platform.node(), {**node_facts(), "token": True, "address": "127.0.0.1"})


def _guarded(what: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a check. An exception becomes a fault: a failing check must not stop the others."""
    try:
        yield from check()
    except InputError as error:
        yield Finding("fault", what, str(error))
    except Exception as error:
        yield Finding("fault", what, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
