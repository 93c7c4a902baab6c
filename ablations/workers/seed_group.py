"""The Ray Tune trainable of the tune phase: one setting, whose seeds train in lock-step in one actor."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ray import tune

from ablations.design.tuning import candidate_id
from ablations.search.arm_search import Setting
from ablations.search.candidates import columns_of, mean_curve, setting_status
from ablations.state.admission import require_admission
from ablations.state.checkpoints import Checkpoints
from ablations.state.provenance import host_columns
from ablations.workers.experiment import Experiment, load_experiment
from ablations.workers.trainable import (
    MAX_ERROR,
    REPORT_SECONDS,
    failed_record,
    free_memory,
    identity,
    is_out_of_memory,
    without_curve,
    write_record,
)
from silhouette.config import TrialConfig, make_config, trial_id
from silhouette.results import Store


@dataclass(frozen=True)
class SettingWork:
    """What all settings of a search share.

    Attributes:
        common: `results`, `study`, `threads`, `checkpoint_seconds`, `git_commit`, `git_dirty`.
        arms: Scientific settings by label of the arm.
        seeds: Tuning seeds.
        metric: Validation metric that the search sees.
        rungs: Epochs after which a worker waits for the word whether to go on.
    """

    common: Mapping[str, Any]
    arms: Mapping[str, Mapping[str, Any]]
    seeds: tuple[int, ...]
    metric: str
    rungs: tuple[int, ...]

    def message(self, arm: str, setting: Setting, config: TrialConfig, until: tuple[str, int] | None = None) -> str:
        """A setting in one line of JSON.

        Args:
            arm: Label of its arm.
            setting: The setting.
            config: What it trains.
            until: How it ended already, where a kill left only some of its records: (status, epoch).
        """
        return json.dumps(
            {
                "id": candidate_id(arm, config, self.seeds, self.common["experiment"]),
                "arm": arm,
                "number": setting.number,
                "columns": columns_of(setting),
                "config": config.model_dump(mode="json"),
                "until": until,
            }
        )

    def specs(self, message: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What makes each seed's record, as `ablations.workers.trainable` wants it."""
        arm, config = message["arm"], make_config(message["config"])
        experiment = self.common["experiment"]
        shared = {
            **self.common,
            "arm": arm,
            "settings": self.arms[arm],
            "config": message["config"],
            "phase": "tune",
            "tune_number": message["number"],
        }
        return [{**shared, "trial_id": trial_id(config, seed, "tune", experiment), "seed": seed} for seed in self.seeds]


