"""Several datasets: average over these datasets, pooling for new ones, ranks. The blocks are datasets, never seeds.

There are two scopes. For *these* datasets with new seeds, the average of the differences per dataset has a
Satterthwaite t-interval. For *new* datasets of the same kind, each dataset is one observation, whatever its number of
seeds.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.stats.paired_t import t_interval
from analysis.stats.types import SCOPE_DATASETS, SCOPE_SEEDS, Floats, Interval, as_floats

MAX_STATES = 400_000  # steps of the enumeration behind the exact Friedman p


@dataclass(frozen=True)
class Average:
    """Mean over datasets of the per-dataset mean differences, with Satterthwaite's degrees of freedom."""

    datasets: int
    difference: float
    error: float | None
    ci: Interval | None
    t: float | None
    df: float | None
    p: float | None
    method: str = "Satterthwaite t of the dataset average"
    scope: str = SCOPE_SEEDS

    def interval(self, level: float) -> Interval | None:
        """The t-interval at another level; None where the differences have no spread."""
        if self.error is None or self.df is None:
            return None
        return t_interval(self.difference, self.error, self.df, level, "Satterthwaite t")


def average_of(
    estimates: Sequence[float], errors: Sequence[float], dfs: Sequence[float], level: float = 0.95
) -> Average:
    """Average of independent estimates, each with its standard error and degrees of freedom.

    Variance = Σ v_j / k² with v_j the squared errors; df = (Σ v_j)² / Σ v_j² / df_j. Source: F. E. Satterthwaite, 1946.
    """
    k, gap = len(estimates), math.fsum(estimates) / len(estimates)
    v = [error**2 for error in errors]
    total = math.fsum(v)
    if total == 0 or min(dfs) < 1:
        return Average(k, gap, None, None, None, None, None)
    df = total**2 / math.fsum(x**2 / d for x, d in zip(v, dfs, strict=True))
    error = math.sqrt(total) / k
    found = Average(k, gap, error, None, gap / error, df, float(2 * stats.t.sf(abs(gap / error), df)))
    return replace(found, ci=found.interval(level))


@dataclass(frozen=True)
class Pooled:
    """Random-effects mean of per-dataset differences: DerSimonian–Laird τ², modified Hartung–Knapp interval."""

    datasets: int
    estimate: float
    ci: Interval
    p: float
    tau: float
    prediction: Interval | None
    method: str = "random effects, DerSimonian–Laird, modified Hartung–Knapp t"
    scope: str = SCOPE_DATASETS


def random_effects(effects: ArrayLike, variances: ArrayLike, level: float = 0.95) -> Pooled | None:
    """Pool per-dataset differences with their squared standard errors; None below two datasets.

    Hartung and Knapp's variance is never taken below that of the weights: nearly equal differences would otherwise give
    an interval narrower than their own errors allow. The prediction interval (three datasets or more) is for the
    difference on a new dataset: t with k - 2 degrees of freedom. Sources: DerSimonian & Laird 1986; Hartung & Knapp
    2001; Röver et al. 2015; Higgins et al. 2009.
    """
    y, v = as_floats(effects), as_floats(variances)
    if y.size < 2 or (v <= 0).any():
        return None
    tau2 = _tau_square(y, v)
    w = 1 / (v + tau2)
    center = float((w * y).sum() / w.sum())
    q = float((w * (y - center) ** 2).sum()) / (y.size - 1)
    se = math.sqrt(max(1.0, q) / w.sum())
    half = float(stats.t.ppf((1 + level) / 2, y.size - 1)) * se
    p = float(2 * stats.t.sf(abs(center) / se, y.size - 1))
    ci = Interval(center, center - half, center + half, level, "modified Hartung–Knapp t")
    return Pooled(int(y.size), center, ci, p, math.sqrt(tau2), _prediction(center, se, tau2, y.size, level))


def _tau_square(y: Floats, v: Floats) -> float:
    w = 1 / v
    center = (w * y).sum() / w.sum()
    q = (w * (y - center) ** 2).sum()
    return max(0.0, float((q - (y.size - 1)) / (w.sum() - (w**2).sum() / w.sum())))


def _prediction(center: float, se: float, tau2: float, k: int, level: float) -> Interval | None:
    if k < 3:
        return None
    half = float(stats.t.ppf((1 + level) / 2, k - 2)) * math.sqrt(tau2 + se**2)
    return Interval(center, center - half, center + half, level, "prediction for a new dataset, t(k-2)")


@dataclass(frozen=True)
class RankTest:
    """Friedman's test over datasets with the Iman–Davenport correction and a permutation p.

    Attributes:
        datasets: Number of complete blocks.
        methods: Number of methods.
        mean_ranks: Mean rank by method, 1 is best.
        chi2: Friedman's statistic, corrected for ties.
        p_chi2: Its chi-square p, which is inexact for few datasets.
        f: Iman–Davenport statistic; None below three datasets, and where all have the same order (it is infinite).
        p_f: Its p; None likewise.
        p_permutation: Exact or sampled permutation p; use it below ten datasets.
        permutation_method: How it was computed.
        critical_difference: Nemenyi's difference of mean ranks at alpha.
        alpha: The level.
    """

    datasets: int
    methods: int
    mean_ranks: tuple[float, ...]
    chi2: float
    p_chi2: float
    f: float | None
    p_f: float | None
    p_permutation: float
    permutation_method: str
    critical_difference: float
    alpha: float
    scope: str = SCOPE_DATASETS
    warnings: tuple[str, ...] = ()


