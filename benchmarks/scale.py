"""Cost of the driver when trials do nothing, and the time of `ablate plan` and `ablate status` on a large study.

    python benchmarks/scale.py

Part one runs trials that do nothing through Ray Tune, callbacks and display, as `ablate run` does, and prints CPU
time and memory of the driver per trial, after a warm-up of 1000 trials (throughput.py includes the MLflow mirror).
Part two writes 100,000 records and measures time and peak memory of `ablate plan` and `ablate status`, each as a
process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ablations import Study
from ablations.cluster.resources import TrialResources
from ablations.cluster.session import ray_session
from ablations.console.live import LiveDisplay
from ablations.console.status import StatusTable
from ablations.design.arms import Trial
from ablations.design.loading import load_study
from ablations.driver.callbacks import ReportCallback
from ablations.driver.confirm import make_confirm_trials
from ablations.driver.tuner import run_groups
from ablations.workers.spec import Report, RunContext, SeedGroupSpec
from ablations.workers.trainable import REPORT, SPEC, SeedGroupTrainable
from silhouette.metrics import validation_metric
from silhouette.results import SCHEMA, Store

STUDY = """
from ablations import Study
STUDY = Study(
    question="How large may a study be?",
    factors={"lambda_sil": tuple(i / 1000 for i in range(100)), "batch_size": tuple(range(16, 26))},
    baseline={"lambda_sil": 0.0, "batch_size": 16},
    seeds=range(SEEDS),
)
"""


class NoOp(SeedGroupTrainable):
    """Ends each trial at its first report."""

    def setup(self, config: dict[str, Any], context: RunContext) -> None:
        """Begin nothing."""
        self.spec: SeedGroupSpec = config[SPEC]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next one."""
        self.spec = new_config[SPEC]
        return True

    def step(self) -> dict[str, Any]:
        """End it."""
        record = {"trial_id": self.spec.id, "status": "complete", "test_top1": 0.5, "epochs_reached": 0}
        return {"done": True, REPORT: Report("complete", records=[record])}

    def cleanup(self) -> None:
        """Keep nothing."""


class Meter:
    """A mirror that only counts trials, and notes time and memory after the warm-up and at the last trial."""

    def __init__(self, warm_up: int) -> None:
        self.warm_up, self.ended = warm_up, 0
        self.begin = self.last = (0.0, 0.0, 0)

    def report(self, report: dict[str, Any]) -> None:
        """Count a trial that has ended. `ablate run` calls its mirror in the same place."""
        if "record" not in report:
            return
        self.ended += 1
        self.last = (time.perf_counter(), time.process_time(), _resident())
        if self.ended == self.warm_up:
            self.begin = self.last

    def per_trial(self) -> tuple[float, float, float]:
        """Return wall time in ms, CPU time in ms and memory in kB per trial."""
        wall, cpu, memory = (after - before for before, after in zip(self.begin, self.last, strict=True))
        count = self.ended - self.warm_up
        return 1000 * wall / count, 1000 * cpu / count, memory / 1000 / count


def _resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def driver(trials: int) -> None:
    """Run and print part one."""
    with tempfile.TemporaryDirectory() as folder:
        study = _study(folder, seeds=-(-trials // 1000))
        wanted: list[Trial] = list(study.trials())[:trials]
        store, meter = Store(folder, study.name), Meter(warm_up=min(1000, trials // 2))
        source = make_confirm_trials(wanted, RunContext(store.uri, study.name))
        with ray_session(None), LiveDisplay(StatusTable(wanted, {}, {}, validation_metric(study.metric))) as display:
            reports = ReportCallback(source, store, display, meter, {})  # type: ignore[arg-type]
            run_groups(source, TrialResources(1, 0, {}), None, [reports], NoOp)
        wall, cpu, kilobytes = meter.per_trial()
    print(f"{trials} no-op trials: {wall:.1f} ms a trial, of which {cpu:.1f} ms driver CPU; {kilobytes:.1f} kB a trial")


def records(count: int) -> None:
    """Run and print part two."""
    with tempfile.TemporaryDirectory() as folder:
        study = _study(folder, seeds=count // 1000)
        trials = list(study.trials())[: count - 100]
        row = {"study": study.name, "phase": "confirm", "status": "complete", "seconds": 2.0, "test_top1": 0.5}
        row |= {"curve": [{"epoch": e, "val_top1": 0.5} for e in range(1, 6)], "epochs_reached": 30}
        config = {arm.label: json.dumps(arm.config.model_dump(mode="json")) for arm in study.arms}
        rows = [
            {**row, "trial_id": t.trial_id, "arm": t.arm.label, "seed": t.seed, "config": config[t.arm.label]}
            for t in trials
        ]
        own = Path(folder, "results", study.name)
        (own / "trials").mkdir(parents=True)
        for trial in trials:  # the files that stay beside the copy: they are listed, and not opened again
            (own / "trials" / f"{trial.trial_id}.parquet").touch()
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), own / "records.parquet")
        for command in ("plan", "status"):
            took, peak = _time(folder, command)
            print(f"{count} trials, {count - 100} recorded: ablate {command} {took:.1f} s, {peak / 1e6:.0f} MB")


def _time(folder: str, command: str) -> tuple[float, float]:
    """Return the seconds and the peak memory in bytes of an `ablate` command."""
    start = time.perf_counter()
    line = [sys.executable, "-m", "ablations", command, "large.py"]
    root = str(Path(__file__).parents[1])
    subprocess.run(line, cwd=folder, env={**os.environ, "PYTHONPATH": root}, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start, 1024.0 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def _study(folder: str, seeds: int) -> Study:
    path = Path(folder, "large.py")
    path.write_text(STUDY.replace("SEEDS", str(seeds)))
    return load_study(str(path))


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000, help="no-op trials")
    parser.add_argument("--records", type=int, default=100_000, help="records")
    given = parser.parse_args()
    records(given.records)
    driver(given.trials)


if __name__ == "__main__":
    main()
