"""A replacement for the workers of a large cluster: an actor manager of Ray Tune whose actors only wait.

It has the methods of `RayActorManager` that the controller of `ray.tune` calls (add and remove actors, schedule tasks
on them, next event), so the real controller, callbacks, display and records get the load of many slots. No process is
started and no network is used: only the driver and the records are measured.
"""

from __future__ import annotations

import heapq
import itertools
import multiprocessing
import time
from collections.abc import Callable
from typing import Any

from ray.air.execution._internal import TrackedActor

from ablations.workers.spec import Report, SeedGroupSpec
from ablations.workers.trainable import REPORT, SPEC
from silhouette.results import Store

START_SECONDS = 3.0
"""Seconds until a new actor is ready, since it imports torch."""


class Fleet:
    """A simulated cluster, and counts of its reports and trials.

    Args:
        slots: Trials at once.
        seconds: Length of a trial.
        report_seconds: Time between two reports of a trial.
        records: Where their records go: to the process that writes in the workers' place.
    """

    def __init__(self, slots: int, seconds: float, report_seconds: float, records: multiprocessing.Queue[Any]) -> None:
        self.slots, self.seconds, self.report_seconds = slots, seconds, report_seconds
        self.records = records
        self.reports = self.ended = 0

    def manager(self, resource_manager: Any) -> SlotManager:
        """Return the manager that replaces `RayActorManager`."""
        return SlotManager(self)


class _NoMetrics:
    """A remote method that Tune calls for its own display."""

    @staticmethod
    def remote(**arguments: Any) -> dict[str, Any]:
        """Return no metrics."""
        return {}


class SlotActor:
    """An actor that runs one trial after another by waiting."""

    get_auto_filled_metrics = _NoMetrics()

    def __init__(self, fleet: Fleet, spec: SeedGroupSpec) -> None:
        self.fleet = fleet
        self.begin(spec)

    def begin(self, spec: SeedGroupSpec) -> None:
        """Take a trial."""
        self.spec, self.left = spec, self.fleet.seconds

    def step(self) -> tuple[float, dict[str, Any]]:
        """Return the seconds until the next report, and the report."""
        takes = min(self.left, self.fleet.report_seconds)
        self.left -= takes
        report = Report("running", {self.spec.id: []})
        if self.left <= 0:
            record = {"trial_id": self.spec.id, "status": "complete", "test_top1": 0.5, "epochs_reached": 30}
            report = Report("complete", records=[record])
        return takes, {"done": report.ended, REPORT: report, "trial_id": self.spec.id}


