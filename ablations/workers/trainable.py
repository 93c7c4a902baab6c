"""The one Ray Tune trainable: a worker that runs one seed group after another."""

from __future__ import annotations

from typing import Any

from ray import tune

from ablations.cluster.place import own_place
from ablations.state.admission import require_admission
from ablations.state.provenance import source_digest
from ablations.workers.seed_group import SeedGroup
from ablations.workers.spec import RunContext

SPEC = "spec"
"""Name of the `SeedGroupSpec` in the config of a Tune trial."""
REPORT = "report"
"""Name of the `Report` in a result."""


class SeedGroupTrainable(tune.Trainable):  # type: ignore[misc]  # Ray ships no types
    """`SeedGroup` as Ray Tune calls it. A class, so that one process that has imported torch serves many groups."""

    def setup(self, config: dict[str, Any], context: RunContext) -> None:
        """Begin the first group of this worker, on a node that may run trials."""
        source_digest()  # of the files that this worker has just imported; they may change while it trains
        require_admission(context.results, context.study, context.driver)
        self.context = context
        self.group = SeedGroup(context, config[SPEC], own_place())

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin the next group. An experiment resets every random state and flag itself."""
        self.group = SeedGroup(self.context, new_config[SPEC], own_place())
        return True

    def step(self) -> dict[str, Any]:
        """Return a report. Tune keeps statistics of plain numbers and looks into mappings, so it is one object."""
        report = self.group.step()
        return {"done": report.ended, REPORT: report}

    def stop_group(self, epoch: int) -> None:
        """Called by the driver, before the next step, when the search has decided to stop the group at an epoch."""
        self.group.stop(epoch)

    def cleanup(self) -> None:
        """Called when the study is interrupted: keep what the unfinished group has."""
        self.group.save()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing: `SeedGroup` writes its own checkpoints."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Do nothing: `SeedGroup` finds its own checkpoint."""
