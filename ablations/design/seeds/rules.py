"""Rules on the seeds of a study and on the looks at them."""

from __future__ import annotations

from collections.abc import Sequence

from ablations.errors import StudyError
from silhouette.config import MAX_SEED

MIN_SEEDS = 3
"""With fewer seeds a report gives no verdict."""
MAX_COUNT = 10_000


def check_seeds(seeds: Sequence[int]) -> None:
    """Check that there are seeds, each once and in the range of a seed.

    Raises:
        ValueError: One line for the first fault.
    """
    if not seeds:
        raise ValueError("seeds: must be at least one, got none")
    for seed in seeds:
        if not 0 <= seed <= MAX_SEED:
            raise ValueError(f"seeds: must be integers from 0 to {MAX_SEED}, got {seed}")
    if len(set(seeds)) < len(seeds):
        twice = next(seed for seed in seeds if list(seeds).count(seed) > 1)
        raise ValueError(f"seeds: must be different, got {twice} twice")


def check_looks(looks: Sequence[int], seeds: Sequence[int]) -> None:
    """Check declared looks: rising numbers of seeds, one of them the number of all seeds.

    Raises:
        ValueError: One line for the first fault.
    """
    rising = list(looks) == sorted(set(looks))
    if looks and (len(looks) < 2 or not rising or looks[0] < MIN_SEEDS):
        raise ValueError(
            f"looks: must be at least two rising numbers of seeds, from {MIN_SEEDS} on (fewer give no verdict), "
            f"got {list(looks)}"
        )
    if looks and len(seeds) not in looks:
        raise ValueError(f"seeds: their number must be one of looks {list(looks)}, got {len(seeds)}")


def first_seeds(own: Sequence[int], count: int, option: str = "--seeds") -> tuple[int, ...]:
    """The first seeds of a study, and after them the integers that follow the largest.

    Args:
        own: The seeds of the study.
        count: How many are wanted, from 1 to 10,000.
        option: What asks for them, for the message.

    Raises:
        StudyError: If the number is out of range.

    >>> first_seeds((7, 3), 4)
    (7, 3, 8, 9)
    """
    if not 1 <= count <= MAX_COUNT:
        raise StudyError(f"{option}: must be from 1 to {MAX_COUNT}, got {count}")
    start = max(own) + 1
    return (*own, *range(start, start + count))[:count]
