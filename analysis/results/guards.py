"""Values that no honest set of seeds gives: runs copied under other seeds, and single runs that collapsed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.stats.pairing import Pairs, pair
from analysis.stats.types import Floats
from analysis.study.ledger import Ledger
from analysis.study.plan import Plan

LOSSES = ("test_loss", "val_loss")
"""Measured with all digits: two seeds that share one to the last bit are one run."""
FALSE_ALARM = 1e-4
"""Probability at which repeated values are no longer called chance."""
LIMITS = (0.0, 1.0, 100.0)
"""Ends of the usual scales: many honest runs may have these values."""
FAR = 10.0
"""A seed has collapsed if it lies so many SDs of the seeds that have not on the worse side of their mean."""
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
    same_loss = any(_has_repeats(ledger.values(arm, loss)) for arm in arms for loss in LOSSES)
    alone = _is_copied_alone(pairs.treatment) or _is_copied_alone(pairs.baseline)
    return COPIED if same_loss or alone or _is_copied_in_pairs(pairs) else ""


def refusal_of_copies(plan: Plan, ledger: Ledger, arms: Sequence[str]) -> str:
    """Why some arms, each compared with the first, cannot be independent runs; or an empty text."""
    first, *rest = (ledger.values(arm, plan.metric) for arm in arms)
    for label, values in zip(arms[1:], rest, strict=True):
        found = (
            copied_unpaired(values, first) if plan.unpaired else copied(ledger, (label, arms[0]), pair(values, first))
        )
        if found:
            return found
    return ""


def copied_unpaired(ours: Mapping[int, float], theirs: Mapping[int, float]) -> str:
    """Why the seeds of two unpaired arms cannot be independent runs, or an empty text.

    Args:
        ours: Values of the treatment by seed.
        theirs: Values of the baseline by seed.
    """
    arms = [np.array([arm[seed] for seed in sorted(arm)]) for arm in (ours, theirs)]
    return COPIED if any(_is_copied_alone(values) for values in arms) else ""


def _has_repeats(values: Mapping[int, float]) -> bool:
    return len(set(values.values())) < len(values)


def _is_copied_alone(values: Floats) -> bool:
    """Return True if one arm repeats more values than rounding explains, or a whole list of them in its order."""
    inside = values[_informative(values)]
    n, different = inside.size, np.unique(inside).size
    if different < 2 or different == n:  # a method without chance, or nothing to explain
        return False
    chance = _chance(inside, _grid(inside))
    return _is_unlikely(n - different, n, chance) or any(
        chance**added < FALSE_ALARM for added in _added_by_lists(inside)
    )


def _informative(values: Floats) -> NDArray[np.bool_]:
    """Mask of the values of which repetitions count: not the ends of a scale, nor one value of several collapsed runs.

    Runs that predict one class alone all have the same accuracy, without being copies. Such a value lies far from all
    others; more than half of these must differ, or nothing tells a collapse from a copy.
    """
    counts = ~np.isin(values, LIMITS)
    for extreme in (values.min(initial=math.inf), values.max(initial=-math.inf)):
        others = values[values != extreme]
        if np.unique(others).size > max(1, others.size / 2) and abs(others.mean() - extreme) > FAR * others.std(ddof=1):
            counts &= values != extreme
    return counts


def _added_by_lists(values: Floats) -> Iterator[int]:
    """How many seeds are added, for each shorter list whose repetitions are all the values, in the order of seeds.

    Each of them agrees with one given value, so the probability is a product.
    """
    for length in range(2, values.size // 2 + 1):
        if values.size % length == 0 and np.array_equal(values[length:], values[:-length]):
            yield values.size - length


def _is_copied_in_pairs(pairs: Pairs) -> bool:
    """Return True if more seeds repeat the values of both arms than rounding explains.

    Arms share what a seed adds to both. So the second value is judged by its difference from the first.
    """
    inside = _informative(pairs.treatment) & _informative(pairs.baseline)
    ours, base = pairs.treatment[inside], pairs.baseline[inside]
    n, different = ours.size, len(set(zip(ours.tolist(), base.tolist(), strict=True)))
    if different < 2 or different == n:
        return False
    grids = _grid(ours), _grid(base)
    gaps = np.rint((ours - base) / min(grids))
    often = Counter(gaps.tolist()).most_common(1)[0][1] / n
    chance = _chance(base, grids[1]) * max(often, _chance(gaps * min(grids), max(grids)))
    return _is_unlikely(n - different, n, chance)


def _is_unlikely(repeats: int, n: int, chance: float) -> bool:
    """Return True if chance hardly ever gives so many repeats.

    Seed i repeats one of at most i earlier values, each with probability `chance` or less, whatever came before.
    So the number of repeats is at most a sum of independent events with probabilities i · chance.
    """
    distribution = np.ones(1)
    for i in range(n):
        q = min(1.0, i * chance)
        distribution = np.convolve(distribution, [1 - q, q])
    return bool(distribution[repeats:].sum() < FALSE_ALARM)


def _chance(values: Floats, grid: float) -> float:
    """Probability of the most frequent value, if normal values with the spread of these are rounded to a grid."""
    spread = min((s for s in (float(values.std(ddof=1)), _median_spread(values)) if s > 0), default=0.0)
    return min(1.0, grid / (math.sqrt(2 * math.pi) * spread)) if spread else 1.0


def _median_spread(values: Floats) -> float:
    """SD of normal values with this median absolute deviation: a single outlier hardly moves it."""
    return float(stats.median_abs_deviation(values, scale="normal"))


def _grid(values: Floats) -> float:
    """Largest step of which all values are multiples: 0.01 for two decimals, 1/450 for accuracies of 450 samples."""
    last_digits = 1e-7 if np.array_equal(values, values.astype(np.float32)) else 1e-9
    steps = _steps_in_one()
    for value in np.unique(np.abs(values)):
        multiple = value * steps
        steps = steps[np.abs(multiple - np.rint(multiple)) <= last_digits * (1 + multiple)]
    return 1 / float(steps[0]) if steps.size else last_digits * float(np.abs(values).max())


@lru_cache(maxsize=1)
def _steps_in_one() -> Floats:
    """Grids that are looked for, as steps in 1: shares and percentages of at most 100,000 samples, and decimals."""
    samples = np.arange(1.0, 100_001)
    return np.unique(np.concatenate([samples / 100, samples, 10.0 ** np.arange(6, 10)]))


def collapsed_seeds(plan: Plan, ledger: Ledger, arm: str) -> tuple[Collapse, ...]:
    """The seeds of an arm that collapsed; none below four seeds."""
    return tuple(_collapsed(arm, ledger.values(arm, plan.metric), plan.better))


def _collapsed(arm: str, values: Mapping[int, float], better: int) -> Iterator[Collapse]:
    """The worst seeds, up to a third of all, if each lies far from the others; two of them cannot hide each other.

    Runs that all end at one value, such as the accuracy of a guess, may be more than a third.
    """
    worst = sorted(values, key=lambda seed: better * values[seed])
    alike = sum(values[seed] == values[worst[0]] for seed in worst)
    for found in range(max(1, alike, len(worst) // 3), 0, -1):
        others = np.array([values[seed] for seed in worst[found:]])
        if others.size < 3:
            continue
        nearest = better * (others.mean() - values[worst[found - 1]])
        if nearest > FAR * max(others.std(ddof=1), 1e-9):
            low, high = float(others.min()), float(others.max())
            yield from (Collapse(arm, seed, values[seed], low, high) for seed in sorted(worst[:found]))
            return
