"""A small tuned study of the pretend experiment, begun anew or at its confirm phase, in which a test places a fault.

One trial runs at a time, so a search that is not disturbed is the same in every run.
"""

import json
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from silhouette.results import Store
from tests.helpers.ablate import Ablate
from tests.helpers.comparing import comparable_fields
from tests.helpers.pretend import EPOCH_SECONDS, SLOW_FILE, TRACE_FILE
from tests.helpers.processes import is_alive
from tests.helpers.waiting import wait_for

STUDY = """
from ablations import Study, Tuning
from search_spaces import Interval

STUDY = Study(
    question="Does a fault change the records?",
    treatments={"CE": {"lambda_sil": 0.0}, "CE+Sil": {"lambda_sil": 0.2}},
    fixed={"epochs": 30},
    baseline="CE",
    seeds=(0, 1),
    tuning=Tuning(nuisance={"lr": Interval(1e-3, 1e-1, log=True)}, settings=3, grace=10, reduction=2.0),
    experiment="tests.helpers.pretend:Pretend",
)
"""
PHASES = ("tune", "confirm")
TRIALS = {"tune": 2 * 3 * 2, "confirm": 2 * 2}
"""Records of each phase: arms × candidates × seeds, arms × seeds."""
ONE_AT_A_TIME = ("--cpus-per-trial", str(os.cpu_count()))


@dataclass
class FaultyStudy(Ablate):
    """The study in a folder of its own.

    Attributes:
        phase: The phase in which the fault is to happen; one of its trials, or candidates, has already finished.
    """

    phase: str

    def __post_init__(self):
        self.study(STUDY, "faulty")
        self.slow.touch()

    @property
    def slow(self):
        """Epochs are slow for as long as this file exists."""
        return self.folder / "slow"

    @property
    def results(self):
        return self.folder / "results/faulty"

    @property
    def environment(self):
        return {SLOW_FILE: str(self.slow), EPOCH_SECONDS: "0.3", TRACE_FILE: str(self.folder / "trace")}

    def start(self, *arguments, **environment):
        """Start the study; its epochs are slow."""
        options = ("run", "faulty.py", *ONE_AT_A_TIME, *arguments)
        return super().start(*options, **self.environment, **environment)

    def finish(self, *arguments, **environment):
        """Run the rest of the study with fast epochs."""
        self.slow.unlink(missing_ok=True)
        options = ("run", "faulty.py", *ONE_AT_A_TIME, *arguments)
        return self(*options, **self.environment, **environment)

    def rows(self, phase=None):
        """The records, ordered by what identifies them."""
        rows = Store(str(self.folder / "results"), "faulty").load().to_pylist()
        rows = [row for row in rows if phase in (None, row["phase"])]
        return sorted(rows, key=lambda row: (row["phase"], row["arm"], row["tune_number"] or 0, row["seed"]))

    def comparable_rows(self, phase=None):
        return [comparable_fields(row) for row in self.rows(phase)]

    def record_files(self):
        """Time of the last change of every record's own file, by its name."""
        return {path.name: path.stat().st_mtime_ns for path in (self.results / "trials").glob("*.parquet")}

    def checkpoints(self):
        """Epochs of the checkpoints that there are."""
        return sorted(int(path.stem) for path in self.results.glob("checkpoints/*/*.pt"))

    def trace(self):
        """Every epoch that was trained, in order: `config`, `seed`, `epoch`, `pid`."""
        path = self.folder / "trace"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def wait_for_epoch(self, epoch):
        """Until a trial of this run has begun that epoch; returns the id of its process."""
        return wait_for(lambda: next((line["pid"] for line in self.trace() if line["epoch"] >= epoch), None))

    def wait_for_checkpoint(self):
        """Until a trial has left a checkpoint."""
        return wait_for(self.checkpoints)

    def kill(self, process):
        """SIGKILL a driver; until none of its workers is left."""
        process.send_signal(signal.SIGKILL)
        process.communicate()
        wait_for(lambda: not any(is_alive(line["pid"]) for line in self.trace()))

    def first_epochs_after(self, count):
        """The epochs from which the trials of the first `count` epochs of the trace went on."""
        trace = self.trace()
        unfinished = {(line["config"], line["seed"]) for line in trace[:count]}
        first = {}
        for line in trace[count:]:
            first.setdefault((line["config"], line["seed"]), line["epoch"])
        return {first.get(trial) for trial in unfinished}


def begin(folder: Path, uninterrupted: FaultyStudy, phase: str, *, last: bool = False) -> FaultyStudy:
    """The study as it is in the middle of a phase, with the records of an uninterrupted run.

    Args:
        folder: Where to put it.
        uninterrupted: The study, run to its end.
        phase: Of an earlier phase all records are there.
        last: Whether the last trial, or candidate, is the only one without records; else the first one alone has them.
    """
    faulty = FaultyStudy(folder, phase)
    shutil.copytree(uninterrupted.results, faulty.results, ignore=shutil.ignore_patterns("records.parquet", ".lock"))
    kept = {row["trial_id"] for row in uninterrupted.rows() if _is_kept(row, phase, last)}
    for path in (faulty.results / "trials").glob("*.parquet"):
        if path.stem not in kept:
            path.unlink()
    if phase == "tune":
        for name in ("frozen.json", "study.json"):
            (faulty.results / name).unlink()
    return faulty


def _is_kept(row, phase, last):
    if row["phase"] != phase:
        return PHASES.index(row["phase"]) < PHASES.index(phase)
    place = (row["arm"], row["tune_number"] if phase == "tune" else row["seed"])
    return place != ("CE+Sil", 2 if phase == "tune" else 1) if last else place == ("CE", 0)
