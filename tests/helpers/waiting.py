"""How the tests wait for what another process or thread does."""

import time


def wait_for(condition, seconds=120.0):
    """The first true value of `condition()`; raises TimeoutError if there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"{condition} did not come true in {seconds} s")
