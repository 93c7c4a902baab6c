"""Seeds until it is decided: what a study declares, and whether so many seeds can decide anything."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from ablations.design.arms import Arm
from ablations.design.families import Family
from ablations.design.seeds.rules import first_seeds
from ablations.errors import StudyError
from silhouette.config import draws_test_split

UNTIL_DECIDED = "decided"
"""Value of `stop` in a study that runs seeds until each comparison is decided."""


class Stopping(Protocol):
    """What of a study decides when it may stop; `ablations.design.study.Study` says what each field means."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def stop(self) -> str | None:
        """`decided`, or None."""
        ...

    @property
    def mixture(self) -> float:
        """Variance of the mixture."""
        ...

    @property
    def alpha(self) -> float:
        """Level of the tests."""
        ...

    @property
    def error_rate(self) -> str:
        """`study` or `block`."""
        ...

    @property
    def seeds(self) -> tuple[int, ...]:
        """As many as there may be."""
        ...

    @property
    def start_arms(self) -> tuple[Arm, ...]:
        """The arms before tuning."""
        ...

    def all_families(self) -> tuple[Family, ...]:
        """The declared comparisons."""
        ...


def up_to_the_maximum(values: Mapping[str, Any], default: Sequence[int]) -> dict[str, Any]:
    """The fields of a study, with as many seeds as `max_seeds` says; unchanged where it says nothing.

    Args:
        values: Fields as they are given, before they are checked.
        default: The seeds of a study that gives none.

    Raises:
        ValueError: If more seeds are given than `max_seeds` allows.
    """
    most, seeds = values.get("max_seeds"), values.get("seeds", default)
    listed = isinstance(seeds, range | list | tuple) and len(seeds) > 0 and all(isinstance(s, int) for s in seeds)
    if values.get("stop") != UNTIL_DECIDED or not listed or not isinstance(most, int) or isinstance(most, bool):
        return dict(values)  # what is wrong with them is said later
    if len(seeds) > most and "seeds" in values:
        raise ValueError(
            f"max_seeds: must be at least the number of seeds, {len(seeds)}; raise it or give fewer seeds, got {most}"
        )
    return {**values, "seeds": first_seeds(seeds, most, "max_seeds")}


def check_stop(stop: str | None, max_seeds: int | None, mixture: float, looks: Sequence[int]) -> None:
    """Check that the fields on stopping belong together.

    Raises:
        ValueError: One line for the first fault.
    """
    if stop is None and max_seeds is not None:
        raise ValueError(f"max_seeds: needs stop='decided'; with a fixed number of seeds set seeds, got {max_seeds}")
    if stop is None and mixture != 1.0:
        raise ValueError(f"mixture: needs stop='decided', got {mixture:g}")
    if stop is not None and looks:
        raise ValueError(f"looks: leave them out with stop='decided', which allows any number, got {list(looks)}")


def check_decidable(study: Stopping) -> None:
    """Check that the seeds of a study that stops when it is decided can decide something, in every arm.

    Raises:
        StudyError: One line for the first fault.
    """
    if study.stop is None:
        return
    families = study.all_families()
    if not families:
        raise StudyError(f"stop: {study.name} compares nothing, so nothing can be decided; leave stop out")
    compared = {label for family in families for label in (family.baseline, *family.treatments)}
    alone = next((arm.label for arm in study.start_arms if arm.label not in compared), None)
    if alone is not None:
        raise StudyError(f"stop: nothing decides how many seeds an arm needs that no family compares, got {alone!r}")
    moving = next((arm.label for arm in study.start_arms if draws_test_split(arm.config)), None)
    if moving is not None:
        raise StudyError(
            f"stop: each seed of arm {moving!r} draws a test split of its own, so no number of seeds decides anything; "
            "set another vary, or leave stop out"
        )
    together, least = corrected_together(study), first_to_decide(study)
    if len(study.seeds) < least:
        raise StudyError(
            f"max_seeds: the first of {together} comparisons can be decided by {least} seeds, so it must be at least "
            f"{least}, got {len(study.seeds)}"
            if together > 1
            else f"max_seeds: a comparison can be decided by {least} seeds or more, got {len(study.seeds)}"
        )


def first_to_decide(study: Stopping) -> int:
    """Fewest seeds that can decide a comparison of a study, however large the difference is."""
    return first_deciding(corrected_together(study), study.alpha, study.mixture)


def corrected_together(study: Stopping) -> int:
    """The largest number of comparisons that share one correction; at least 1."""
    block_of = {arm.label: arm.block if study.error_rate == "block" else "" for arm in study.start_arms}
    sizes: Counter[tuple[str, str]] = Counter()
    for family in study.all_families():
        sizes[family.role, block_of[family.baseline]] += len(family.treatments)
    return max(sizes.values(), default=1)


def first_deciding(m: int, alpha: float, mixture: float) -> int:
    """Fewest seeds after which the confidence sequence of one of m comparisons is finite.

    `analysis.stats.anytime.first_deciding` says the same; no study may depend on that package.

    >>> [first_deciding(m, 0.05, 1.0) for m in (1, 3, 10)]
    [5, 6, 7]
    """
    return next(
        n
        for n in itertools.count(2)
        if (math.log1p(n * mixture) - 2 * math.log(alpha / m)) / n < math.log1p(n * mixture)
    )


def same_order(stored: Sequence[int], new: Sequence[int]) -> bool:
    """Return True if one list of seeds begins with the other: their order decides which of them count.

    >>> same_order([0, 1], [0, 1, 2]), same_order([1, 0], [0, 1, 2])
    (True, False)
    """
    return all(a == b for a, b in zip(stored, new, strict=False))


def stop_settings(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a study that a stored plan fixes, if it stops when it is decided; none otherwise."""
    if stored.get("stop") != UNTIL_DECIDED:
        return {}
    seeds = tuple(stored["seeds"])
    return {"stop": UNTIL_DECIDED, "mixture": stored.get("mixture", 1.0), "seeds": seeds, "max_seeds": len(seeds)}


def described_stop(study: Stopping) -> dict[str, Any]:
    """What the plan says of stopping; nothing for a fixed number of seeds, so that older plans keep their hash."""
    return {"stop": study.stop, "mixture": study.mixture} if study.stop else {}


def changed_stop(
    study: Stopping, *, until_decided: bool, max_seeds: int | None, seeds: int | None
) -> Iterator[tuple[str, Any]]:
    """Fields that `--until-decided` and `--max-seeds` set.

    Args:
        study: The study as its file defines it.
        until_decided: Whether the first was given.
        max_seeds: Value of the second; None if it was not given.
        seeds: Value of `--seeds`; None if it was not given.

    Raises:
        StudyError: If an option does not fit the study or another option.
    """
    decided = until_decided or study.stop is not None
    if max_seeds is not None and not decided:
        raise StudyError(f"--max-seeds: needs --until-decided, or stop='decided' in the study, got {max_seeds}")
    if seeds is not None and decided:
        raise StudyError(f"--seeds: fixes their number; with --until-decided give --max-seeds instead, got {seeds}")
    if until_decided:
        yield "stop", UNTIL_DECIDED
    if max_seeds is not None:
        yield "max_seeds", max_seeds
        yield "seeds", first_seeds(study.seeds, max_seeds, "--max-seeds")
