"""Whether a Ray head answers and lets us in: asked first, since Ray itself waits minutes and may abort the process."""

from __future__ import annotations

import subprocess
import sys

from ablations.errors import StudyError

WAIT_SECONDS = 10.0
"""Ray needs about one; a head that is not there costs Ray itself two minutes."""

_PROBE = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')"

_CAUSES = (
    (
        "no authentication token",
        "the cluster wants a token and there is none here; copy its ~/.ray/auth_token (mode 600) to this machine",
    ),
    (
        "InvalidAuthToken",
        "the head refused our token, or there is none; copy its ~/.ray/auth_token (mode 600) to this machine "
        "and set RAY_AUTH_MODE=token",
    ),
    ("Could not find any running Ray", "no Ray runs on this machine; run this on the head, or start one with `ray up`"),
)
"""What Ray's words mean, and what to do."""


def check_head(address: str) -> None:
    """Connect in a process of its own, and go.

    Args:
        address: As `ray.init` takes it; no `ray://`, since a driver that lives apart from the cluster ends with its
            connection.

    Raises:
        StudyError: In one line, if nobody answers within `WAIT_SECONDS`, or the head does not let us in.
    """
    if address.startswith("ray://"):
        raise StudyError(
            "--address: Ray Client is not used; run on the head with --address auto, or by `ray job submit`, "
            f"got {address!r}"
        )
    heard = _try(address)
    if heard is not None:
        raise StudyError(f"--address: {_meaning(heard)}, got {address!r}")


def _try(address: str) -> str | None:
    """What Ray said instead of connecting; None if it connected."""
    command = [sys.executable, "-c", _PROBE, address]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=WAIT_SECONDS)
    except subprocess.TimeoutExpired as late:
        heard = late.stderr or b""
        return heard.decode(errors="replace") if isinstance(heard, bytes) else heard
    return done.stderr if done.returncode else None


def _meaning(heard: str) -> str:
    for words, meaning in _CAUSES:
        if words in heard:
            return meaning
    if "Version mismatch" in heard:
        words = " ".join(heard[heard.index("Version mismatch") :].split())
        return f"{words}; install the same versions on all machines"
    return f"no Ray head answers there within {WAIT_SECONDS:g} s; is it up (`ray status` on it), is its port 6379 open?"
