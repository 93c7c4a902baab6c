"""Paired differences that may be looked at after every seed: e-values, p-values and confidence sequences.

The right Haar mixture t-martingale of H. Wang and A. Ramdas, Anytime-valid t-tests and confidence sequences for
Gaussian means with unknown variance, 2023. Under normal differences of mean 0 and any SD the e-value exceeds 1/α at
some n, of all n, with probability at most α. So 1/e is a p-value at any number of seeds, whoever chose that number and
why. It depends on t and n only, so the unit of the metric does not matter.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analysis.stats.description import ROUNDING
from analysis.stats.multiplicity import adjust, step_levels
from analysis.stats.types import Floats, Interval, as_floats

MIXTURE = 1.0
"""Variance of the mixture over standardised differences: with 1 it looks for differences of about one SD."""
METHOD = "t-mixture confidence sequence"
DIFFERENT, EQUIVALENT = "different", "equivalent"
"""What can be decided about a comparison."""


@dataclass(frozen=True)
class Anytime:
    """Paired differences after 1, 2, …, N seeds; every array has the shape (N,).

    Attributes:
        mean: Mean difference of the first n seeds.
        error: Its standard error; 0 where these differences have no spread, so nothing is said there.
        p: Smallest 1/e so far, at most 1: the p-value of "no difference".
        p_at: The n of that smallest value; 0 where there is none yet.
        p_equivalence: Smallest p so far of "a difference of the margin or more"; None without a margin.
        equivalence_at: The n of that smallest value; None without a margin.
        mixture: The variance g of the mixture.
    """

    mean: Floats
    error: Floats
    p: Floats
    p_at: np.ndarray
    p_equivalence: Floats | None
    equivalence_at: np.ndarray | None
    mixture: float

    def interval(self, n: int, level: float) -> Interval | None:
        """The interval after n seeds, in the unit of the differences; all n together cover with this level.

        None where n seeds cannot give one at this level, or have no spread.
        """
        half = half_width(n, 1 - level, self.mixture) * float(self.error[n - 1])
        center = float(self.mean[n - 1])
        return Interval(center, center - half, center + half, level, METHOD) if 0 < half < math.inf else None


def log_e_value(t: Floats, n: Floats, mixture: float = MIXTURE) -> Floats:
    """Logarithm of the e-value of a t statistic of n pairs; 0 for one pair.

    >>> log_e_value(np.array([0.0, 4.0]), np.array([10.0, 10.0])).round(3).tolist()
    [-1.199, 3.16]
    """
    df, grown = np.maximum(n - 1, 1.0), 1 + n * mixture
    gain = np.log1p(t**2 / df) - np.log1p(t**2 / (df * grown))
    return np.asarray(np.where(n > 1, n / 2 * gain - np.log(grown) / 2, 0.0))


@lru_cache(maxsize=4096)
def half_width(n: int, alpha: float, mixture: float = MIXTURE) -> float:
    """Half-width of the confidence sequence after n pairs, in standard errors; infinite where n is too small.

    >>> round(half_width(10, 0.05), 2), half_width(3, 0.05)
    (3.87, inf)
    """
    grown = 1 + n * mixture
    ratio = math.exp((math.log(grown) - 2 * math.log(alpha)) / n)
    if n < 2 or ratio >= grown:
        return math.inf
    return math.sqrt((n - 1) * (ratio - 1) / (1 - ratio / grown))


def first_deciding(m: int = 1, alpha: float = 0.05, mixture: float = MIXTURE) -> int:
    """Fewest seeds that can decide one of m comparisons, however large its difference is.

    >>> [first_deciding(m) for m in (1, 3, 10)]
    [5, 6, 7]
    """
    return next(n for n in itertools.count(2) if half_width(n, alpha / m, mixture) < math.inf)


def anytime(differences: Floats, margin: float | None = None, mixture: float = MIXTURE) -> Anytime:
    """Follow the differences seed by seed, in the order given.

    Args:
        differences: Treatment minus baseline in the planned order of the seeds, shape (N,), N >= 1.
        margin: Declared smallest difference that matters (> 0), for equivalence.
        mixture: Variance g of the mixture over standardised differences (> 0), fixed before the first seed.
    """
    d = as_floats(differences)
    n = np.arange(1.0, d.size + 1)
    mean, error = _running(d, n)
    p, p_at = _smallest(_p_of(mean, error, n, mixture))
    same, same_at = None, None
    if margin is not None:
        sides = [_p_of(mean - side, error, n, mixture) for side in (-margin, margin)]
        same, same_at = _smallest(np.where(np.abs(mean) < margin, np.maximum(*sides), 1.0))
    return Anytime(mean, error, p, p_at, same, same_at, mixture)


def _running(d: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Mean and standard error of the first n values; an error of 0 where their spread is rounding alone."""
    shifted = d - d[0]
    mean = np.cumsum(shifted) / n
    squares = np.maximum(np.cumsum(shifted**2) - n * mean**2, 0.0)
    spread = np.maximum.accumulate(d) - np.minimum.accumulate(d)
    flat = spread <= ROUNDING * np.maximum(np.maximum.accumulate(np.abs(d)), 1e-300)
    error = np.sqrt(squares / np.maximum(n - 1, 1) / n)
    return mean + d[0], np.where(flat, 0.0, error)


