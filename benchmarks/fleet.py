"""A simulated large cluster: the limits of planner, driver and records.

    python benchmarks/fleet.py --slots 1000 --trials 20000 --seconds 10

Real: the planner, Ray Tune's controller, our callbacks, display, reports, and one Parquet record per trial on the
local disk. Simulated (benchmarks/slots.py): the workers, which only wait. Ray's own scheduling and a network are
therefore not measured, and one process writes the records of all workers. "busy" is the share of the slots' time in
which trials ran; the time in which actors start is not part of it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from typing import Any

from scale import STUDY, Meter
from slots import Fleet, write_records

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
from ablations.state.pending import read_study_state
from ablations.workers.spec import Report, RunContext, SeedGroupSpec
from silhouette.metrics import validation_metric
from silhouette.results import Store

CURVE = [{"epoch": epoch, "val_top1": 0.5, "train_loss": 0.1} for epoch in range(1, 31)]
ROW = {"phase": "confirm", "status": "complete", "arm": "a", "seed": 0, "test_top1": 0.5, "curve": CURVE}


class Timed(ReportCallback):
    """Our callback, which also keeps the time that it takes."""

    seconds = 0.0

    def _show(self, spec: SeedGroupSpec, report: Report) -> None:
        start = time.perf_counter()
        super()._show(spec, report)
        self.seconds += time.perf_counter() - start


def simulate(study: Study, folder: str, given: argparse.Namespace, seconds: float) -> None:
    """Simulate and print one cluster whose trials take `seconds`."""
    from ray.tune.execution import tune_controller

    store = Store(os.path.join(folder, f"results-{seconds:g}"), study.name)
    start = time.perf_counter()
    wanted: list[Trial] = read_study_state(study, store).to_run[: given.trials]
    planned = time.perf_counter() - start
    source = make_confirm_trials(wanted, RunContext(store.uri, study.name))
    queue: multiprocessing.Queue[Any] = multiprocessing.Queue()
    writer = multiprocessing.Process(target=write_records, args=(store.uri, study.name, ROW, queue), daemon=True)
    writer.start()
    fleet = Fleet(given.slots, seconds, given.report_seconds, queue)
    tune_controller.RayActorManager = fleet.manager
    with ray_session(None), LiveDisplay(StatusTable(wanted, {}, {}, validation_metric(study.metric))) as display:
        reports = Timed(source, store, display, Meter(warm_up=1), {})  # type: ignore[arg-type]
        start, cpu = time.perf_counter(), time.process_time()
        run_groups(source, TrialResources(1, 0, {}), None, [reports])
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    queue.put(None)
    writer.join()
    lag = time.perf_counter() - start - wall
    start = time.perf_counter()
    rows = store.compact()
    compacted = time.perf_counter() - start
    busy, count = fleet.ended * seconds / (given.slots * wall), fleet.reports
    print(
        f"{fleet.ended} trials of {seconds:g} s on {given.slots} slots: {wall:.0f} s, busy {busy:.0%}; "
        f"{fleet.ended / wall:.0f} trials/s, {count / wall:.0f} reports/s\n"
        f"  driver: {cpu / wall:.0%} of a core, {1000 * cpu / fleet.ended:.1f} ms a trial, "
        f"{1000 * cpu / count:.2f} ms a report; our callback {reports.seconds / wall:.0%} of the time\n"
        f"  planned in {planned:.1f} s; records {lag:.0f} s behind; {rows} compacted in {compacted:.1f} s",
        flush=True,
    )


def main() -> None:
    """Simulate each length of trials in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0], help="lengths of a trial")
    parser.add_argument("--report-seconds", type=float, default=1.0, help="time between two reports of a trial")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "large.py")
        with open(path, "w") as file:
            file.write(STUDY.replace("SEEDS", str(-(-given.trials // 1000))))
        for seconds in given.seconds:
            simulate(load_study(path), folder, given, seconds)


if __name__ == "__main__":
    main()
