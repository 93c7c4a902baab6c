"""The processes of a run: Ray starts its own in the session of the driver."""

from pathlib import Path


def is_alive(pid):
    """Return True if the process exists and has not ended; a process that nobody has waited for counts as ended."""
    try:
        return _stat(pid)[0] != "Z"
    except OSError:
        return False


def trial_workers(driver):
    """Process ids of the workers that run trials of a driver, which leads its session."""
    found = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return [pid for pid in found if _is_trial_worker(pid, driver)]


def _is_trial_worker(pid, driver):
    try:
        title = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        return title.startswith("ray::") and "Trainable" in title and int(_stat(pid)[3]) == driver
    except OSError:  # it has ended
        return False


def _stat(pid):
    """State, parent, process group, session and more, as proc(5) lists them."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
