"""What the driver does with the news from its trials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ablations.console.live import LiveDisplay
from ablations.driver.callbacks import LossListener, cause_of
from ablations.tracking.mirror import Mirror
from ablations.workers.spec import Work
from ablations.workers.trainable import failed_record, without_curve
from silhouette.results import Store

if TYPE_CHECKING:
    from ray.tune.experiment import Trial as TuneTrial


class Listener(LossListener):
    """Hands every report to the display and to the mirror.

    Args:
        store: Where a record is written for a trial whose workers all died.
        work: What the workers were sent.
        display: The display.
        mirror: The MLflow mirror.

    Attributes:
        lost: Messages of the trials that Tune gave up, since their workers died.
    """

    def __init__(self, store: Store, work: Work, display: LiveDisplay, mirror: Mirror) -> None:
        super().__init__(display)
        self.store, self.work, self.mirror = store, work, mirror
        self.lost: list[str] = []

    def name_of(self, trial: TuneTrial) -> str:
        """Its trial_id, which stands in `ablate status` and names its record."""
        return str(self._spec(trial)["trial_id"])

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **info: Any
    ) -> None:
        """Called in the driver's loop for each report of a worker."""
        self._tell(json.loads(result["report"]))

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """Called when a trial gets its actor."""
        self._tell({"trial_id": self._spec(trial)["trial_id"], "rows": []})

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """Called when Tune gives a trial up: the driver says what happened, unless a worker wrote the record.

        A worker may have written it and then been lost, or cut off, before the driver heard of it.
        """
        self.end_if_refused(trial)
        spec = self._spec(trial)
        finished = None
        with suppress(OSError):  # a store that is away for a moment
            finished = self.store.finished_record(spec["trial_id"])
        if finished is not None:
            self._tell({"trial_id": spec["trial_id"], "rows": [], "record": without_curve(finished)})
            return
        self.lost.append(trial.config["trial"])
        record = failed_record(spec, f"no worker could bring it to its end: {cause_of(trial)}", epochs_reached=0)
        with suppress(OSError):  # a full disk, say; the trial then counts as missing, and runs again
            self.store.write_record(record)
        self._tell({"trial_id": spec["trial_id"], "rows": [], "record": record})

    def _spec(self, trial: TuneTrial) -> dict[str, Any]:
        return self.work.spec(trial.config["trial"])

    def _tell(self, report: Mapping[str, Any]) -> None:
        self.display.update(report)
        self.mirror.report(report)
