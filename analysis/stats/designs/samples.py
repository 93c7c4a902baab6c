"""What a finite test set adds to the noise: the same test samples classified by every seed of two arms.

Seeds and test samples are crossed: each seed classifies each sample. A difference of two arms then varies with the
seed, with the sample, and with their combination, so its mean over n seeds and N samples has the variance
σ²_seed/n + σ²_sample/N + σ²_rest/(n N). The t-interval over seeds has the first and the last part only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.stats.description import t_quantile
from analysis.stats.types import Floats, Interval

SCOPE_SAMPLES = "new seeds and new test samples"
Right = NDArray[np.bool_]
"""Which test samples were classified right, by seed: shape (seeds, samples)."""


@dataclass(frozen=True)
class Crossed:
    """A mean over seeds and test samples, and where its noise comes from, in shares of samples (0 to 1).

    Attributes:
        estimate: Mean difference of the two arms.
        seeds: Number of seeds.
        samples: Number of test samples.
        seed_variance: σ²_seed of the difference; at least 0.
        sample_variance: σ²_sample; at least 0.
        rest_variance: σ²_rest.
        error: Standard error for new seeds and new test samples.
        error_seeds: Standard error for new seeds on these samples.
        df: Satterthwaite's degrees of freedom of `error`.
    """

    estimate: float
    seeds: int
    samples: int
    seed_variance: float
    sample_variance: float
    rest_variance: float
    error: float
    error_seeds: float
    df: float

    def interval(self, level: float = 0.95) -> Interval:
        """The t-interval for new seeds and new test samples, never narrower than that for new seeds alone.

        The samples add degrees of freedom, so with few seeds the larger standard error could give the smaller interval.
        """
        seeds = t_quantile(level, self.seeds - 1) * self.error_seeds
        half = max(t_quantile(level, self.df) * self.error, seeds)
        return Interval(self.estimate, self.estimate - half, self.estimate + half, level, "crossed seeds and samples")


def crossed_difference(treatment: Right, baseline: Right) -> Crossed | None:
    """Difference of the accuracies of two arms with the noise of both seeds and test samples.

    The variances are those of the two-way random-effects analysis without replication. Where the estimate of the part
    of the samples is negative, the interval is that of the seeds alone.

    Args:
        treatment: Which samples were right, shape (n seeds, N samples).
        baseline: The same for the same seeds and samples.

    Returns:
        None below two seeds or two samples, or where nothing varies.

    Raises:
        ValueError: If the two arms have other seeds or samples.
    """
    if treatment.shape != baseline.shape:
        raise ValueError(f"bits: both arms need the same seeds and samples, got {treatment.shape}, {baseline.shape}")
    gaps = treatment.astype(np.float64) - baseline
    n, samples = gaps.shape
    if min(n, samples) < 2:
        return None
    seed, sample, rest = _mean_squares(gaps)
    beyond = max(0.0, sample - rest)
    if seed + beyond <= 0:
        return None
    total, cells = seed + beyond, n * samples
    parts = [(seed, n - 1), *([(sample, samples - 1), (rest, (n - 1) * (samples - 1))] if beyond else [])]
    return Crossed(
        estimate=float(gaps.mean()),
        seeds=n,
        samples=samples,
        seed_variance=max(0.0, seed - rest) / samples,
        sample_variance=beyond / n,
        rest_variance=rest,
        error=math.sqrt(total / cells),
        error_seeds=math.sqrt(seed / cells),
        df=total**2 / sum(square**2 / df for square, df in parts),
    )


def _mean_squares(gaps: Floats) -> tuple[float, float, float]:
    """Mean squares of seeds, of samples, and of what is left."""
    n, samples = gaps.shape
    rows, columns, grand = gaps.mean(axis=1), gaps.mean(axis=0), gaps.mean()
    seeds = samples * float(((rows - grand) ** 2).sum())
    of_samples = n * float(((columns - grand) ** 2).sum())
    rest = max(0.0, float(((gaps - grand) ** 2).sum()) - seeds - of_samples)
    return seeds / (n - 1), of_samples / (samples - 1), rest / ((n - 1) * (samples - 1))


@dataclass(frozen=True)
class McNemar:
    """Two classifiers on the same test samples; its scope is new test samples for these two trained models.

    Attributes:
        only_treatment: Samples that only the treatment has right.
        only_baseline: Samples that only the baseline has right.
        p: Exact two-sided p.
    """

    only_treatment: int
    only_baseline: int
    p: float


def mcnemar(treatment: NDArray[np.bool_], baseline: NDArray[np.bool_]) -> McNemar:
    """McNemar's exact test of one seed, arguments of shape (samples,).

    >>> mcnemar(np.array([True] * 6 + [False]), np.array([False] * 6 + [False])).p
    0.03125
    """
    ours, theirs = int((treatment & ~baseline).sum()), int((baseline & ~treatment).sum())
    p = float(stats.binomtest(ours, ours + theirs).pvalue) if ours + theirs else 1.0
    return McNemar(ours, theirs, p)


def churn(right: Right) -> float | None:
    """Share of samples that one seed has right and another one wrong, on average over all pairs of seeds.

    None below two seeds. Source: M. M. Fard et al., Launch and iterate: reducing prediction churn, 2016.

    >>> churn(np.array([[True, True], [True, False]]))
    0.5
    """
    n = right.shape[0]
    if n < 2:
        return None
    hits = right.sum(axis=0, dtype=np.float64)
    return float((2 * hits * (n - hits)).mean() / (n * (n - 1)))


def sample_error_bound(treatment: float, baseline: float, samples: int) -> float:
    """The most that a finite test set can add to the standard error of a difference, where no bits are stored.

    Two accuracies a and b differ on at most min(a + b, 2 - a - b) of the samples, so one sample varies by at most that
    minus (a - b)².

    Args:
        treatment: Accuracy of the treatment, in [0, 1].
        baseline: Accuracy of the baseline.
        samples: Number of test samples.

    >>> round(100 * sample_error_bound(0.75, 0.75, 10_000), 2)
    0.71
    """
    discordant = min(treatment + baseline, 2 - treatment - baseline)
    return math.sqrt(max(0.0, discordant - (treatment - baseline) ** 2) / samples)
