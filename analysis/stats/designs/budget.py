"""What a budget buys: how many seeds on how many data sets, and what each choice can show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from scipy import integrate, optimize, special, stats

from analysis.stats.power import detectable, detectable_shift

BOUND = 0.8
"""Coverage of the one-sided interval of the SD whose upper end is planned with: half of all estimates are too small."""
MIN_SEEDS = 3


@dataclass(frozen=True)
class Purchase:
    """One way to spend a budget: the same number of seeds for every arm on every data set.

    Attributes:
        datasets: Number of data sets.
        seeds: Seeds of each arm on each data set.
        cost: What all runs cost, in the unit of the budget.
        detectable: Difference on one data set that is found with 80 % power, at the level over all its comparisons.
        detectable_average: The same for the average over the data sets, at the level over the treatments.
        equivalence: Smallest margin within which two equal methods are called equivalent on one data set, with 80 %
            power, at the same level.
    """

    datasets: int
    seeds: int
    cost: float
    detectable: float
    detectable_average: float
    equivalence: float


def sd_upper(sd: float, df: int, coverage: float = BOUND) -> float:
    """Upper bound of an SD with df degrees of freedom (normal values).

    >>> round(sd_upper(1.0, 2), 2), round(sd_upper(1.0, 9), 2)
    (2.12, 1.29)
    """
    return sd * math.sqrt(df / float(stats.chi2.isf(coverage, df)))


def purchases(
    budget: float,
    cost: float,
    sd: float,
    *,
    treatments: int,
    most_datasets: int,
    alpha: float = 0.05,
    power: float = 0.8,
    together: bool = True,
    overlap: float = 0.0,
) -> tuple[Purchase, ...]:  # fmt: skip
    """Every number of data sets that the budget allows with three seeds or more, each with as many seeds as fit.

    Whole seed blocks only: a seed is run by all arms on all data sets, or not at all.

    Args:
        budget: What may be spent, for example in GPU-hours.
        cost: Of one run, in the same unit (> 0).
        sd: SD of the paired differences; give the upper bound (`sd_upper`) where it was estimated.
        treatments: Arms compared with the baseline on each data set.
        most_datasets: Data sets that there are.
        alpha: Level of the family over all treatments and data sets.
        power: Probability with which a difference is to be found.
        together: Whether all data sets share one level; else each has one of its own.
        overlap: Test samples over training samples where every seed draws its own test samples, else 0: the variance of
            a mean over n seeds is then 1/n and this times that of one (Nadeau and Bengio, 2003).
    """
    found = []
    for d in range(1, most_datasets + 1):
        block = cost * (treatments + 1) * d
        seeds = math.floor(budget / block * (1 + 1e-12))
        if seeds >= MIN_SEEDS:
            own = sd * math.sqrt(1 + seeds * overlap)
            level = alpha * (1 if together else d)
            found.append(_purchase(d, seeds, seeds * block, own, treatments, (level, alpha), power))
    return tuple(found)


def _purchase(
    d: int, n: int, cost: float, sd: float, treatments: int, alphas: tuple[float, float], power: float
) -> Purchase:
    each, over = alphas[0] / (treatments * d), alphas[1] / treatments
    average = detectable_shift((n - 1) * d, over, power) * sd / math.sqrt(n * d)
    return Purchase(
        d, n, cost, detectable(n, each, power) * sd, average, equivalence_margin(n, each, power) * sd
    )  # fmt: skip


@lru_cache(maxsize=4096)
def equivalence_margin(n: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest margin, in SDs of the differences, at which n pairs of equal methods pass two one-sided tests.

    >>> round(equivalence_margin(10), 2)
    1.0
    """
    return float(optimize.brentq(lambda m: equivalence_power(m, n, alpha) - power, 1e-6, 1e4, xtol=1e-8))


def equivalence_power(margin: float, n: int, alpha: float = 0.05) -> float:
    """Power of two one-sided t-tests for two equal methods: P(|mean| < margin - t · SE), over the SD's distribution.

    Source: D. J. Schuirmann, A comparison of the two one-sided tests procedure, 1987.

    Args:
        margin: In SDs of the differences.
        n: Pairs, 2 or more.
        alpha: Level of each one-sided test.
    """
    cut, df = float(stats.t.isf(alpha, n - 1)), n - 1

    def given(chance: float) -> float:
        s = math.sqrt(special.chdtri(df, chance) / df)
        return max(0.0, 1 - 2 * float(special.ndtr(-(margin * math.sqrt(n) - cut * s))))

    largest = (margin * math.sqrt(n) / cut) ** 2 * df  # a larger chi-square never passes
    least = float(special.chdtrc(df, largest))
    return float(integrate.quad(given, least, 1.0, epsabs=1e-10, limit=200)[0])


def best_purchase(found: Sequence[Purchase], effect: float) -> Purchase | None:
    """The purchase with the most data sets whose every comparison can still show the effect; None if there is none.

    >>> best_purchase(purchases(100, 1, 0.3, treatments=1, most_datasets=4), 0.5).datasets
    4
    """
    able = [one for one in found if one.detectable <= effect]
    return max(able, key=lambda one: one.datasets, default=None)
