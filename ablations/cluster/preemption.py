"""Preemption of spot machines: poll the cloud's notice, and drain the node before the machine is terminated.

A drained node gets no new trials, and its loss does not count as a failure of the trials on it. Ray's cluster launcher
does not poll the notice, so each spot worker runs `ablate cluster watch` beside Ray.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

POLL_SECONDS = 5.0
"""As AWS recommends. Its notice comes two minutes ahead."""
FIND_TRIES = 12
"""One minute: the metadata service may start later than the machine."""
TIMEOUT_SECONDS = 2.0
ATTEMPT_SECONDS = 20.0
"""Time limit of one call of Ray. Its import takes most of it."""
AWS = "http://169.254.169.254"
GCP = "http://metadata.google.internal"
GCP_NOTICE_SECONDS = 30.0
DEADLINE_SECONDS = 1
"""The deadline that Ray is given, whatever the notice says. Ray counts a loss as a preemption only after the deadline,
and the cloud may terminate the machine early. Ray itself stops nothing at the deadline."""

_OWN_NODE = (
    "import ray; ray.init(address='auto', log_to_driver=False, logging_level='ERROR'); "
    "print(ray.get_runtime_context().get_node_id())"
)
"""Run in another process, since Ray may abort the process that connects if there is no head."""

Notice = Callable[[], float | None]
"""Returns the seconds until the machine is terminated, or None while there is no notice. Raises OSError if the metadata
service does not answer, and ValueError if its answer cannot be read."""


def watch(say: Callable[[str], None] = print, poll_seconds: float = POLL_SECONDS) -> int:
    """Wait for the notice, then drain this node.

    Args:
        say: Prints a line.
        poll_seconds: Time between two requests to the metadata service.

    Returns:
        0 if the node is drained, or if there is no metadata service (not a cloud machine: there is nothing to watch); 1
        if the node could not be drained before the machine is terminated.
    """
    notice = _find_notice_with_retries(poll_seconds)
    if notice is None:
        say("no metadata service answers, so this is not a cloud machine: there is nothing to watch")
        return 0
    say(f"watching for a preemption notice, every {poll_seconds:g} s")
    while (seconds := _poll(notice)) is None:
        time.sleep(poll_seconds)
    say(f"preemption notice: this machine is terminated in {seconds:.0f} s; draining its node")
    return drain(seconds, say, poll_seconds)


def _find_notice_with_retries(poll_seconds: float) -> Notice | None:
    for left in reversed(range(FIND_TRIES)):
        if (notice := find_notice()) or not left:
            return notice
        time.sleep(poll_seconds)
    return None


def find_notice() -> Notice | None:
    """Return the function that reads this cloud's notice; None outside AWS and GCP."""
    for notice in (aws_notice, gcp_notice):
        try:
            notice()
        except OSError:
            continue
        except ValueError:
            pass  # the service is there, although this answer cannot be read
        return notice
    return None


def aws_notice() -> float | None:
    """Read `spot/instance-action` from EC2's instance metadata service, version 2 (session tokens).

    Returns:
        Seconds until the machine is terminated; None without a notice.

    Raises:
        OSError: If the service does not answer.
        ValueError: If its answer cannot be read.
    """
    base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", AWS).rstrip("/")
    token = _get(f"{base}/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, "PUT")
    try:
        text = _get(f"{base}/latest/meta-data/spot/instance-action", {"X-aws-ec2-metadata-token": token})
    except HTTPError as error:
        if error.code == 404:  # no notice
            return None
        raise
    action = json.loads(text)
    if not isinstance(action, dict):
        raise ValueError(f"spot/instance-action: must be a JSON object, got {text[:80]!r}")
    return _seconds_until(action)


def gcp_notice() -> float | None:
    """Read the `preempted` flag from Compute Engine's metadata server.

    Returns:
        30 seconds, the time that Compute Engine gives; None without a notice.

    Raises:
        OSError: If the server does not answer.
    """
    host = os.environ.get("GCE_METADATA_HOST")
    base = f"http://{host}" if host else GCP
    text = _get(f"{base}/computeMetadata/v1/instance/preempted", {"Metadata-Flavor": "Google"})
    return GCP_NOTICE_SECONDS if text.strip() == "TRUE" else None


def drain(seconds: float, say: Callable[[str], None] = print, poll_seconds: float = POLL_SECONDS) -> int:
    """Drain this node with the reason preemption. Try again while the head does not answer.

    Args:
        seconds: Time until the machine is terminated; no attempt begins later.
        say: Prints a line.
        poll_seconds: Time between two attempts.

    Returns:
        0 if Ray has accepted, 1 if it has not in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        left = max(0.0, deadline - time.monotonic())
        try:
            say(f"drained {_drain_once()}")
            return 0
        except OSError as error:
            if left <= poll_seconds:
                say(f"not drained: {error}")
                return 1
        time.sleep(poll_seconds)


def _drain_once() -> str:
    """Make one attempt. Returns the node's id; raises OSError with Ray's message."""
    node = _run_python("-c", _OWN_NODE)
    options = {
        "--node-id": node,
        "--reason": "DRAIN_NODE_REASON_PREEMPTION",
        "--reason-message": "the cloud terminates this spot machine",
        "--deadline-remaining-seconds": str(DEADLINE_SECONDS),
    }
    _run_python("-m", "ray.scripts.scripts", "drain-node", *(word for pair in options.items() for word in pair))
    return node


def _run_python(*arguments: str) -> str:
    """Run Python. Returns the last line of its output; raises OSError with the last line of its error output."""
    command = [sys.executable, *arguments]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=ATTEMPT_SECONDS)
    except subprocess.TimeoutExpired:
        raise OSError(f"no answer from the head in {ATTEMPT_SECONDS:g} s") from None
    if done.returncode:
        raise OSError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return (done.stdout.strip().splitlines() or [""])[-1]


def _poll(notice: Notice) -> float | None:
    """The notice; None also if the service fails, which may be temporary."""
    try:
        return notice()
    except (OSError, ValueError):
        return None


def _seconds_until(action: Mapping[str, Any]) -> float:
    try:
        at = datetime.fromisoformat(str(action["time"]).replace("Z", "+00:00"))
    except (KeyError, ValueError):
        return 0.0  # a notice without a readable time is a notice
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _get(url: str, headers: Mapping[str, str], method: str = "GET") -> str:
    request = Request(url, headers=dict(headers), method=method)
    with _opener().open(request, timeout=TIMEOUT_SECONDS) as answer:
        return str(answer.read().decode())


def _opener() -> OpenerDirector:
    """Without proxies: the metadata service is this machine's own."""
    return build_opener(ProxyHandler({}))
