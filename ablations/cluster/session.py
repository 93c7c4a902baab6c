"""A Ray to run on: one of our own on this machine, or a cluster. No telemetry, no chatter."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ablations.driver.interrupts import NUMBERS

SILENCE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ENABLE_AUTO_CONNECT": "0",
    "RAY_task_events_report_interval_ms": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_MAX_PENDING_TRIALS_PG": "200",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1000000",
}
"""Set before Ray is imported. The loggers it switches off would import torch into the driver. Tune's snapshots and
Ray's task events are not needed, and grow with the number of trials. 200 trials may wait for a place: what lets a
cluster grow, and gives an actor that is free its next trial. A thread that asks too late must not start another Ray."""
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Set before Ray is imported, a Ray of our own listens on 127.0.0.1 alone, as it does by default on macOS and Windows.
Without it, it listens on the machine's address, and `_node_ip_address="127.0.0.1"` is silently replaced."""
OBJECT_STORE_BYTES = 200 << 20
"""Trials exchange a few kilobytes; Ray's default takes a third of the memory."""


def prepare(address: str | None) -> None:
    """Set what Ray reads from the environment, and most of it only while it is imported.

    Args:
        address: As `ray_session` has it.
    """
    os.environ.update(SILENCE if address else SILENCE | LOOPBACK)


@contextmanager
def ray_session(address: str | None) -> Iterator[None]:
    """Be connected to Ray inside the context.

    Args:
        address: Cluster to join (`auto` for the one on this machine); None starts one here and ends it after.
    """
    prepare(address)
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "address": address or "local"}
    if not address:
        options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    with _keeping_signal_handlers():
        ray.init(**options)
    _tighten_token()
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _keeping_signal_handlers() -> Iterator[None]:
    """`ray.init` sets handlers of its own, under which SIGTERM aborts the process.

    A terminal that is closed sends SIGHUP to the whole group of processes. Ray's, which inherit what is ignored, must
    outlive it: the driver tells the trials to write their checkpoints.
    """
    handlers = {number: signal.getsignal(number) for number in NUMBERS}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _tighten_token() -> None:
    """Ray writes its authentication token readable for everybody."""
    token = Path.home() / ".ray" / "auth_token"
    if token.is_file():
        token.chmod(0o600)
