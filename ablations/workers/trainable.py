"""The Ray Tune trainable: runs one trial after another in a reused actor and writes their records."""

from __future__ import annotations

import gc
import json
import sys
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ray import tune

from ablations.state.admission import require_admission
from ablations.state.checkpoints import Checkpoints
from ablations.state.provenance import host_columns
from ablations.workers.experiment import Experiment, load_experiment
from ablations.workers.spec import Work
from silhouette.config import make_config
from silhouette.results import Store

REPORT_SECONDS = 1.0
"""Short epochs are reported together: each report costs the driver milliseconds, however little it says."""
PAUSES = (1.0, 5.0)
"""Seconds to wait before a record that could not be written (a full disk, a store that is away) is tried again."""
MAX_ERROR = 4000
"""Characters of a traceback that a record keeps: its end."""


class TrialRun:
    """One trial from its first epoch, or its newest checkpoint, to its record. Knows nothing of Ray.

    Args:
        spec: What `Work.spec` makes of the driver's message.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self.store = Store(spec["results"], spec["study"])
        self.checkpoints = Checkpoints(self.store, spec["trial_id"], spec["checkpoint_seconds"])
        self.started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self.earlier_seconds = 0.0
        self._start = time.perf_counter()
        self.retried = False
        self.finished = False
        self.training: Experiment | None = None

    def step(self) -> dict[str, Any]:
        """Train for one epoch, or for a second of short ones.

        Returns:
            `rows`, the curve of these epochs, and once the trial has ended `record`, what was written, but its curve.

        An exception is tried again once, from the newest checkpoint; the second one becomes the record's error.
        """
        try:
            return self._step()
        except Exception as error:  # whatever a trial raises must not end the study
            if self.retried or is_out_of_memory(error):
                text = "".join(traceback.format_exception(error))[-MAX_ERROR:]
                reached = self.training.epoch if self.training else 0
                return {"rows": [], **self._finish(failed_record(self.spec, text, reached))}
            self.retried, self.training = True, None
            return {"rows": []}
        finally:
            if self.training is None:
                free_memory()

    def save(self) -> None:
        """Checkpoint an unfinished trial that has at least one epoch."""
        if self.training is not None and not self.finished and self.training.epoch > 0:
            self.checkpoints.save(self.training.epoch, self._state(self.training))

    def _step(self) -> dict[str, Any]:
        finished = None if self.training else self.store.finished_record(self.spec["trial_id"])
        if finished is not None:  # by a worker that was lost before the driver heard of it
            self.finished = True
            self.checkpoints.clear()
            return {"rows": [], "record": without_curve(finished)}
        training = self.training = self.training or self._begin()
        rows, start = [], time.perf_counter()
        while not training.done:
            rows.append(training.step())
            if time.perf_counter() - start >= REPORT_SECONDS:
                break
        if training.done:
            return {"rows": rows, **self._finish(training.result())}
        self.checkpoints.save_if_due(training.epoch, self._state(training))
        return {"rows": rows}

    def _begin(self) -> Experiment:
        experiment = load_experiment(self.spec["experiment"])
        training = experiment(make_config(self.spec["config"]), self.spec["seed"], threads=self.spec["threads"])
        state = self.checkpoints.newest()
        if state is not None:
            training.load_state_dict(state["training"])
            self.started_at, self.earlier_seconds = state["started_at"], state["seconds"]
        return training

    def _state(self, training: Experiment) -> dict[str, Any]:
        state = training.state_dict()
        return {"training": state, "started_at": self.started_at, "seconds": self._seconds()}

    def _seconds(self) -> float:
        return self.earlier_seconds + time.perf_counter() - self._start

    def _finish(self, outcome: dict[str, Any]) -> dict[str, Any]:
        """Write the record, then drop the checkpoints; returns what the driver is told."""
        record = {
            **identity(self.spec),
            "started_at": self.started_at,
            "seconds": self._seconds(),
            **host_columns(),
            **outcome,
        }
        write_record(self.store, record)
        self.finished, self.training = True, None
        self.checkpoints.clear()
        return {"record": without_curve(record)}


class TrialTrainable(tune.Trainable):  # type: ignore[misc]  # Ray ships no types
    """`TrialRun` as Ray Tune wants it: a class, so that an actor that has imported torch serves many trials."""

    def setup(self, config: dict[str, Any], work: Work) -> None:
        """Begin the first trial of this actor."""
        require_admission(work.common["results"], work.common["study"], work.common.get("driver"))
        self.work = work
        self.run = TrialRun(work.spec(config["trial"]))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin the next trial; `Training` resets every random state and flag itself."""
        self.run = TrialRun(self.work.spec(new_config["trial"]))
        return True

    def step(self) -> dict[str, Any]:
        """A report: one JSON text, since Tune keeps statistics and copies of every number that it sees."""
        report = self.run.step()
        return {
            "done": self.run.finished,
            "report": json.dumps({"trial_id": self.run.spec["trial_id"], **report}),
        }

    def cleanup(self) -> None:
        """Called when the study is interrupted: keep what the unfinished trial has."""
        self.run.save()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: checkpoints are ours, keyed by trial_id."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: `TrialRun` finds its own."""


def write_record(store: Store, record: Mapping[str, Any]) -> None:
    """Write a record with patience: the training behind it is worth a few seconds."""
    for pause in PAUSES:
        try:
            return store.write_record(record)
        except OSError:
            time.sleep(pause)
    return store.write_record(record)


def free_memory() -> None:
    """Give the memory of a trial that ended back, so that the next one on this GPU starts clean."""
    torch = sys.modules.get("torch")
    if torch is None:  # an experiment without torch
        return
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


def is_out_of_memory(error: Exception) -> bool:
    """Whether a GPU had no memory left: the same again would fail the same way, so it is not tried again."""
    return type(error).__name__ == "OutOfMemoryError"


def without_curve(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as the driver is told of it: it has had the curve from the reports."""
    return {key: value for key, value in record.items() if key != "curve"}


def identity(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a record that say which trial it is."""
    return {
        **{key: spec[key] for key in ("trial_id", "arm", "seed", "phase", "git_commit", "git_dirty")},
        "settings": json.dumps(spec["settings"], sort_keys=True),
        "config": json.dumps(spec["config"], sort_keys=True),
    }


def failed_record(spec: Mapping[str, Any], error: str, epochs_reached: int) -> dict[str, Any]:
    """Record of a trial that could not be brought to its end."""
    outcome = {"status": "failed", "error": error, "epochs_reached": epochs_reached}
    return {**identity(spec), **host_columns(), "epochs_planned": spec["config"]["epochs"], **outcome}
