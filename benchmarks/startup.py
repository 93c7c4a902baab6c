"""Parts of the time of a short study: imports and planning, ray.init, first actor, training, shutdown, exit.

    python benchmarks/startup.py [--trials 8] [--epochs 1] [--repeats 3]

The same digits trials run three ways in one run: by `ablate run` with its MLflow mirror, in one bare process without
Ray, and by joblib with two processes. Each is a process of its own, from its start to its end; the ways take turns, and
values are medians over the turns. "of the bare process" is the ratio of the totals. The machine must be otherwise idle.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from throughput import STUDY, train

FOLDER = Path(__file__).parent
PARTS = ("imports, planning", "ray.init", "first actor", "training", "shutdown", "exit")
"""Of `ablate run`, in order. "first actor" is the time from the call of Tune to the start of the first trial."""

MOMENTS = ("init", "connected", "fit", "first", "fitted", "stopped")
"""Moments between the parts: ray.init begins, ends; Tune is called, starts a trial, has ended; Ray has stopped."""


def run_ours(trials: int, epochs: int) -> dict[str, float]:
    """Return the seconds of each part of `ablate run`, and of their total."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"dataset": "digits", "epochs": epochs}
        Path(folder, "pace.py").write_text(STUDY.format(settings=settings, seeds=-(-trials // 2)))
        moments = Path(folder, "moments.json")
        start = time.time()
        total = _seconds("watch", str(moments), folder=folder)
        found = json.loads(moments.read_text())
    times = [start, *(found[name] for name in MOMENTS), start + total]
    imports, connect, prepare, actor, training, shutdown, leave = (b - a for a, b in pairwise(times))
    seconds = (imports + prepare, connect, actor, training, shutdown, leave)
    return dict(zip(PARTS, seconds, strict=True)) | {"total": total}


def run_bare(trials: int, epochs: int) -> dict[str, float]:
    """Return the seconds of one process that trains one trial after the other."""
    return {"total": _seconds("bare", str(trials), str(epochs))}


def run_joblib(trials: int, epochs: int) -> dict[str, float]:
    """Return the seconds of joblib with two processes."""
    return {"total": _seconds("joblib", str(trials), str(epochs))}


def _seconds(*arguments: str, folder: str | None = None) -> float:
    """Return the seconds from start to end of this script as a process of its own, which does one of `_INSIDE`."""
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent), "OMP_NUM_THREADS": "1"}
    start = time.time()
    command = [sys.executable, str(FOLDER / "startup.py"), "inside", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return time.time() - start


def _watch(target: str) -> None:
    """Run the study in this folder and write the moments at which its parts begin and end."""
    from ablations.cli.process import command
    from ablations.cluster.session import prepare

    prepare(None)
    import ray
    from ray import tune
    from ray.tune.callback import CallbackList

    moments: dict[str, float] = {}
    _note(ray, "init", moments, "init", "connected")
    _note(tune.Tuner, "fit", moments, "fit", "fitted")
    _note(ray, "shutdown", moments, None, "stopped")
    _note(CallbackList, "on_trial_start", moments, "first", None)
    atexit.register(lambda: Path(target).write_text(json.dumps(moments)))
    sys.argv = ["ablate", "run", "pace.py"]
    command()


def _note(owner: Any, name: str, moments: dict[str, float], before: str | None, after: str | None) -> None:
    """Replace a function by one that notes when it was first called and when it last returned."""
    function = getattr(owner, name)

    def noting(*arguments: Any, **options: Any) -> Any:
        if before:
            moments.setdefault(before, time.time())
        try:
            return function(*arguments, **options)
        finally:
            if after:
                moments[after] = time.time()

    setattr(owner, name, noting)


def _bare(trials: str, epochs: str) -> None:
    for number in range(int(trials)):
        train(number, int(epochs))


def _joblib(trials: str, epochs: str) -> None:
    from joblib import Parallel, delayed

    Parallel(n_jobs=2)(delayed(train)(number, int(epochs)) for number in range(int(trials)))


_INSIDE: dict[str, Callable[..., None]] = {"watch": _watch, "bare": _bare, "joblib": _joblib}


def main() -> None:
    """Print both tables."""
    if sys.argv[1:2] == ["inside"]:
        return _INSIDE[sys.argv[2]](*sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=8, help="trials of each way, an even number")
    parser.add_argument("--epochs", type=int, default=1, help="epochs of a trial")
    parser.add_argument("--repeats", type=int, default=3, help="turns, after one turn to warm up")
    given = parser.parse_args()
    ways = {"ablate run": run_ours, "bare process": run_bare, "joblib, 2 processes": run_joblib}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for turn in range(given.repeats + 1):
        for name, run in ways.items():
            seconds = run(given.trials, given.epochs)
            if turn:
                found[name].append(seconds)
    medians = {
        name: {part: statistics.median(turn[part] for turn in turns) for part in turns[0]}
        for name, turns in found.items()
    }
    for part in (*PARTS, "total"):
        print(f"{part:20s} {medians['ablate run'][part]:6.2f} s")
    print(f"\n{'':20s} {'total s':>8s} {'of the bare process':>20s}")
    for name, parts in medians.items():
        print(f"{name:20s} {parts['total']:8.2f} {parts['total'] / medians['bare process']['total']:20.2f}")
    return None


if __name__ == "__main__":
    main()
