"""Single calls on the workers of the connected Ray, a bounded number at once; results come as they are ready."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ablations.cluster.resources import TrialResources
from ablations.errors import StudyError, first_line

RETRIES = 3
"""How often Ray calls a function again whose worker died."""
WAITING = 2
"""Calls that wait for each one that fits, so that no worker is idle between two of them."""


def run_tasks(
    function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], resources: TrialResources
) -> Iterator[tuple[int, Any]]:
    """Call a function once for each tuple of arguments.

    Where the caller stops before the end, calls go on until its Ray session ends. They are not cancelled: Ray aborts a
    driver if a call is cancelled while it begins.

    Args:
        function: A function of this project. Ray sends it by name.
        calls: Its arguments.
        resources: What one call needs.

    Yields:
        The place of a call in their order, and what it returned; or, as an exception, why it did not.
    """
    import ray

    options = {"num_cpus": resources.cpus, "num_gpus": resources.gpus, "max_retries": RETRIES}
    labels = {"label_selector": dict(resources.labels)} if resources.labels else {}
    remote = ray.remote(_attempt).options(**options, **labels)
    left, running = iter(enumerate(calls)), dict[Any, int]()
    at_once = WAITING * max(1, resources.fits())
    while True:
        while len(running) < at_once and (call := next(left, None)) is not None:
            running[remote.remote(function, call[1])] = call[0]
        if not running:
            return
        for reference in ray.wait(list(running))[0]:
            yield running.pop(reference), _result(reference)


def _attempt(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """What a call returns, or the error that it raises. Ray would print an error that nobody fetches."""
    try:
        return function(*arguments)
    except StudyError as error:
        return error
    except Exception as error:  # as text, since not every error can be sent
        return RuntimeError(f"{type(error).__name__}: {first_line(error)}")


def _result(reference: Any) -> Any:
    import ray

    try:
        return ray.get(reference)
    except Exception as error:  # the loss of its worker
        return error
