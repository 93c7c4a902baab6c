"""Seeds of crossed sources of chance: a study that crosses them needs every combination of their levels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from ablations.design.arms import Arm
from ablations.errors import StudyError
from silhouette.config import LEVELS, crossed_sources, levels_of


def check_crossed(arms: Iterable[Arm], seeds: Sequence[int], others: Mapping[str, object]) -> None:
    """Check the seeds of a study whose arms cross sources of chance.

    Args:
        arms: The arms; `vary` of their config says what they cross.
        seeds: The seeds of the study.
        others: Fields of the study that need independent seeds; an empty one is not set.

    Raises:
        StudyError: One line for the first arm whose sources are not crossed completely.
    """
    for arm in arms:
        vary = getattr(arm.config, "vary", None)
        sources = crossed_sources(vary) if isinstance(vary, str) else ()
        clash = next((name for name, value in others.items() if value), None) if sources else None
        if clash is not None:
            raise StudyError(f"{clash}: needs independent seeds, but vary={vary} crosses sources; leave {clash} out")
        if sources and not _complete(seeds, len(sources)):
            example = ", ".join(["5"] * len(sources))
            raise StudyError(
                f"seeds: vary={vary} needs every combination of 2 or more levels of each source, as "
                f"seeds=crossed({example}) gives them, got {len(seeds)} seeds ({_shown(seeds)})"
            )


def _complete(seeds: Sequence[int], sources: int) -> bool:
    """Whether the seeds are a whole product of at least two levels of each source."""
    found = [levels_of(seed, sources) for seed in seeds]
    numbers = [len(set(levels)) for levels in zip(*found, strict=True)]
    return min(numbers) > 1 and math.prod(numbers) == len(set(found)) == len(seeds) and max(seeds) < LEVELS**sources


def _shown(seeds: Sequence[int]) -> str:
    first = ", ".join(map(str, seeds[:4]))
    return f"{first}, …" if len(seeds) > 4 else first
