"""Choices of a search that can never be proposed: what `ablate plan`, `ablate run` and `study.json` say of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from silhouette.formatting import show_level

if TYPE_CHECKING:
    from ablations.design.study import Study


def never_proposed(study: Study) -> list[dict[str, Any]]:
    """Return `name`, `value`, `arms` and `reason` of each choice that no candidate of these arms can have."""
    found: dict[tuple[str, Any, str], list[str]] = {}
    for arm in study.start_arms if study.tuning else ():
        for (name, value), reason in study.space(arm).never.items():
            found.setdefault((name, value, reason), []).append(arm.label)
    return [{"name": n, "value": v, "arms": arms, "reason": reason} for (n, v, reason), arms in found.items()]


def never_lines(study: Study) -> Iterator[str]:
    """Yield one line for each choice that is never proposed."""
    for one in never_proposed(study):
        arms = ", ".join(one["arms"])
        yield f"note: {one['name']}={show_level(one['value'])} is never proposed in {arms}: {one['reason']}"
