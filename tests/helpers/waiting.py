"""How the tests wait for what another process or thread does."""

import socket
import time
import urllib.error
import urllib.request


def wait_for(condition, seconds=120.0):
    """The first true value of `condition()`; raises TimeoutError if there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"{condition} did not come true in {seconds} s")


def free_port():
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def answers(url, method="GET"):
    """Return True if a server answers the request with a success."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False
