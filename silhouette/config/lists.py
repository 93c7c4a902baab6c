"""Fields of a config that are lists; they are read from a text too, as `160,180`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from silhouette.registry import check_measured


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


Measured = Annotated[tuple[str, ...], BeforeValidator(split_text), AfterValidator(check_measured)]
"""`geometry`, and metric functions of a person's own, that a trial measures after its last epoch."""
