"""How Tune gets its trials, one message at a time whenever there is room for one, and in which order they begin."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

if TYPE_CHECKING:
    from ray.tune.experiment import Trial as TuneTrial


class Feed(Searcher):  # type: ignore[misc]  # Ray ships no types
    """A search algorithm to Tune; who decides what is next stands behind it.

    A trial is asked for when it can begin, not before: what ended meanwhile is then known to the answer. A grid of
    messages as Tune's `grid_search` would be copied whole for every one of them.

    Args:
        key: The message's name in a trial's config.
        next_message: The next message; None where there are no more.
        room: How many may be under way at once; None leaves it to Tune, which keeps some waiting for a place.
    """

    def __init__(self, key: str, next_message: Callable[[], str | None], room: Callable[[], int] | None = None) -> None:
        super().__init__()
        self.key, self.next_message, self.room = key, next_message, room
        self.live: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its parts for a restore, which we do not use."""
        return {}

    def set_search_properties(self, metric: str | None, mode: str | None, config: Any, **spec: Any) -> bool:
        """Nothing to set."""
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial, None while there is no room, or the word that there are no more."""
        if self.room is not None and len(self.live) >= self.room():
            return None
        message = self.next_message()
        if message is None:
            return str(self.FINISHED)
        self.live.add(trial_id)
        return {self.key: message}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Make room."""
        self.live.discard(trial_id)

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: the records are the state."""


class FirstCome(FIFOScheduler):  # type: ignore[misc]  # Ray ships no types
    """First come, first served, and asked in constant time.

    Tune's own looks through every trial that there ever was for one that waits, several times a report.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waiting: deque[TuneTrial] = deque()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its parts for a restore, which we do not use."""
        return {}

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Called when a trial is new, and when it must begin again after its worker died."""
        self.waiting.append(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:
        """The one that waits longest."""
        while self.waiting and self.waiting[0].status != "PENDING":
            self.waiting.popleft()
        return self.waiting[0] if self.waiting else None
