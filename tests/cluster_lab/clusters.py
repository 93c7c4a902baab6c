"""Helpers for both kinds of cluster: fill in a shipped cluster file, run `ray` with it, compare records."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from silhouette.results import SCHEMA, Store
from tests.cluster_lab.virtual_hosts import CHECKOUT, Host

BELOW = "Nothing below needs a change"
CIRCUMSTANCES = (
    "started_at",
    "seconds",
    "images_per_second",
    "peak_memory",
    "host",
    "machine",
    "machine_share",
    "earlier_seconds",
    "git_commit",
    "git_dirty",
)
"""Columns with times, places and speeds, which differ between equal runs."""
BALANCED = ("--set", "imbalance=none", "--set", "imbalance_factor=1")
STUDY = ("demo", *BALANCED, "--set", "lambda_sil=0,1", "--seeds", "3", "--epochs", "40")
"""Six trials on digits, long enough for a fault in the middle of each."""


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """A shipped cluster file with the values at its top replaced; each is found by its key or its anchor."""
    top, below = text.split(BELOW)
    for name, value in values.items():
        line = rf"(?m)^(\s*(?:{name}:(?: &\w+)?|\w+: &{name}) ).*$"
        top, count = re.subn(line, lambda match, value=value: match[1] + value, top)
        assert count == 1, f"{name}: {count} times at the top"
    return top + BELOW + below


SUBMIT = """
true  # what comes before this line runs in the foreground
setsid ray dashboard -p 8265 /root/cluster.yaml >/dev/null 2>&1 & forward=$!
trap 'kill -- -$forward' EXIT
for _ in $(seq 120); do (exec 3<>/dev/tcp/127.0.0.1/8265) 2>/dev/null && break; sleep 0.5; done
ray job submit --address http://127.0.0.1:8265 {options} -- {command}
"""


class Cluster:
    """A cluster file in the operator's home. Runs Ray's commands with it, in the checkout.

    Args:
        operator: The operator's host.
        text: Content of the cluster file.
        environment: More environment variables of the operator's shell.
    """

    def __init__(self, operator: Host, text: str, **environment: str) -> None:
        self.operator = operator
        self.environment = {"PYTHONPATH": str(CHECKOUT), "RAY_AUTH_MODE": "token", "TERM": "dumb", **environment}
        self.check(f"cat >/root/cluster.yaml <<'END'\n{text}\nEND")
        self.check("ray get-auth-token --generate")

    def run(self, script: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run a bash script on the operator's host, in the checkout."""
        return self.operator.run(f"cd {CHECKOUT} && {script}", timeout, **self.environment)

    def check(self, script: str, timeout: float = 240) -> str:
        """Run a script that must succeed; returns its output."""
        done = self.run(script, timeout)
        assert done.returncode == 0, f"{script}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def up(self) -> None:
        """`ray up`."""
        self.check("ray up -y --no-config-cache /root/cluster.yaml")

    def start(self, script: str, log: Path) -> subprocess.Popen[str]:
        """`ray exec` in the background, in the checkout of the head."""
        command = f"cd {CHECKOUT} && ray exec /root/cluster.yaml {_quoted('cd ~/soft-silhouette && ' + script)}"
        return self.operator.start(command, log, **self.environment)

    def submit(self, command: str, *options: str) -> str:
        """`ray job submit` through `ray dashboard`, which forwards the head's loopback; returns its output."""
        return self.check(SUBMIT.format(command=command, options=" ".join(options)))

    def start_job(self, command: str, log: Path) -> subprocess.Popen[str]:
        """`ray job submit` in the background; its output goes to a file."""
        script = SUBMIT.format(command=command, options="")
        return self.operator.start(f"cd {CHECKOUT} && {script}", log, **self.environment)

    def down(self) -> None:
        """`ray down`."""
        self.check("ray down -y /root/cluster.yaml")


def finished(run: subprocess.Popen[str], log: Path, seconds: float = 240) -> None:
    """Wait for the end of a run in the background, which must succeed."""
    try:
        code = run.wait(seconds)
    except subprocess.TimeoutExpired:
        run.kill()
        code = None
    assert code == 0, log.read_text()[-6000:]


def outcomes(results: Path, study: str = "demo") -> dict[str, dict[str, Any]]:
    """The records of a study without `CIRCUMSTANCES`, by trial_id; each trial has one record."""
    columns = [name for name in SCHEMA.names if name not in CIRCUMSTANCES]
    rows = Store(str(results), study).load(columns).to_pylist()
    for row in rows:
        row["curve"] = [{k: v for k, v in point.items() if k not in CIRCUMSTANCES} for point in row["curve"]]
    found = {row["trial_id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def writing_times(results: Path, study: str = "demo") -> dict[str, int]:
    """When each record was written, by trial_id. A trial that ran again has a newer time."""
    return {path.stem: path.stat().st_mtime_ns for path in (results / study / "trials").glob("*.parquet")}


Checkpoints = Mapping[str, set[tuple[int, Any]]]
"""Epoch and time of writing of each checkpoint, by trial."""


class Recovery:
    """Checks that each trial that a fault interrupts resumes from its newest checkpoint.

    It prints how long that takes and never asserts it.

    Args:
        checkpoints: Returns the checkpoints that exist now.
    """

    def __init__(self, checkpoints: Callable[[], Checkpoints]) -> None:
        self.checkpoints, self.before, self.start = checkpoints, checkpoints(), time.monotonic()

    def watch(self, run: subprocess.Popen[str], fault: str) -> None:
        """Watch until each trial has a newer checkpoint or a record, or the run ends.

        A trial that resumed from an older checkpoint would write one again that existed at the fault.
        """
        waiting = dict(self.before)
        while waiting and run.poll() is None:
            now = self.checkpoints()
            for trial in [trial for trial, found in waiting.items() if now.get(trial) != found]:
                newest = max(epoch for epoch, _ in waiting.pop(trial))
                written = [epoch for epoch, _ in now.get(trial, set()) - self.before[trial]]
                assert all(epoch > newest for epoch in written), (trial, newest, written)
                print(f"{fault}: {trial} resumed from epoch {newest} after {time.monotonic() - self.start:.1f} s")
            time.sleep(0.1)


def checkpoints_in(results: Path, study: str = "demo") -> Callable[[], Checkpoints]:
    """A function that returns the checkpoints in a results folder."""

    def look() -> Checkpoints:
        found: dict[str, set[tuple[int, Any]]] = {}
        for path in (results / study).glob("checkpoints/*/*.pt"):
            with contextlib.suppress(FileNotFoundError):  # replaced by a newer one or by the record
                found.setdefault(path.parent.name, set()).add((int(path.stem), path.stat().st_mtime_ns))
        return found

    return look


def in_the_middle(results: Path, trials: int, study: str = "demo") -> bool:
    """Return True if at least so many trials have checkpoints and no record."""
    return len({path.parent.name for path in (results / study / "checkpoints").glob("*/*.pt")}) >= trials


def _quoted(script: str) -> str:
    return "'" + script.replace("'", "'\\''") + "'"
