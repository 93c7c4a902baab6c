"""The Ray session of a run: a local Ray on this machine, or the connection to a cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from ablations.errors import StudyError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that stop a study."""
RAY_ENV = {
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
"""Environment variables that Ray reads while it is imported. No usage statistics, no output of its own.

- Tune's loggers would import torch into the driver.
- Tune's snapshots and Ray's task events are not needed and grow with the number of trials.
- Up to 200 trials wait for resources: this makes a cluster grow, and gives a free actor its next trial.
- `RAY_ENABLE_AUTO_CONNECT`: a background thread that calls Ray after the shutdown must not start another Ray.
"""
LOCAL_RAY_ENV = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_gcs_rpc_server_reconnect_timeout_s": "20"}
"""Read by Ray while it is imported. A local Ray then listens on 127.0.0.1 only, as by default on macOS and Windows.

Otherwise it listens on the machine's address, and Ray ignores `_node_ip_address="127.0.0.1"` without a message. The
driver of a local GCS that has died need not wait a minute for it.
"""
PRELOAD_VARIABLE = "RAY_preload_python_modules"
"""Read by the raylet: modules that each worker imports while it starts, separated by commas."""
UNUSED_PROCESSES = ("start_api_server", "start_monitor", "start_log_monitor")
"""Methods of Ray's `Node` that start processes which a local Ray does not need."""
OBJECT_STORE_BYTES = 200 << 20
"""Trials exchange a few kilobytes. Ray's default is a third of the memory."""
HEAD_RETURN_SECONDS = 60.0
"""How long a run that lost its head waits for a new one at the same address."""
HEAD_SECONDS = 10.0
"""A head that is up answers within about a second. `ray.init` waits two minutes for one that is not."""

_CONNECT = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')"
_CAUSES = (
    (
        "no authentication token",
        "the cluster requires a token and this machine has none; copy the head's ~/.ray/auth_token here (mode 600)",
    ),
    (
        "InvalidAuthToken",
        "the head rejected our token, or we have none; copy the head's ~/.ray/auth_token here (mode 600) "
        "and set RAY_AUTH_MODE=token",
    ),
    ("Could not find any running Ray", "no Ray runs on this machine; run this on the head, or start one with `ray up`"),
)
"""Parts of Ray's error messages, and what each means."""


def prepare(address: str | None, preload: Sequence[str] = ()) -> None:
    """Set the environment variables of Ray. Call it before Ray is imported.

    Args:
        address: As for `ray_session`.
        preload: As for `ray_session`.
    """
    os.environ.update(RAY_ENV if address else RAY_ENV | LOCAL_RAY_ENV)
    os.environ.pop(PRELOAD_VARIABLE, None)
    if preload and not address:
        os.environ[PRELOAD_VARIABLE] = ",".join(preload)


@contextmanager
def ray_session(address: str | None, preload: Sequence[str] = (), cpus: int | None = None) -> Iterator[None]:
    """Be connected to Ray inside the context.

    Args:
        address: Cluster to connect to (`auto` for the one on this machine). None starts a local Ray and stops it
            after the context.
        preload: Modules that the workers of a local Ray import while they start, before a trial needs them.
        cpus: CPUs of a local Ray; None takes all that the machine has.
    """
    prepare(address, preload)
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "address": address or "local"}
    if not address:
        options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES, "num_cpus": cpus}
    with _keeping_signal_handlers(), nullcontext() if address else _only_needed_processes():
        ray.init(**options)
    _restrict_token_file()
    try:
        with nullcontext() if address else _actors_in_started_workers():
            yield
    finally:
        ray.shutdown()


@contextmanager
def _only_needed_processes() -> Iterator[None]:
    """Let `ray.init` start no process inside the context that a local Ray does not need.

    These are the API server, the autoscaler's monitor, the log monitor, and most of the dashboard's agent. Each takes
    about a second of CPU time to start, and `ray.init` waits for the first and the last. It has no option for this,
    so methods of Ray itself are replaced; a Ray without them starts all its processes.
    """
    from ray._private import utils
    from ray._private.node import Node

    replaced: list[tuple[Any, str, Any]] = [(Node, name, None) for name in UNUSED_PROCESSES]
    replaced.append((utils, "get_dashboard_dependency_error", "the dashboard is not used"))
    with ExitStack() as stack:
        for owner, name, answer in replaced:
            if hasattr(owner, name):
                stack.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, partial(_answer, answer))
        yield


