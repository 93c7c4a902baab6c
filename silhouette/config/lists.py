"""Fields of a config that are lists; they are read from a text too, as `160,180`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from silhouette.registry.loading import is_own


def split_text(value: Any) -> Any:
    """Return the words of a text, which commas or blanks separate, as a list; any other value as it is.

    >>> split_text("160,180"), split_text((160, 180))
    (['160', '180'], (160, 180))
    """
    return value.replace(",", " ").split() if isinstance(value, str) else value


def check_milestones(epochs: tuple[int, ...]) -> tuple[int, ...]:
    """Return the milestones of a learning rate.

    Raises:
        ValueError: If they are not rising numbers of epochs from 1 on.
    """
    if not epochs or epochs[0] < 1 or list(epochs) != sorted(set(epochs)):
        raise ValueError(f"milestones: must be one or more rising numbers of epochs from 1 on, got {list(epochs)}")
    return epochs


Milestones = Annotated[tuple[int, ...], BeforeValidator(split_text), AfterValidator(check_milestones)]
"""Epochs after which the learning rate falls."""


def each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values without doubles, in their order.

    >>> each_once(("geometry", "geometry"))
    ('geometry',)
    """
    return tuple(dict.fromkeys(values))


def check_measured(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of what a trial measures after its last epoch, without doubles.

    Raises:
        ValueError: If one is neither `geometry` nor `module:function`, or two functions have one name.

    >>> check_measured(("geometry", "mypkg.metrics:nc1", "geometry"))
    ('geometry', 'mypkg.metrics:nc1')
    """
    found = each_once(names)
    for name in found:
        if name != "geometry" and not is_own(name):
            raise ValueError(f"metrics: must be 'geometry' or module:function of your own, got {name!r}")
    own = [name.rpartition(":")[2] for name in found if ":" in name]
    twice = next((name for name in own if own.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"metrics: functions must have different names after the colon, got {twice!r} twice")
    return found


Measured = Annotated[tuple[str, ...], BeforeValidator(split_text), AfterValidator(check_measured)]
"""`geometry`, and metric functions of a person's own, that a trial measures after its last epoch."""