class SettingRun:
    """One setting from its first epoch, or its newest checkpoint, to its records. Knows nothing of Ray.

    Args:
        work: What the search shares.
        text: What `SettingWork.message` made.
    """

    def __init__(self, work: SettingWork, text: str) -> None:
        self.work, self.message = work, json.loads(text)
        self.specs = work.specs(self.message)
        self.store = Store(work.common["results"], work.common["study"])
        self.checkpoints = Checkpoints(self.store, self.message["id"], work.common["checkpoint_seconds"])
        self.started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self.earlier_seconds = 0.0
        self._start = time.perf_counter()
        self.trainings: list[Experiment] = []
        self.told = 0
        self.retried = False
        self.status = "running"

    def step(self) -> dict[str, Any]:
        """Train all seeds for one epoch, or for a second of short ones, but never past a rung.

        Returns:
            `arm`, `number`, `status`, `means` by epoch, `rows` by trial_id; `records` where the setting has ended,
            or may be ended by the search: then as they are to be written.

        An exception is tried again once, from the newest checkpoint; the second one becomes the records' error.
        """
        try:
            return self._step()
        except Exception as error:  # whatever a setting raises must not end the study
            if self.retried or is_out_of_memory(error):
                return self._fail("".join(traceback.format_exception(error))[-MAX_ERROR:])
            self.retried, self.trainings = True, []
            return self._report({}, [])
        finally:
            if not self.trainings:
                free_memory()

    def save(self) -> None:
        """Checkpoint a setting that has not ended, by itself or by the search's word."""
        ended = self.status != "running" or f"{self.specs[0]['trial_id']}.parquet" in self.store.names("trials")
        if self.trainings and self.trainings[0].epoch > 0 and not ended:
            self.checkpoints.save(self.trainings[0].epoch, self._state())

    def _step(self) -> dict[str, Any]:
        written = None if self.trainings else self._written()
        if written is not None:
            return written
        self.trainings = self.trainings or self._begin()
        start = time.perf_counter()
        while not (self._ended() or self._awaits_word()):
            self._train_epoch()
            if time.perf_counter() - start >= REPORT_SECONDS:
                break
        rows = self._new_rows()
        if self._ended():
            return self._finish(rows)
        self.checkpoints.save_if_due(self._epoch, self._state())
        at_a_rung = self._epoch in self.work.rungs
        return self._report(rows, self._records("stopped") if at_a_rung else [])

    @property
    def _epoch(self) -> int:
        return min(training.epoch for training in self.trainings)

    def _train_epoch(self) -> None:
        for training in self.trainings:
            training.step()
            if training.status == "diverged":  # its setting has ended: the other seeds need not go on
                return

    def _ended(self) -> bool:
        statuses = {training.status for training in self.trainings}
        return "diverged" in statuses or statuses == {"complete"} or self._epoch == self._until

    def _awaits_word(self) -> bool:
        """Whether it stands on a rung that the search has not judged, be it one that a checkpoint was taken on."""
        return self._epoch in self.work.rungs and self.told < self._epoch

    @property
    def _until(self) -> int | None:
        return self.message["until"][1] if self.message["until"] else None

    def _begin(self) -> list[Experiment]:
        experiment = load_experiment(self.work.common["experiment"])
        config, threads = make_config(self.message["config"]), self.work.common["threads"]
        trainings = [experiment(config, seed, threads=threads) for seed in self.work.seeds]
        state = self.checkpoints.newest()
        if state is not None:
            for training, own in zip(trainings, state["trainings"], strict=True):
                training.load_state_dict(own)
            self.started_at, self.earlier_seconds = state["started_at"], state["seconds"]
        return trainings

    def _state(self) -> dict[str, Any]:
        states = [training.state_dict() for training in self.trainings]
        return {"trainings": states, "started_at": self.started_at, "seconds": self._seconds()}

    def _seconds(self) -> float:
        return self.earlier_seconds + time.perf_counter() - self._start

    def _new_rows(self) -> dict[str, list[dict[str, Any]]]:
        told, self.told = self.told, self._epoch
        pairs = zip(self.specs, self.trainings, strict=True)
        return {spec["trial_id"]: training.curve[told:] for spec, training in pairs}

    def _report(self, rows: Mapping[str, list[dict[str, Any]]], records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return {
            "arm": self.message["arm"],
            "number": self.message["number"],
            "status": self.status,
            "means": mean_curve(list(rows.values()), self.work.metric),
            "rows": rows,
            "records": list(records),
        }

    def _records(self, otherwise: str) -> list[dict[str, Any]]:
        """One record per seed; `otherwise` is the status of those that could go on."""
        outcomes = [training.result(test=False) for training in self.trainings]  # test data are not for choosing
        for outcome in outcomes:
            outcome["status"] = otherwise if outcome["status"] == "running" else outcome["status"]
        return [self._record(spec, outcome) for spec, outcome in zip(self.specs, outcomes, strict=True)]

    def _record(self, spec: Mapping[str, Any], outcome: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **identity(spec),
            **self.message["columns"],
            "started_at": self.started_at,
            "seconds": self._seconds() / len(self.specs),  # the seeds took turns
            **host_columns(),
            **outcome,
        }

    def _finish(self, rows: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
        records = self._records("stopped")
        return self._end(setting_status(record["status"] for record in records), rows, records)

    def _written(self) -> dict[str, Any] | None:
        """The end that another worker has written for every seed, and was lost before the driver heard of it."""
        records = [record for spec in self.specs if (record := self.store.finished_record(spec["trial_id"]))]
        if len(records) < len(self.specs):
            return None
        self.status = setting_status(record["status"] for record in records)
        self.checkpoints.clear()
        rows = {record["trial_id"]: record["curve"] or [] for record in records}
        return self._report(rows, [without_curve(record) for record in records])

    def _fail(self, error: str) -> dict[str, Any]:
        reached = self._epoch if self.trainings else 0
        records = [self._record(spec, failed_record(spec, error, reached)) for spec in self.specs]
        return self._end("failed", {}, records)

    def _end(self, status: str, rows: Mapping[str, Any], records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Write the records, then drop the checkpoints."""
        for record in records:
            write_record(self.store, record)
        self.status, self.trainings = status, []
        self.checkpoints.clear()
        return self._report(rows, [without_curve(record) for record in records])


class SettingTrainable(tune.Trainable):  # type: ignore[misc]  # Ray ships no types
    """`SettingRun` as Ray Tune wants it."""

    def setup(self, config: dict[str, Any], work: SettingWork) -> None:
        """Begin the first setting of this actor."""
        require_admission(work.common["results"], work.common["study"], work.common.get("driver"))
        self.work = work
        self.run = SettingRun(work, config["setting"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin the next setting; `Training` resets every random state and flag itself."""
        self.run = SettingRun(self.work, new_config["setting"])
        return True

    def step(self) -> dict[str, Any]:
        """A report: one JSON text, since Tune keeps statistics and copies of every number that it sees."""
        report = self.run.step()
        return {"done": self.run.status != "running", "report": json.dumps(report)}

    def cleanup(self) -> None:
        """Called when the study is interrupted: keep what the unfinished setting has."""
        self.run.save()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: checkpoints are ours, keyed by the setting."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: `SettingRun` finds its own."""
