"""Gates: what says whether a confirm trial may begin now. Without one, all trials run in their order."""

from __future__ import annotations

from typing import Protocol

from ablations.workers.spec import SeedGroupSpec


class Gate(Protocol):
    """Says which trials may begin. It is asked again whenever a worker is free."""

    def needs(self, spec: SeedGroupSpec) -> bool:
        """Return False if the trial will not be run at all."""
        ...

    def may_begin(self, spec: SeedGroupSpec) -> bool:
        """Return True if the trial may begin now."""
        ...

    def ended(self, spec: SeedGroupSpec, status: str) -> None:
        """Note how a trial has ended, here or in another process."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait for what may change an answer by itself, at most so long; return False if nothing will."""
        ...
