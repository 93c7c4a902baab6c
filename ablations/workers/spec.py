"""What the driver sends its workers: what all trials share once, and a short message per trial."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ablations.design.arms import Trial


@dataclass(frozen=True)
class Work:
    """What all trials of a run share; stored once on each node, however many trials there are.

    Attributes:
        common: `results`, `study`, `threads`, `checkpoint_seconds`, `experiment`, `git_commit`, `git_dirty`.
        arms: `arm`, `settings` and `config` of each arm, by label.
    """

    common: Mapping[str, Any]
    arms: Mapping[str, Mapping[str, Any]]

    @staticmethod
    def message(trial: Trial) -> str:
        """A trial in one line of JSON."""
        return json.dumps([trial.trial_id, trial.arm.label, trial.seed, trial.phase])

    def spec(self, message: str) -> dict[str, Any]:
        """All that a worker needs to run the trial of a message and to write its record."""
        trial_id, arm, seed, phase = json.loads(message)
        return {**self.common, **self.arms[arm], "trial_id": trial_id, "seed": seed, "phase": phase}


def make_work(trials: list[Trial], common: Mapping[str, Any]) -> Work:
    """The work of running `trials`."""
    arms = {trial.arm.label: trial.arm for trial in trials}
    return Work(
        common,
        {
            label: {"arm": label, "settings": arm.settings, "config": arm.config.model_dump(mode="json")}
            for label, arm in arms.items()
        },
    )
