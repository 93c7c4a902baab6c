"""Two arms compared over seeds: the paired difference, its tests, effect sizes, equivalence."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from analysis.errors import ReportError
from analysis.stats.description import is_constant, mean, sd
from analysis.stats.effect_sizes import d_z, hedges_g_z, rank_biserial, win_probability
from analysis.stats.exact_tests import hodges_lehmann, sign_flip, wilcoxon
from analysis.stats.paired_t import paired_test, t_interval, two_sided_p
from analysis.stats.pairing import Pairs
from analysis.stats.types import SCOPE_SEEDS, SCOPE_SPLITS, Floats, Interval, Test, as_floats


@dataclass(frozen=True)
class Comparison:
    """Treatment minus baseline over n seeds, in the unit of the records.

    Attributes:
        method: `paired t` or `Welch t`.
        assumptions: What the verdict test assumes.
        n: Pairs (for Welch: the smaller group).
        difference: Mean difference.
        sd_difference: SD of the differences (paired only).
        error: Standard error of the mean difference; None where the differences have no spread.
        ci: Interval of the mean difference; None where they have no spread.
        ci_90: The interval at level 1 - 2α, which decides on equivalence.
        t: Statistic; None where the differences have no spread.
        df: Degrees of freedom.
        p_t: Two-sided p of the verdict test.
        p_tost: p of the two one-sided tests against ±margin; None without a margin.
        sign_flip: Exact sign-flip test (paired only).
        wilcoxon: Exact Wilcoxon test (paired only).
        shift: Hodges–Lehmann estimate and interval (paired only).
        d_z: Standardised difference and interval.
        g_z: The same, corrected for small samples.
        rank_biserial: Matched-pairs rank-biserial correlation.
        p_better: P(treatment better than baseline) on one seed.
        wins: Seeds on which the treatment was better.
        ties: Seeds on which both had the same value.
        correlation: Correlation of the pairs.
        variance_ratio: Var(A-B) / (Var A + Var B); below 1 the pairs reduce the variance.
        leave_one_out: Smallest and largest p_t when one seed is left out.
        overlap: Test samples per training sample where each seed draws a test split of its own, else None.
        groups: Seeds of the treatment and of the baseline (Welch only).
        scope: What the interval describes.
        warnings: What a reader must know.
    """

    method: str
    assumptions: str
    n: int
    difference: float
    sd_difference: float | None
    error: float | None
    ci: Interval | None
    ci_90: Interval | None
    t: float | None
    df: float | None
    p_t: float | None
    p_tost: float | None
    sign_flip: Test | None
    wilcoxon: Test | None
    shift: Interval | None
    d_z: Interval | None
    g_z: Interval | None
    rank_biserial: float | None
    p_better: Interval | None
    wins: int | None
    ties: int | None
    correlation: float | None
    variance_ratio: float | None
    leave_one_out: tuple[float, float] | None
    overlap: float | None = None
    groups: tuple[int, int] | None = None
    scope: str = SCOPE_SEEDS
    warnings: tuple[str, ...] = ()

    def interval(self, level: float) -> Interval | None:
        """The t-interval of the mean difference at another level; None where the differences have no spread."""
        if self.error is None or self.df is None:
            return None
        return t_interval(self.difference, self.error, self.df, level, f"{self.method} interval")


def compare_paired(
    pairs: Pairs,
    *,
    margin: float | None = None,
    alpha: float = 0.05,
    better: int = 1,
    rng: np.random.Generator | None = None,
    overlap: float | None = None,
) -> Comparison:
    """Compare two arms over the seeds that both have.

    Where each seed draws a test split of its own, the splits overlap and so the differences are not independent. Their
    mean then has the variance s² (1/n + n_test/n_train): the corrected resampled t-test. Source: C. Nadeau and Y.
    Bengio, Inference for the generalization error, Machine Learning 52, 2003.

    Args:
        pairs: Values paired by seed.
        margin: Declared smallest difference that matters (> 0), for equivalence.
        alpha: Level; intervals cover 1 - alpha.
        better: +1 where more is better, -1 where less is.
        rng: Generator, needed above 36 seeds only.
        overlap: n_test / n_train where each seed draws a test split of its own; None where all have the same one.

    Raises:
        ReportError: If there is no pair at all.
    """
    d = pairs.differences
    if not d.size:
        raise ReportError("no seed has both arms")
    return replace(
        _described(pairs, better, overlap),
        **_paired_t(d, margin, alpha, overlap),
        sign_flip=sign_flip(d, rng=rng),
        wilcoxon=wilcoxon(d),
        shift=hodges_lehmann(d, 1 - alpha) if d.size > 1 and not is_constant(d) else None,
        d_z=d_z(d, 1 - alpha),
        g_z=hedges_g_z(d, 1 - alpha),
        rank_biserial=rank_biserial(d),
        p_better=win_probability(d, better, 1 - alpha),
        leave_one_out=leave_one_out(d, overlap),
    )


PAIRED, CORRECTED = "paired t", "corrected resampled t"
_ASSUMPTIONS = "differences of independent seeds, roughly normal; symmetric for the rank and sign-flip tests"
_OF_RESPLITS = "differences over overlapping test splits, roughly normal; the other tests assume independent splits"
ASSUME_INDEPENDENT = "sign-flip, Wilcoxon and effect sizes assume independent splits, so they decide nothing here"


def _described(pairs: Pairs, better: int, overlap: float | None) -> Comparison:
    """The comparison of paired values before any test."""
    d = pairs.differences
    return Comparison(
        method=PAIRED if overlap is None else CORRECTED,
        assumptions=_ASSUMPTIONS if overlap is None else _OF_RESPLITS,
        n=int(d.size),
        difference=mean(d),
        sd_difference=sd(d) if d.size > 1 else None,
        error=None, ci=None, ci_90=None, t=None, df=None, p_t=None, p_tost=None,
        sign_flip=None, wilcoxon=None, shift=None, d_z=None, g_z=None, rank_biserial=None, p_better=None,
        wins=int((better * d > 0).sum()),
        ties=int((d == 0).sum()),
        correlation=_correlation(pairs.treatment, pairs.baseline),
        variance_ratio=_variance_ratio(pairs.treatment, pairs.baseline),
        leave_one_out=None,
        overlap=overlap,
        scope=SCOPE_SEEDS if overlap is None else SCOPE_SPLITS,
        warnings=_warnings(d, pairs) + (() if overlap is None else (ASSUME_INDEPENDENT,)),
    )  # fmt: skip


def _paired_t(d: Floats, margin: float | None, alpha: float, overlap: float | None) -> dict[str, Any]:
    """Intervals and tests from two differences with a spread."""
    test = paired_test(d, overlap)
    if test is None:
        return {}
    return {
        "error": test.error,
        "ci": test.interval(1 - alpha),
        "ci_90": test.interval(1 - 2 * alpha),
        "t": test.t,
        "df": test.df,
        "p_t": two_sided_p(test.t, test.df),
        "p_tost": tost(test.difference, test.error, test.df, margin),
    }


def compare_unpaired(
    treatment: ArrayLike, baseline: ArrayLike, *, margin: float | None = None, alpha: float = 0.05
) -> Comparison:
    """Welch's comparison of two arms that were declared unpaired (different seed sets).

    Raises:
        ReportError: If one side has fewer than two values.
    """
    a, b = as_floats(treatment), as_floats(baseline)
    if min(a.size, b.size) < 2:
        raise ReportError("an unpaired comparison needs two seeds on each side")
    flat = is_constant(a) and is_constant(b)
    return _flat_welch(a, b) if flat else _welch(a, b, margin, alpha)


def _welch(a: Floats, b: Floats, margin: float | None, alpha: float) -> Comparison:
    found = welch_test(a, b)
    difference, error = mean(a) - mean(b), math.sqrt(sd(a) ** 2 / a.size + sd(b) ** 2 / b.size)

    def interval(level: float) -> Interval:
        bounds = found.confidence_interval(level)
        return Interval(difference, float(bounds.low), float(bounds.high), level, "Welch t")

    return replace(
        _flat_welch(a, b),
        error=error,
        ci=interval(1 - alpha),
        ci_90=interval(1 - 2 * alpha),
        t=float(found.statistic),
        df=float(found.df),
        p_t=float(found.pvalue),
        p_tost=tost(difference, error, float(found.df), margin),
    )


def welch_test(a: Floats, b: Floats) -> Any:
    """SciPy's result of Welch's two-sided test; needs two values on each side, and some spread."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Precision loss")  # one group may be constant, without any loss
        return stats.ttest_ind(a, b, equal_var=False)