def _answer(answer: Any, *_: Any, **__: Any) -> Any:
    return answer


@contextmanager
def _actors_in_started_workers() -> Iterator[None]:
    """Let Tune's actors have no environment variables of their own inside the context.

    Ray starts a worker for each CPU at once, but never gives it to an actor that asks for other variables than the
    worker has. The workers of a local Ray have inherited the variables of this process.
    """
    from ray.tune.execution import class_cache

    defaults, propagated = class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE
    class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE = {}, set()
    try:
        yield
    finally:
        class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE = defaults, propagated


@contextmanager
def _keeping_signal_handlers() -> Iterator[None]:
    """`ray.init` installs its own signal handlers, with which SIGTERM aborts the process.

    A closed terminal sends SIGHUP to the whole process group. Ray's processes inherit that it is ignored here. They
    must outlive it, since the driver then tells the trials to write their checkpoints.
    """
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _restrict_token_file() -> None:
    """Ray writes its authentication token with mode 0644."""
    token = Path.home() / ".ray" / "auth_token"
    if token.is_file():
        token.chmod(0o600)


def check_head(address: str, patience: float = 0.0) -> None:
    """Check that the Ray head is reachable and accepts our token, before `ray.init`, which can block for minutes.

    Connects in another process, since Ray may abort the process that connects.

    Args:
        address: As for `ray.init`. `ray://` is not accepted: a Ray Client driver ends with its connection.
        patience: Seconds in which a head that does not answer may come back.

    Raises:
        StudyError: If the head does not answer within `HEAD_SECONDS`, or rejects the connection.
    """
    if address.startswith("ray://"):
        raise StudyError(
            "--address: Ray Client is not used; run on the head with --address auto, or by `ray job submit`, "
            f"got {address!r}"
        )
    given_up_at = time.monotonic() + patience
    while (stderr := _connection_error(address, HEAD_SECONDS + patience)) is not None:
        if time.monotonic() >= given_up_at:
            target = target_of(address)
            given = f"{address!r} (RAY_ADDRESS={target})" if address == "auto" and target else repr(address)
            raise StudyError(f"--address: {explain_connection_error(stderr, target)}, got {given}")
        time.sleep(1.0)


def in_batch_job(address: str) -> bool:
    """Return True if the head is that of the Slurm job that this process is in: then it is up, or comes back."""
    return "SLURM_JOB_ID" in os.environ and address == os.environ.get("RAY_ADDRESS")


def target_of(address: str) -> str:
    """Return where Ray connects to; empty if it looks for a Ray of this machine, as with `auto` without RAY_ADDRESS."""
    return os.environ.get("RAY_ADDRESS", "") if address == "auto" else address


def _connection_error(address: str, seconds: float) -> str | None:
    """What a process that connects to the head prints to stderr; None if it connects."""
    command = [sys.executable, "-c", _CONNECT, address]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as late:
        stderr = late.stderr or b""
        return stderr.decode(errors="replace") if isinstance(stderr, bytes) else stderr
    return done.stderr if done.returncode else None


def explain_connection_error(stderr: str, target: str = "") -> str:
    """Return, in one line, the cause that Ray's error output names, and what to do about it.

    Args:
        stderr: Ray's error output.
        target: The address that was tried; empty for a Ray of this machine.
    """
    for words, meaning in _CAUSES:
        if words in stderr:
            return meaning
    if "Version mismatch" in stderr:
        words = " ".join(stderr[stderr.index("Version mismatch") :].split())
        return f"{words}; install the same versions on all machines"
    port = target.rpartition(":")[2] if target.rpartition(":")[2].isdecimal() else "6379"
    where, advice = f"at {target}" if target else "on this machine", f"is its port {port} open?"
    return f"no Ray head answers {where} within {HEAD_SECONDS:g} s; is it up (`ray status` on it), {advice}"