class SlotManager:
    """The methods of `RayActorManager` that the controller of Tune calls."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._due: list[tuple[float, int, TrackedActor, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._waiting: list[tuple[TrackedActor, SeedGroupSpec, Any]] = []
        self._resources: dict[TrackedActor, Any] = {}
        self._live_actors_to_ray_actors_resources: dict[TrackedActor, list[SlotActor]] = {}
        self._on_start: dict[TrackedActor, Callable[[TrackedActor], None]] = {}

    def next(self, timeout: float | None = None) -> bool:
        """Handle the next event; wait for it at most `timeout` seconds."""
        self._start_waiting()
        if not self._due:
            time.sleep(timeout or 0)
            return False
        wait = self._due[0][0] - time.monotonic()
        if wait > 0:
            time.sleep(wait if timeout is None else min(wait, timeout))
            if timeout is not None and wait > timeout:
                return False
        _, _, actor, event = heapq.heappop(self._due)
        if actor in self._resources:
            event()
        return True

    def add_actor(
        self, cls: Any, kwargs: Any, resource_request: Any, *, on_start: Any = None, on_stop: Any = None,
        on_error: Any = None,
    ) -> TrackedActor:  # fmt: skip
        """Queue an actor until a slot is free."""
        actor = TrackedActor(next(self._numbers), on_start=on_start, on_stop=on_stop, on_error=on_error)
        self._resources[actor] = resource_request
        self._on_start[actor] = on_start
        self._waiting.append((actor, kwargs["config"][SPEC], resource_request))
        return actor

    def remove_actor(self, tracked_actor: TrackedActor, kill: bool = False, stop_future: Any = None) -> bool:
        """Free the slot; return True if its actor had started."""
        alive = self._live_actors_to_ray_actors_resources.pop(tracked_actor, None) is not None
        self._resources.pop(tracked_actor, None)
        self._waiting = [entry for entry in self._waiting if entry[0] != tracked_actor]
        return alive

    def schedule_actor_task(
        self, tracked_actor: TrackedActor, method_name: str, args: Any = None, kwargs: Any = None,
        on_result: Any = None, on_error: Any = None, _return_future: bool = False,
    ) -> None:  # fmt: skip
        """Schedule the end of a task."""
        live = self._live_actors_to_ray_actors_resources.get(tracked_actor)
        if live is None:  # it is stopped before it has started
            return
        actor = live[0]
        if method_name == "train":
            takes, result = actor.step()
            self._at(takes, tracked_actor, lambda: self._reported(tracked_actor, result, on_result))
        elif method_name == "reset":
            actor.begin(args[0][SPEC])
            self._at(0, tracked_actor, lambda: on_result(tracked_actor, True))
        elif on_result is not None:
            self._at(0, tracked_actor, lambda: on_result(tracked_actor, None))

    def is_actor_started(self, tracked_actor: TrackedActor) -> bool:
        """Return True if the actor has a slot."""
        return tracked_actor in self._live_actors_to_ray_actors_resources

    def is_actor_failed(self, tracked_actor: TrackedActor) -> bool:
        """Return False: no actor fails."""
        return False

    def get_live_actors_resources(self) -> dict[str, float]:
        """Return the CPUs in use, for the display of Tune, which is off."""
        return {"CPU": float(self.num_live_actors)}

    def clear_actor_task_futures(self, tracked_actor: TrackedActor) -> None:
        """Drop the tasks of an actor."""
        self._due = [entry for entry in self._due if entry[2] != tracked_actor]
        heapq.heapify(self._due)

    def cleanup(self) -> None:
        """Drop all actors and tasks."""
        self._due, self._waiting = [], []
        self._resources.clear()
        self._live_actors_to_ray_actors_resources.clear()

    @property
    def num_live_actors(self) -> int:
        """Slots in use."""
        return len(self._live_actors_to_ray_actors_resources)

    @property
    def num_pending_actors(self) -> int:
        """Actors that wait for a slot."""
        return len(self._waiting)

    @property
    def num_total_actors(self) -> int:
        """Actors with a slot and actors that wait."""
        return len(self._resources)

    @property
    def num_actor_tasks(self) -> int:
        """Tasks under way."""
        return len(self._due)

    def _at(self, seconds: float, actor: TrackedActor, event: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), actor, event))

    def _start_waiting(self) -> None:
        while self._waiting and self.num_live_actors < self.fleet.slots:
            actor, spec, _ = self._waiting.pop(0)
            self._live_actors_to_ray_actors_resources[actor] = [SlotActor(self.fleet, spec)]
            self._at(START_SECONDS, actor, lambda actor=actor: self._on_start[actor](actor))  # type: ignore[misc]

    def _reported(self, actor: TrackedActor, result: dict[str, Any], on_result: Any) -> None:
        self.fleet.reports += 1
        if result["done"]:
            self.fleet.ended += 1
            self.fleet.records.put(result.pop("trial_id"))
        on_result(actor, {"training_iteration": 1, **{key: result[key] for key in ("done", REPORT)}})


def write_records(results: str, study: str, row: dict[str, Any], queue: multiprocessing.Queue[Any]) -> None:
    """Write a record for each trial_id from the queue, in place of the workers; None ends it."""
    store = Store(results, study)
    while (trial_id := queue.get()) is not None:
        store.write_record({**row, "trial_id": trial_id})
