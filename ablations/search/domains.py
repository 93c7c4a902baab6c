"""The domains of `search_spaces` as Ray Tune writes them."""

from __future__ import annotations

from typing import Any

from search_spaces import Choice, Interval


def to_ray(domain: Interval | Choice) -> Any:
    """The Ray Tune domain of a factor: `loguniform`, `uniform`, `lograndint`, `randint` or `choice`."""
    from ray import tune

    if isinstance(domain, Choice):
        return tune.choice(list(domain.values))
    if domain.integer:
        draw = tune.lograndint if domain.log else tune.randint
        return draw(int(domain.low), int(domain.high) + 1)  # Ray leaves the upper end out
    return (tune.loguniform if domain.log else tune.uniform)(domain.low, domain.high)