def _flat_welch(a: Floats, b: Floats) -> Comparison:
    """The comparison of two groups without any spread: no interval and no test."""
    return Comparison(
        method="Welch t",
        assumptions="independent seeds in two groups, roughly normal; declared unpaired",
        n=int(min(a.size, b.size)),
        difference=mean(a) - mean(b),
        sd_difference=None,
        error=None, ci=None, ci_90=None, t=None, df=None, p_t=None, p_tost=None,
        sign_flip=None, wilcoxon=None, shift=None, d_z=None, g_z=None, rank_biserial=None, p_better=None,
        wins=None, ties=None, correlation=None, variance_ratio=None, leave_one_out=None,
        groups=(int(a.size), int(b.size)),
        warnings=(f"unpaired: {a.size} and {b.size} seeds, Welch's test",),
    )  # fmt: skip


def tost(difference: float, se: float, df: float, margin: float | None) -> float | None:
    """P of the two one-sided t-tests: small when the difference lies inside ±margin. None without a margin.

    Source: D. J. Schuirmann, A comparison of the two one-sided tests procedure, 1987.
    """
    if margin is None or margin <= 0:
        return None
    lower = special.stdtr(df, -(difference + margin) / se)
    upper = special.stdtr(df, -(margin - difference) / se)
    return float(max(lower, upper))


