"""Reports per second that reach MLflow: by the mirror of a study, and by one call for each report.

    python benchmarks/mirror.py --trials 500 --seconds 40

The second way is that of Ray Tune's `MLflowLoggerCallback`: one `log_batch` for every report, in the loop of the
driver. Both write to a SQLite file. Every trial reports one epoch (six metrics) per second.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablations.design.loading import load_study
from ablations.design.plans.describe import describe_study
from ablations.tracking.mirror import Mirror
from ablations.tracking.mlflow_runs import MlflowRuns
from silhouette.results import Store

METRICS = ("train_loss", "loss_ce", "loss_sil", "lr", "val_top1", "val_loss")
RIVAL_REPORTS = 1000


def main(arguments: list[str] | None = None) -> None:
    """Print both rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=500, metavar="N", help="trials that report at a time")
    parser.add_argument("--seconds", type=int, default=40, metavar="S", help="how long they do")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        ours = measure_mirror(Path(folder) / "ours", given.trials, given.seconds)
        theirs = measure_calls(Path(folder) / "theirs", given.trials)
    print(f"mirror: {ours:.0f} reports/s arrive; a call each: {theirs:.0f} reports/s; ratio {ours / theirs:.1f}")


def measure_mirror(folder: Path, trials: int, seconds: int) -> float:
    """Return the reports per second that arrive, until the last one has arrived."""
    warnings: list[str] = []
    mirror = Mirror(view_in(folder), spec_of, warnings.append)
    start = time.perf_counter()
    mirror.start()
    waits = []
    for second in range(seconds):
        for trial in range(trials):
            before = time.perf_counter()
            mirror.report({"trial_id": name_of(trial), "rows": [row(second)]})
            waits.append(time.perf_counter() - before)
        time.sleep(max(0.0, start + second + 1 - time.perf_counter()))
    waiting = mirror.events.qsize()
    whole = mirror.close({"complete": trials}, timeout=600.0)  # a study leaves the rest to `ablate sync` sooner
    took = time.perf_counter() - start
    assert whole, warnings
    print(
        f"mirror: {trials} trials, {seconds} s: {waiting} reports wait at the end; all have arrived after {took:.0f} s"
    )
    usual, longest = 1e3 * sorted(waits)[len(waits) * 999 // 1000], 1e3 * max(waits)
    print(f"  the driver waits {usual:.3f} ms for a report to be taken in 99.9% of cases, {longest:.1f} ms at most")
    return trials * seconds / took


def measure_calls(folder: Path, trials: int) -> float:
    """Return the reports per second with one call for each, after the runs are created."""
    view = view_in(folder)
    for trial in range(min(trials, RIVAL_REPORTS)):
        view.show(spec_of(name_of(trial)), [], None)
    start = time.perf_counter()
    for trial in range(RIVAL_REPORTS):
        view.show(spec_of(name_of(trial % trials)), [row(trial // trials)], None)
    return RIVAL_REPORTS / (time.perf_counter() - start)


def view_in(folder: Path) -> MlflowRuns:
    """Return the MLflow runs of the demo study in a new database."""
    store = Store(str(folder), "demo")
    return MlflowRuns(f"sqlite:///{folder}/mlflow.db", store, describe_study(load_study("demo")))


def name_of(trial: int) -> str:
    """Return a trial_id."""
    return f"{trial:016x}"


def spec_of(trial_id: str) -> dict[str, Any]:
    """Return the part of the specification of a trial that MLflow shows."""
    return {"trial_id": trial_id, "arm": "λ=0", "seed": int(trial_id, 16), "phase": "confirm", "config": {"epochs": 30}}


def row(epoch: int) -> Mapping[str, Any]:
    """Return one epoch of a curve."""
    return {"epoch": epoch, **dict.fromkeys(METRICS, 0.5)}


if __name__ == "__main__":
    main()
