"""The paired t-test alone: a mean difference over seeds, its p and its intervals at any level."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from analysis.stats.description import is_constant, mean, sd, t_quantile
from analysis.stats.types import Floats, Interval

MIN_SEEDS = 3


@dataclass(frozen=True)
class PairedTest:
    """Two-sided t-test of a mean difference over n seeds.

    Attributes:
        difference: Mean difference.
        error: Its standard error.
        df: Degrees of freedom.
        p: Two-sided p; None below three seeds.
    """

    difference: float
    error: float
    df: int
    p: float | None

    @property
    def t(self) -> float:
        """The statistic."""
        return self.difference / self.error

    def interval(self, level: float) -> Interval:
        """The t-interval of the mean difference."""
        return t_interval(self.difference, self.error, self.df, level, "Student t")


def paired_test(differences: Floats, overlap: float | None = None) -> PairedTest | None:
    """Test a mean difference; None below two seeds or without spread.

    Args:
        differences: Treatment minus baseline, shape (n,).
        overlap: Test samples per training sample where each seed draws a test split of its own (corrected resampled t,
            Nadeau and Bengio 2003); None where all seeds have the same one.
    """
    n = differences.size
    if n < 2 or is_constant(differences):
        return None
    error = sd(differences) * math.sqrt(1 / n + (overlap or 0.0))
    gap = mean(differences)
    p = two_sided_p(gap / error, n - 1) if n >= MIN_SEEDS else None
    return PairedTest(gap, error, n - 1, p)


def two_sided_p(t: float, df: float) -> float:
    """Two-sided p of a t statistic."""
    return float(2 * special.stdtr(df, -abs(t)))


def t_interval(estimate: float, error: float, df: float, level: float, method: str) -> Interval:
    """Interval of an estimate with its standard error: estimate ± t(df) · error."""
    half = t_quantile(level, df) * error
    return Interval(estimate, estimate - half, estimate + half, level, method)
