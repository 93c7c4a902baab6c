"""The notice of a spot instance: a cloud that takes a machine back says so shortly before, and Ray wants to know.

A node that is drained gets no new trials, and what its loss interrupts does not count as a failure of the trial. Ray's
cluster launcher does not listen for the notice, so each spot worker runs `ablate cluster watch` beside Ray.
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
"""What AWS advises; its notice comes two minutes ahead."""
FIND_TRIES = 12
"""A minute of them: right after a machine's boot its metadata service may not be up yet."""
TIMEOUT_SECONDS = 2.0
ATTEMPT_SECONDS = 20.0
"""What Ray may take for one answer; most of it is its import."""
AWS = "http://169.254.169.254"
GCP = "http://metadata.google.internal"
GCP_NOTICE_SECONDS = 30.0
DEADLINE_SECONDS = 1
"""What Ray is told, whatever the notice says: it counts a loss as a preemption only once this has passed, a cloud may
come early, and Ray itself ends nothing at the deadline."""

_OWN_NODE = (
    "import ray; ray.init(address='auto', log_to_driver=False, logging_level='ERROR'); "
    "print(ray.get_runtime_context().get_node_id())"
)
"""In a process of its own: without a head Ray may end the process that asks."""

Notice = Callable[[], float | None]
"""Seconds until the machine goes; None while there is no notice. Raises OSError where nobody answers, and ValueError
where what answers makes no sense."""


def watch(say: Callable[[str], None] = print, poll_seconds: float = POLL_SECONDS) -> int:
    """Wait for the notice, then drain this node.

    Returns:
        0 where there is no metadata service (no cloud machine: nothing to wait for), or once the node is drained; 1 if
        it could not be drained before the machine goes.
    """
    notice = _find_patiently(poll_seconds)
    if notice is None:
        say("no metadata service answers: this is no machine that a cloud takes back, so there is nothing to watch")
        return 0
    say(f"watching for the notice, every {poll_seconds:g} s")
    while (seconds := _ask(notice)) is None:
        time.sleep(poll_seconds)
    say(f"notice: this machine goes in {seconds:.0f} s; draining its node")
    return drain(seconds, say, poll_seconds)


def _find_patiently(poll_seconds: float) -> Notice | None:
    for left in reversed(range(FIND_TRIES)):
        if (notice := find_notice()) or not left:
            return notice
        time.sleep(poll_seconds)
    return None


def find_notice() -> Notice | None:
    """How the cloud of this machine gives notice; None outside AWS and GCP."""
    for notice in (aws_notice, gcp_notice):
        try:
            notice()
        except OSError:
            continue
        except ValueError:
            pass  # it answers, if not in order: asked again like one that is away for a moment
        return notice
    return None


def aws_notice() -> float | None:
    """The `spot/instance-action` of EC2's instance metadata service, version 2 (session tokens)."""
    base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", AWS).rstrip("/")
    token = _get(f"{base}/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, "PUT")
    try:
        text = _get(f"{base}/latest/meta-data/spot/instance-action", {"X-aws-ec2-metadata-token": token})
    except HTTPError as error:
        if error.code == 404:  # the service's way to say: no notice
            return None
        raise
    action = json.loads(text)
    if not isinstance(action, dict):
        raise ValueError(f"spot/instance-action: wants a JSON object, got {text[:80]!r}")
    return _seconds_until(action)


def gcp_notice() -> float | None:
    """The `preempted` flag of Compute Engine's metadata server; it comes 30 s ahead."""
    host = os.environ.get("GCE_METADATA_HOST")
    base = f"http://{host}" if host else GCP
    text = _get(f"{base}/computeMetadata/v1/instance/preempted", {"Metadata-Flavor": "Google"})
    return GCP_NOTICE_SECONDS if text.strip() == "TRUE" else None


def drain(seconds: float, say: Callable[[str], None] = print, poll_seconds: float = POLL_SECONDS) -> int:
    """Tell Ray that this node goes, as a preemption; again for so many seconds where the head is away.

    Returns:
        0 once Ray has agreed, 1 if it has not until the machine goes.
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
    """One attempt; returns the node's id, and raises what Ray says against it."""
    node = _answer("-c", _OWN_NODE)
    options = {
        "--node-id": node,
        "--reason": "DRAIN_NODE_REASON_PREEMPTION",
        "--reason-message": "the cloud takes this machine back",
        "--deadline-remaining-seconds": str(DEADLINE_SECONDS),
    }
    _answer("-m", "ray.scripts.scripts", "drain-node", *(word for pair in options.items() for word in pair))
    return node


def _answer(*arguments: str) -> str:
    """The last line that Python prints; raises OSError with the last line that it complains."""
    command = [sys.executable, *arguments]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=ATTEMPT_SECONDS)
    except subprocess.TimeoutExpired:
        raise OSError(f"no answer from the head in {ATTEMPT_SECONDS:g} s") from None
    if done.returncode:
        raise OSError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return (done.stdout.strip().splitlines() or [""])[-1]


def _ask(notice: Notice) -> float | None:
    """The notice; a service that does not answer for a moment, or not in order, is asked again."""
    try:
        return notice()
    except (OSError, ValueError):
        return None


def _seconds_until(action: Mapping[str, Any]) -> float:
    try:
        at = datetime.fromisoformat(str(action["time"]).replace("Z", "+00:00"))
    except (KeyError, ValueError):
        return 0.0  # a notice all the same
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _get(url: str, headers: Mapping[str, str], method: str = "GET") -> str:
    request = Request(url, headers=dict(headers), method=method)
    with _opener().open(request, timeout=TIMEOUT_SECONDS) as answer:
        return str(answer.read().decode())


def _opener() -> OpenerDirector:
    """Without proxies: metadata are this machine's own."""
    return build_opener(ProxyHandler({}))
