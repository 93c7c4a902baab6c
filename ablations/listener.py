"""What the driver does with the news from its trials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ray.tune import Callback

from ablations.progress import Progress
from ablations.tracking import Mirror
from ablations.trainable import failed_record
from silhouette.results import Store

if TYPE_CHECKING:
    from ray.tune.experiment import Trial as TuneTrial


class Listener(Callback):  # type: ignore[misc]  # Ray ships no types
    """Hands every report to the display and to the mirror.

    Args:
        store: Where a record is written for a trial whose workers all died.
        specs: What the workers were sent, by trial_id.
        progress: The display.
        mirror: The MLflow mirror.
    """

    def __init__(
        self, store: Store, specs: Mapping[str, Mapping[str, Any]], progress: Progress, mirror: Mirror
    ) -> None:
        self.store, self.specs, self.progress, self.mirror = store, specs, progress, mirror

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore, which we do not use."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **info: Any
    ) -> None:
        """Called in the driver's loop for each report of a worker."""
        self._tell(json.loads(result["report"]))

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """Called when a trial gets its actor."""
        self._tell({"trial_id": json.loads(trial.config["trial"])["trial_id"], "rows": []})

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """Called when Tune gives a trial up: the worker wrote no record, so the driver says what happened."""
        spec = json.loads(trial.config["trial"])
        error = f"the worker died {trial.num_failures} times (killed, out of memory, or its node was lost)"
        record = failed_record(spec, error, epochs_reached=0)
        self.store.write_record(record)
        self._tell({"trial_id": spec["trial_id"], "rows": [], "record": record})

    def _tell(self, report: Mapping[str, Any]) -> None:
        self.progress.update(report)
        self.mirror.report(report)
