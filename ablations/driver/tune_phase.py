"""The tune phase on Ray Tune: one Tune trial per setting, proposed, judged and recorded by the `Conductor`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ray import tune
from ray.tune.schedulers import TrialScheduler

from ablations.cluster.resources import TrialResources
from ablations.console.candidates import candidate_name
from ablations.console.live import LiveDisplay
from ablations.driver.callbacks import LossListener, cause_of
from ablations.driver.controller import Conductor
from ablations.driver.feed import Feed, FirstCome
from ablations.driver.tuner import fit
from ablations.tracking.mirror import Mirror
from ablations.workers.seed_group import SettingTrainable
from ablations.workers.trainable import failed_record, without_curve

if TYPE_CHECKING:
    from ray.tune.experiment import Trial as TuneTrial


class SettingScheduler(FirstCome):
    """Asks the conductor after each report whether the setting may go on."""

    def __init__(self, conductor: Conductor) -> None:
        super().__init__()
        self.conductor = conductor

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        """Called with each report but a setting's own last one, before the callbacks; it may end the setting."""
        trial.judged = json.loads(result["report"])
        go_on = self.conductor.take(trial.judged)
        return str(TrialScheduler.CONTINUE if go_on else TrialScheduler.STOP)


class SettingListener(LossListener):
    """Hands every report to the display, setting by setting, and to the mirror, seed by seed."""

    def __init__(self, conductor: Conductor, display: LiveDisplay, mirror: Mirror, specs: dict[str, Any]) -> None:
        super().__init__(display)
        self.conductor, self.mirror, self.specs = conductor, mirror, specs

    def name_of(self, trial: TuneTrial) -> str:
        """Arm and number, as the display has them."""
        message = json.loads(trial.config["setting"])
        return candidate_name(message["arm"], message["number"])

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """Called when a setting gets its actor."""
        message = json.loads(trial.config["setting"])
        self.specs |= {spec["trial_id"]: spec for spec in self.conductor.work.specs(message)}
        self.display.update({"trial_id": candidate_name(message["arm"], message["number"]), "rows": []})

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **info: Any
    ) -> None:
        """Called for each report, after the scheduler has judged it; Tune asks no scheduler about the last one."""
        report = trial.__dict__.pop("judged", None)
        if report is None:
            report = json.loads(result["report"])
            self.conductor.take(report)
        self._tell(report)

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """Called when Tune gives a setting up: the driver says what happened to the seeds that left no record."""
        self.end_if_refused(trial)
        message = json.loads(trial.config["setting"])
        if self.conductor.again(message["arm"], message["number"]):
            return
        why = f"no worker could bring it to its end: {cause_of(trial)}"
        store, specs = self.conductor.store, self.conductor.work.specs(message)
        records: list[dict[str, Any]] = []
        with suppress(OSError):  # a full disk, say; the setting then counts as missing, and runs again
            lost = [spec for spec in specs if store.finished_record(spec["trial_id"]) is None]
            records = [{**failed_record(spec, why, epochs_reached=0), **message["columns"]} for spec in lost]
            for record in records:
                store.write_record(record)
        self.conductor.end(message["arm"], message["number"], "failed")
        report = {"arm": message["arm"], "number": message["number"], "status": "failed", "rows": {}}
        self._tell({**report, "records": records})

    def _tell(self, report: Mapping[str, Any]) -> None:
        ended = report["status"] != "running"
        final = {record["trial_id"]: record for record in report["records"]} if ended else {}
        for trial_id in report["rows"].keys() | final.keys():
            record = {"record": without_curve(final[trial_id])} if trial_id in final else {}
            self.mirror.report({"trial_id": trial_id, "rows": report["rows"].get(trial_id, []), **record})
        place = candidate_name(report["arm"], report["number"])
        self.display.update({"trial_id": place, "rows": [], **self._shown(report, ended)})

    def _shown(self, report: Mapping[str, Any], ended: bool) -> dict[str, Any]:
        if not ended:
            return {}
        setting = self.conductor.searches[report["arm"]].settings[report["number"]]
        return {"record": {"status": report["status"], self.conductor.work.metric: setting.last}}


def run_search(
    conductor: Conductor,
    share: TrialResources,
    room: Callable[[], int],
    listener: SettingListener,
) -> None:
    """Run every setting that is left, to its end or until the study is interrupted, and once more what Tune gave up.

    Args:
        conductor: What is left, and who decides.
        share: What a setting takes of the cluster.
        room: How many settings may be under way at once.
        listener: Display and mirror.
    """
    lost = -1
    while lost < len(conductor.lost) and conductor.left:
        lost = len(conductor.lost)
        fit(
            tune.with_parameters(SettingTrainable, work=conductor.work),
            share,
            listener,
            Feed("setting", conductor.next, room),
            scheduler=SettingScheduler(conductor),
            count=conductor.left,
        )
