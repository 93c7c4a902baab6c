"""Values that no honest set of seeds gives: runs copied under other seeds, and single runs that collapsed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.stats.pairing import Pairs
from analysis.stats.types import Floats
from analysis.study.ledger import Ledger
from analysis.study.plan import Plan

LOSSES = ("test_loss", "val_loss")
"""Measured with all digits: two seeds that share one to the last bit are one run."""
FALSE_ALARM = 1e-4
"""Probability at which equal pairs of values are no longer called chance."""
FAR = 10.0
"""A seed has collapsed if it lies so many SDs of the other seeds on the worse side of their mean."""
COPIED = "identical values under different seeds"


@dataclass(frozen=True)
class Collapse:
    """A seed far on the worse side of all others of its arm.

    Attributes:
        arm: Label of the arm.
        seed: The seed.
        value: Its value, in the unit of the records.
        low: Smallest value of the other seeds.
        high: Largest value of the other seeds.
    """

    arm: str
    seed: int
    value: float
    low: float
    high: float


def copied(ledger: Ledger, arms: tuple[str, str], pairs: Pairs) -> str:
    """Why the seeds of two arms cannot be independent runs, or an empty text.

    Args:
        ledger: The records in use.
        arms: Labels of the treatment and of the baseline.
        pairs: Their values, paired by seed.
    """
    if len(pairs.keys) < 3:
        return ""
    same_loss = any(_repeats(ledger.values(arm, loss)) for arm in arms for loss in LOSSES)
    return COPIED if same_loss or _too_many_equal_pairs(pairs) else ""


def copied_unpaired(ours: Mapping[int, float], theirs: Mapping[int, float]) -> str:
    """Why the seeds of two unpaired arms cannot be independent runs, or an empty text.

    Args:
        ours: Values of the treatment by seed.
        theirs: Values of the baseline by seed.
    """
    return COPIED if _is_copied_alone(ours) or _is_copied_alone(theirs) else ""


def _is_copied_alone(values: Mapping[int, float]) -> bool:
    """Return True if the values of one arm, in the order of their seeds, are repetitions of a shorter list.

    Rounded values of one arm often agree, so a few equal ones prove nothing. That a whole list comes again needs as
    many agreements as it adds seeds, each with the probability of two rounded values.
    """
    x = np.array([values[seed] for seed in sorted(values)])
    if np.unique(x).size < 2:  # a method without chance
        return False
    lengths = [n for n in range(1, x.size // 2 + 1) if x.size % n == 0 and np.array_equal(x[n:], x[:-n])]
    return any(_chance(x[:n]) ** (x.size - n) < FALSE_ALARM for n in lengths if n > 1)


def _repeats(values: Mapping[int, float]) -> bool:
    return len(set(values.values())) < len(values)


def _too_many_equal_pairs(pairs: Pairs) -> bool:
    """Return True if more seeds share the values of both arms than rounding explains.

    Two normal values on a grid of step g agree with probability g / (2√π·SD). The step is at most the smallest gap
    between different values. The number of seeds that agree in both arms is about Poisson.
    """
    counts = Counter(zip(pairs.treatment.tolist(), pairs.baseline.tolist(), strict=True))
    equal = sum(n * (n - 1) // 2 for n in counts.values())
    if not equal:
        return False
    seeds = len(pairs.keys)
    expected = seeds * (seeds - 1) / 2 * _chance(pairs.treatment) * _chance(pairs.baseline)
    return bool(stats.poisson.sf(equal - 1, expected) < FALSE_ALARM)


def _chance(values: Floats) -> float:
    """Probability that two seeds agree by rounding."""
    different = np.unique(values)
    if different.size < 2:
        return 1.0
    step, sd = float(np.diff(different).min()), float(values.std(ddof=1))
    return min(1.0, step / (2 * math.sqrt(math.pi) * sd))


def collapsed_seeds(plan: Plan, ledger: Ledger, arm: str) -> tuple[Collapse, ...]:
    """The seeds of an arm that collapsed; none below four seeds."""
    return tuple(_collapsed(arm, ledger.values(arm, plan.metric), plan.better))


def _collapsed(arm: str, values: Mapping[int, float], better: int) -> Iterator[Collapse]:
    for seed, value in values.items():
        others = np.array([v for other, v in values.items() if other != seed])
        if others.size > 2 and better * (others.mean() - value) > FAR * max(others.std(ddof=1), 1e-9):
            yield Collapse(arm, seed, value, float(others.min()), float(others.max()))