def rank_rows(scores: Floats, better: int = 1) -> Floats:
    """Ranks inside each row (dataset), 1 for the best, mid-ranks for ties. Shape (datasets, methods)."""
    return np.asarray(stats.rankdata(-better * scores, axis=1), dtype=np.float64)


def friedman(ranks: Floats, rng: np.random.Generator, *, alpha: float = 0.05, draws: int = 9999) -> RankTest:
    """Friedman / Iman–Davenport / permutation test of equal ranks.

    Sources: J. Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 2006;
    R. L. Iman and J. M. Davenport, 1980.

    Args:
        ranks: Ranks, shape (datasets, methods), from `rank_rows`.
        rng: Generator for the permutation p where there are too many permutations to enumerate.
        alpha: Level of the critical difference.
        draws: Sampled permutations.
    """
    n, k = ranks.shape
    chi2 = _friedman_statistic(ranks)
    rest = n * (k - 1) - chi2
    f = (n - 1) * chi2 / rest if n > 2 and rest > 1e-9 * n * k else None
    p_permutation, how = _permutation_p(ranks, rng, draws)
    return RankTest(
        datasets=n,
        methods=k,
        mean_ranks=tuple(ranks.mean(axis=0).tolist()),
        chi2=chi2,
        p_chi2=float(stats.chi2.sf(chi2, k - 1)),
        f=f,
        p_f=None if f is None else float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))),
        p_permutation=p_permutation,
        permutation_method=how,
        critical_difference=critical_difference(k, n, alpha),
        alpha=alpha,
        warnings=(f"only {n} datasets: ranks can show little",) if n < 6 else (),
    )


def _friedman_statistic(ranks: Floats) -> float:
    n, k = ranks.shape
    means = ranks.mean(axis=0)
    raw = 12 * n / (k * (k + 1)) * ((means**2).sum() - k * (k + 1) ** 2 / 4)
    ties = sum(c**3 - c for row in ranks for c in np.unique(row, return_counts=True)[1])
    correction = 1 - ties / (n * k * (k * k - 1))
    return max(0.0, float(raw / correction)) if correction > 1e-12 else 0.0


def critical_difference(k: int, n: int, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks for k methods on n datasets.

    >>> round(critical_difference(4, 14), 3)
    1.254
    """
    q = float(stats.studentized_range.ppf(1 - alpha, k, np.inf)) / math.sqrt(2)
    return q * math.sqrt(k * (k + 1) / (6 * n))


def _permutation_p(ranks: Floats, rng: np.random.Generator, draws: int) -> tuple[float, str]:
    observed = float(((ranks.sum(axis=0) - ranks.sum() / ranks.shape[1]) ** 2).sum())
    exact = _enumerated_p(ranks, observed)
    if exact is not None:
        return exact, "exact, all permutations"
    permuted = rng.permuted(np.broadcast_to(ranks, (draws, *ranks.shape)), axis=2).sum(axis=1)
    spread = ((permuted - permuted.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    return float((1 + (spread >= observed - 1e-9).sum()) / (draws + 1)), f"{draws} random permutations"


def _enumerated_p(ranks: Floats, observed: float) -> float | None:
    """Share of permutations whose rank sums have at least the same spread; None where there are too many."""
    doubled = [tuple(int(2 * r) for r in row) for row in ranks]
    states: Counter[tuple[int, ...]] = Counter({doubled[0]: 1})
    work, count_of_orders = 0, math.factorial(ranks.shape[1])
    for row in doubled[1:]:
        work += len(states) * count_of_orders
        if work > MAX_STATES:
            return None
        orders = list(itertools.permutations(row))
        grown: Counter[tuple[int, ...]] = Counter()
        for sums, count in states.items():
            for order in orders:
                # sums in another order lead to the same spread, so one sorted state stands for all of them
                grown[tuple(sorted(a + b for a, b in zip(sums, order, strict=True)))] += count
        states = grown
    center = sum(next(iter(states))) / ranks.shape[1]
    far = sum(c for s, c in states.items() if sum((x - center) ** 2 for x in s) >= 4 * observed - 1e-6)
    return far / sum(states.values())


def cliques(mean_ranks: Sequence[float], separable: Sequence[Sequence[bool]]) -> tuple[tuple[int, ...], ...]:
    """Largest groups of neighbouring methods (by mean rank) without a significant difference between any two.

    Args:
        mean_ranks: Mean rank by method.
        separable: For each pair of methods, whether a test found a difference.
    """
    order = sorted(range(len(mean_ranks)), key=lambda i: (mean_ranks[i], i))
    runs: list[tuple[int, ...]] = []
    for start in range(len(order)):
        end = start
        while end + 1 < len(order) and not any(separable[order[end + 1]][j] for j in order[start : end + 1]):
            end += 1
        run = tuple(order[start : end + 1])
        if len(run) > 1 and not any(set(run) <= set(other) for other in runs):
            runs.append(run)
    return tuple(runs)
