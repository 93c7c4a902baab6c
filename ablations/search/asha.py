"""The rungs of one ASHA bracket. Ray's own scheduler decides which candidates continue."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any


class Rungs:
    """Which candidates may continue, decided by Ray Tune's `AsyncHyperBandScheduler`.

    The content of a rung depends on the values, not on their order, so rungs can be rebuilt from the records.

    Args:
        epochs: Full budget.
        grace: Epochs before the first rung.
        reduction: About one in `reduction` candidates continues.
        direction: `max` or `min`.
    """

    def __init__(self, epochs: int, grace: float, reduction: float, direction: str) -> None:
        from ray.tune.schedulers import AsyncHyperBandScheduler

        self.epochs = _epochs(epochs, grace, reduction)
        self._asha = AsyncHyperBandScheduler(
            time_attr="epoch",
            metric="value",
            mode=direction,
            max_t=epochs,
            grace_period=grace,
            reduction_factor=reduction,
        )
        self._known: dict[int, Any] = {}

    def keep(self, number: int, epoch: int, value: float) -> bool:
        """Take a value; return True if the candidate may continue. Only a rung's epoch can stop one, and only once."""
        if epoch not in self.epochs:
            return True
        if number not in self._known:
            self._known[number] = SimpleNamespace(trial_id=number)
            self._asha.on_trial_add(None, self._known[number])
        decision = self._asha.on_trial_result(None, self._known[number], {"epoch": epoch, "value": value})
        return bool(decision != self._asha.STOP)

    def fill(self, number: int, reached: int, value: float) -> None:
        """Put a value on the first rung after the epochs reached."""
        following = [epoch for epoch in self.epochs if epoch > reached]
        if following:
            self.keep(number, following[0], value)


def _epochs(epochs: int, grace: float, reduction: float) -> tuple[int, ...]:
    """The epochs at which a bracket stops candidates; after the last epoch there is nothing to stop."""
    count = max(0, math.ceil(math.log(epochs / grace, reduction)) + 1)
    return tuple(at for k in range(count) if (at := math.ceil(grace * reduction**k)) < epochs)
