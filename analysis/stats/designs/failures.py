"""Two arms of which some seeds gave no result: no seed is left out, a run without a result ranks below all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.stats.exact_tests import wilcoxon
from analysis.stats.types import Floats, Test


@dataclass(frozen=True)
class FailuresLast:
    """A comparison in which a run without a result loses against any run with one, and ties with another such run.

    Attributes:
        n: Seeds.
        wins: Seeds on which the treatment was better.
        losses: Seeds on which it was worse.
        ties: Seeds on which both were equal, or both gave no result.
        failed_treatment: Seeds without a result of the treatment.
        failed_baseline: Seeds without a result of the baseline.
        wilcoxon: Exact Wilcoxon test; a pair with one failure has the largest rank.
        sign: Exact sign test, which uses the order inside each pair only.
    """

    n: int
    wins: int
    losses: int
    ties: int
    failed_treatment: int
    failed_baseline: int
    wilcoxon: Test
    sign: Test


def failures_last(
    treatment: Mapping[int, float | None], baseline: Mapping[int, float | None], better: int = 1
) -> FailuresLast | None:
    """Compare two arms over all seeds that both tried; None without such a seed.

    Both tests ask whether the two arms have the same distribution of outcomes, failures included. They say nothing of
    a mean, which does not exist where a run gave no number. Source: J. M. Lachin, Worst-rank score analysis with
    informatively missing observations in clinical trials, 1999.

    Args:
        treatment: Values by seed; None where the run gave no result.
        baseline: The same of the other arm.
        better: +1 where more is better, -1 where less is.

    >>> found = failures_last({0: 0.9, 1: 0.8, 2: 0.9}, {0: 0.5, 1: None, 2: 0.7})
    >>> found.wins, found.failed_baseline, found.wilcoxon.p
    (3, 1, 0.25)
    """
    seeds = sorted(treatment.keys() & baseline.keys())
    if not seeds:
        return None
    ours, theirs = (np.array([arm[s] for s in seeds], dtype=np.float64) for arm in (treatment, baseline))
    d = _ranked(ours, theirs, better)
    wins, losses = int((d > 0).sum()), int((d < 0).sum())
    return FailuresLast(
        n=len(seeds),
        wins=wins,
        losses=losses,
        ties=len(seeds) - wins - losses,
        failed_treatment=int(np.isnan(ours).sum()),
        failed_baseline=int(np.isnan(theirs).sum()),
        wilcoxon=wilcoxon(d),
        sign=_sign_test(wins, losses),
    )


def _ranked(ours: Floats, theirs: Floats, better: int) -> Floats:
    """Gains by seed; with one failure a gain or loss larger than every other, with two 0."""
    d = better * (ours - theirs)
    known = np.abs(d[np.isfinite(d)])
    largest = 2 * float(known.max(initial=0.0)) or 1.0
    lost, other = np.isnan(ours), np.isnan(theirs)
    return np.where(lost | other, largest * (other.astype(float) - lost), d)


def _sign_test(wins: int, losses: int) -> Test:
    n = wins + losses
    p = float(stats.binomtest(wins, n).pvalue) if n else 1.0
    return Test(p, n, min(1.0, 2.0 ** (1 - n)), "sign test, exact")