def _p_of(gap: Floats, error: Floats, n: Floats, mixture: float) -> Floats:
    """1/e of a mean difference, at most 1; 1 without spread."""
    spread = error > 0
    t = np.divide(gap, error, out=np.zeros_like(gap), where=spread)
    return np.where(spread, np.exp(np.minimum(0.0, -log_e_value(t, n, mixture))), 1.0)


def _smallest(p: Floats) -> tuple[Floats, np.ndarray]:
    """Smallest value so far, and at which n it was reached; 0 where it is 1."""
    least = np.minimum.accumulate(p)
    new = np.concatenate([[p[0] < 1], p[1:] < least[:-1]])
    return least, np.maximum.accumulate(np.where(new, np.arange(1, p.size + 1), 0))


@dataclass(frozen=True)
class Decided:
    """What is known of one comparison of a family.

    Attributes:
        kind: `different`, `equivalent`, or empty while it is not decided.
        at: Seeds after which it was decided; 0 while it is not.
        evidence_at: Seeds whose differences decided it. It is smaller than `at` where the correction became milder
            through another decision.
        seeds: Seeds used: those until it was decided, or all.
        p: p of the difference after these seeds, adjusted over the family.
        p_equivalence: p of the equivalence, adjusted likewise; None without a margin.
        level: Level at which the difference was tested.
        level_equivalence: Level at which the equivalence was tested.
    """

    kind: str
    at: int
    evidence_at: int
    seeds: int
    p: float
    p_equivalence: float | None
    level: float
    level_equivalence: float

    @property
    def level_of_decision(self) -> float:
        """Level at which that was tested which was decided; while nothing is, the level of the difference."""
        return self.level_equivalence if self.kind == EQUIVALENT else self.level


def decide_family(
    paths: Sequence[Anytime], alpha: float = 0.05, correction: str = "holm", untestable: int = 0
) -> tuple[Decided, ...]:
    """Decide the comparisons of a family after each seed, as a study does that stops an arm when it is decided.

    The p-values are valid at any number of seeds, so Holm's correction of them is, too: *different* and *equivalent*
    are each wrong somewhere in the family with probability at most alpha, over all looks. A decision stands, and later
    seeds of that comparison are not used. So seeds that ran on after it change nothing.

    Args:
        paths: The comparisons; they may have different numbers of seeds.
        alpha: Level of the whole family.
        correction: `holm` or `bh`.
        untestable: Further comparisons that have no seed yet; they count in the size of the correction.
    """
    used = [0] * len(paths)
    kinds = [("", 0, 0)] * len(paths)
    for n in range(1, max((path.p.size for path in paths), default=0) + 1):
        if all(kind for kind, _, _ in kinds):
            break
        used = [u if kind[0] else min(n, path.p.size) for u, kind, path in zip(used, kinds, paths, strict=True)]
        steps = [_adjusted(paths, used, of, correction, untestable) for of in (DIFFERENT, EQUIVALENT)]
        kinds = [
            kind if kind[0] else _decided(path, n, u, [p[i] for p in steps], alpha)
            for i, (kind, path, u) in enumerate(zip(kinds, paths, used, strict=True))
        ]
    return _summary(paths, used, kinds, alpha, correction, untestable)


def _raw(paths: Sequence[Anytime], used: Sequence[int], of: str) -> list[float | None]:
    """P of every comparison after its seeds; None where there is no margin."""
    columns = [path.p if of == DIFFERENT else path.p_equivalence for path in paths]
    return [None if p is None else float(p[u - 1]) for p, u in zip(columns, used, strict=True)]


def _adjusted(
    paths: Sequence[Anytime], used: Sequence[int], of: str, correction: str, untestable: int
) -> list[float | None]:
    return adjust([*_raw(paths, used, of), *[None] * untestable], correction)


def _decided(path: Anytime, n: int, used: int, p: Sequence[float | None], alpha: float) -> tuple[str, int, int]:
    """What is decided now, after how many seeds, and by how many; equivalence has precedence."""
    different, equivalent = p
    if path.equivalence_at is not None and equivalent is not None and equivalent <= alpha:
        return EQUIVALENT, n, int(path.equivalence_at[used - 1])
    if different is not None and different <= alpha:
        return DIFFERENT, n, int(path.p_at[used - 1])
    return "", 0, 0


def _summary(
    paths: Sequence[Anytime], used: Sequence[int], kinds: Sequence[tuple[str, int, int]], alpha: float,
    correction: str, untestable: int,
) -> tuple[Decided, ...]:  # fmt: skip
    raw = [[*_raw(paths, used, of), *[None] * untestable] for of in (DIFFERENT, EQUIVALENT)]
    p, same = (adjust(values, correction) for values in raw)
    levels, same_levels = (step_levels(values, correction, alpha) for values in raw)
    return tuple(
        Decided(*kind, used[i], p[i] or 0.0, None if raw[1][i] is None else same[i], levels[i], same_levels[i])
        for i, kind in enumerate(kinds)
    )
