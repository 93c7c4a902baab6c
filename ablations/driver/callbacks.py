"""What the driver says and does when a trial loses its worker."""

from __future__ import annotations

import os
import re
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.tune import Callback

from ablations.console.live import LiveDisplay
from ablations.errors import StudyError
from ablations.state.admission import DOCTOR

if TYPE_CHECKING:
    from ray.tune.experiment import Trial as TuneTrial

WORKER_DEATHS = 3
"""How often a trial is taken up again from its checkpoint after its process or node died."""
ADMISSION_ERROR = re.compile(r"StudyError: (--\w[\w-]*: .+)")
"""What a worker raises that must not run trials at all."""
IMPORT_ERROR = re.compile(r"creation task.*\b((?:ModuleNotFound|Import|Attribute)Error: .+)", re.DOTALL)
"""What is left of a worker that cannot even read what it is to run."""


class LossListener(Callback):  # type: ignore[misc]  # Ray ships no types
    """Says that a worker was lost and that its trial goes on; the base of both phases' listeners.

    Args:
        display: The display.
    """

    def __init__(self, display: LiveDisplay) -> None:
        self.display = display
        self._counted: dict[str, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore, which we do not use."""
        return {}

    @abstractmethod
    def name_of(self, trial: TuneTrial) -> str:
        """What a person knows it by."""

    def on_trial_recover(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """Called when Tune takes a trial up again."""
        self.end_if_refused(trial)
        failures, before = trial.num_failures, self._counted.get(trial.trial_id, 0)
        self._counted[trial.trial_id] = failures
        if failures > before:
            what = f"lost its worker ({failures} of {WORKER_DEATHS}: {cause_of(trial)[:160]})"
        else:
            what = "lost its machine, which was taken back: no failure"
        self.display.note(f"{self.name_of(trial)}: {what}; it goes on from its newest checkpoint")

    def end_if_refused(self, trial: TuneTrial) -> None:
        """End the study if the worker of a trial that failed must not run any.

        Every other trial would fail there, too, and a node that fails fast is always free for the next.

        Raises:
            StudyError: In the worker's words.
        """
        said = error_of(trial)
        if refusal := ADMISSION_ERROR.search(said):
            raise StudyError(refusal[1])
        if stranger := IMPORT_ERROR.search(said):
            line = stranger[1].splitlines()[0]
            raise StudyError(f"--address: a node lacks this version of the project ({line}); {DOCTOR}")


def cause_of(trial: TuneTrial) -> str:
    """Last line of what Tune knows of a failure; a worker that was killed leaves little."""
    return (error_of(trial).splitlines() or ["killed, out of memory, or its node was lost"])[-1]


def error_of(trial: TuneTrial) -> str:
    """All failures of a trial, the latest last, as Tune notes them on the driver's machine.

    `trial.get_error()` looks for them where Tune copies them at the end of a run, so it finds nothing yet.
    """
    try:
        return Path(trial.error_file or os.devnull).read_text(errors="replace").strip()
    except OSError:  # a full disk
        return ""