def leave_one_out(differences: Floats, overlap: float | None = None) -> tuple[float, float] | None:
    """Smallest and largest paired-t p when each seed is left out in turn; None below four seeds.

    A seed is not counted if the others have no spread without it: there is no test then.
    """
    n = differences.size
    if n < 4:
        return None
    means = (differences.sum() - differences) / (n - 1)
    squares = (differences**2).sum() - differences**2
    var = (squares - (n - 1) * means**2) / (n - 2)
    kept = var > 1e-14 * np.maximum(squares, 1e-300)
    if not kept.any():
        return None
    t = means[kept] / np.sqrt(var[kept] * (1 / (n - 1) + (overlap or 0.0)))
    p = 2 * special.stdtr(n - 2, -np.abs(t))
    return float(p.min()), float(p.max())


def _correlation(a: Floats, b: Floats) -> float | None:
    if a.size < 3 or is_constant(a) or is_constant(b):
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _variance_ratio(a: Floats, b: Floats) -> float | None:
    total = sd(a) ** 2 + sd(b) ** 2 if a.size > 1 else 0.0
    return sd(a - b) ** 2 / total if total > 0 else None


def _warnings(d: Floats, pairs: Pairs) -> tuple[str, ...]:
    notes = []
    if d.size < 3:
        notes.append(f"{d.size} seed{'s' if d.size > 1 else ''}: no test, description only")
    elif d.size < 5:
        notes.append(f"fragile: only {d.size} seeds")
    if d.size > 1 and is_constant(d):
        notes.append("the differences have no spread: check that the training uses its seed")
    ties = int((d == 0).sum())
    if ties and ties < d.size:
        notes.append(f"{ties} of {d.size} differences are exactly zero")
    if not pairs.complete:
        alone = len(pairs.only_treatment) + len(pairs.only_baseline)
        notes.append(f"unequal seed sets: {alone} seed{'s' if alone > 1 else ''} without a partner")
    return tuple(notes)
