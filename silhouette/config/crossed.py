"""What the seed of a trial moves: everything, one source of chance, or several that are crossed with each other."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator

Alone = Literal["all", "init", "order", "augment", "split", "class_order", "subset", "all_and_test_split"]
SOURCES = ("split", "class_order", "subset", "init", "order", "augment")
"""Sources of chance in a trial.

Dropout and the positives that `kcl` and `tsc` draw belong to the order of the batches, label noise to the subset.
"""
NEW_TEST_SPLITS = "all_and_test_split"
"""The value of `vary` under which each seed also draws test samples of its own."""
LEVELS = 100
"""Levels that a crossed source can have: two decimal digits of the seed belong to each source."""
MAX_CROSSED = 4
"""Sources that can be crossed: eight digits are below the largest seed."""


def crossed_sources(vary: str) -> tuple[str, ...]:
    """Return the sources that a value of `vary` crosses; none where it names no product.

    >>> crossed_sources("init*order"), crossed_sources("init")
    (('init', 'order'), ())
    """
    return tuple(vary.split("*")) if "*" in vary else ()


def levels_of(seed: int, sources: int) -> tuple[int, ...]:
    """Return the level of each crossed source under a seed: two decimal digits each, the last source last.

    >>> levels_of(304, 2), levels_of(10203, 3)
    ((3, 4), (1, 2, 3))
    """
    return tuple(seed // LEVELS**place % LEVELS for place in reversed(range(sources)))


def crossed(*levels: int) -> tuple[int, ...]:
    """Return the seeds of a complete crossed design, for a study with `vary="init*order"` or the like.

    Args:
        levels: Number of levels of each source, in the order in which `vary` names them; 2 to 100 each.

    Raises:
        ValueError: If a source has fewer than 2 or more than 100 levels, or there are fewer than 2 or more than 4.

    >>> crossed(2, 3)
    (0, 1, 2, 100, 101, 102)
    """
    if not 2 <= len(levels) <= MAX_CROSSED:
        raise ValueError(f"crossed: takes the levels of 2 to {MAX_CROSSED} sources, got {len(levels)}")
    for number in levels:
        if not 2 <= number <= LEVELS:
            raise ValueError(f"crossed: each source has 2 to {LEVELS} levels, got {number}")
    places = (range(number) for number in levels)
    return tuple(int("".join(f"{level:02d}" for level in combination)) for combination in itertools.product(*places))


def check_vary(vary: str) -> str:
    """Return `vary` if it is one source, all of them, or a product of 2 to 4 different ones.

    Raises:
        ValueError: If it is none of these.
    """
    if vary in get_args(Alone):
        return vary
    sources = crossed_sources(vary)
    if 2 <= len(sources) <= MAX_CROSSED and len(set(sources) & set(SOURCES)) == len(sources):
        return vary
    alone, products = ", ".join(get_args(Alone)), ", ".join(SOURCES)
    known = f"must be one of {alone}, or 2 to {MAX_CROSSED} of {products} joined by * (init*order)"
    raise ValueError(f"vary: {known}, got {vary!r}")


Vary = Annotated[str, AfterValidator(check_vary)]


def source_seeds(vary: str, seed: int) -> dict[str, int]:
    """Return the seed of each source of chance; 0 where the trial's seed does not move it.

    >>> source_seeds("init*order", 304)["order"], source_seeds("init", 304)["init"]
    (4, 304)
    """
    sources = crossed_sources(vary)
    if sources:
        own = dict(zip(sources, levels_of(seed, len(sources)), strict=True))
        return {source: own.get(source, 0) for source in SOURCES}
    return {source: seed if vary in ("all", NEW_TEST_SPLITS, source) else 0 for source in SOURCES}
