"""A hierarchical normal model of differences over datasets: shrunken effects, and what a new dataset may show.

y_j ~ N(θ_j, v_j) with v_j known, θ_j ~ N(μ, τ²), μ flat, τ half-normal. Given τ everything is normal, so τ is summed
over a grid and nothing is sampled. The scale of the prior of τ is the root mean square of the y_j and their errors: the
spread between datasets is likely no larger than the differences themselves. Source: A. Gelman et al., Bayesian Data
Analysis, 3rd edition, section 5.4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from analysis.stats.description import t_quantile
from analysis.stats.types import SCOPE_DATASETS, Floats, as_floats

GRID = 400
WIDEST = 6.0
"""End of the grid of τ, in scales of its prior."""
NEGLIGIBLE = 1e-9
"""Weight of a τ that no quantile needs."""
HALVINGS = 50
"""Steps of bisection of a quantile: its error is then below rounding."""


@dataclass(frozen=True)
class Hierarchical:
    """Posterior of the differences on datasets of one kind. Probabilities are of the mean difference on a new dataset.

    Attributes:
        worse: P(below -rope).
        equivalent: P(inside ±rope); 0 where no margin was declared.
        better: P(above rope).
        rope: Half-width of the region of practical equivalence, in the unit of the differences.
        mean: Posterior mean of μ.
        tau: Posterior mean of τ, the SD between datasets.
        shrunken: Posterior mean of the difference on each dataset, in the order given.
        shrunken_sd: Its posterior SD.
        mean_low: Lower end of the central interval of μ at `level`.
        mean_high: Upper end.
        new_low: Lower end of the interval of the mean difference on a new dataset.
        new_high: Upper end.
        shrunken_low: Lower end of the interval of the difference on each dataset.
        shrunken_high: Upper end.
        level: Posterior probability of each interval.
    """

    worse: float
    equivalent: float
    better: float
    rope: float
    mean: float
    tau: float
    shrunken: tuple[float, ...]
    shrunken_sd: tuple[float, ...]
    mean_low: float
    mean_high: float
    new_low: float
    new_high: float
    shrunken_low: tuple[float, ...]
    shrunken_high: tuple[float, ...]
    level: float
    method: str = "hierarchical normal model, half-normal prior of τ"
    scope: str = SCOPE_DATASETS


def hierarchical(
    effects: Sequence[float], variances: Sequence[float], rope: float, *, df: float | None = None, level: float = 0.95
) -> Hierarchical | None:
    """Fit the model; None below two datasets, or where a variance is not above zero.

    Args:
        effects: Mean difference on each dataset.
        variances: Their squared standard errors.
        rope: Half-width of the region of practical equivalence, >= 0.
        df: Degrees of freedom of each squared error, where it was estimated from seeds; None where it is known. The
            intervals of single datasets are then wider: the simulations find 88 % coverage otherwise, with 5 seeds.
        level: Posterior probability of the intervals.
    """
    y, v = as_floats(effects), as_floats(variances)
    if y.size < 2 or (v <= 0).any():
        return None
    scale = math.sqrt((y**2 + v).mean())
    tau = np.linspace(0, WIDEST * scale, GRID + 1)[1:] - WIDEST * scale / GRID / 2  # middles: τ = 0 has no density
    weight, center, spread = _given_tau(y, v, tau, scale)
    new = np.sqrt(tau**2 + spread)
    below = float(weight @ stats.norm.cdf((-rope - center) / new))
    above = float(weight @ stats.norm.sf((rope - center) / new))
    means, inner = _given_effects(y, v, tau, center, spread)
    whole = weight @ means
    _, wide = _given_effects(y, v, tau, center, spread, _stretch(df, level))
    each = [_interval(weight, means[:, j], wide[:, j], level) for j in range(y.size)]
    return Hierarchical(
        below, max(0.0, 1 - below - above), above, rope, float(weight @ center), float(weight @ tau),
        tuple(whole.tolist()), tuple(np.sqrt(weight @ (inner**2 + means**2) - whole**2).tolist()),
        *_interval(weight, center, np.sqrt(spread), level), *_interval(weight, center, new, level),
        tuple(low for low, _ in each), tuple(high for _, high in each), level,
    )  # fmt: skip


def _stretch(df: float | None, level: float) -> float:
    """By how much the error of a dataset counts for more in its interval, because it was estimated: (t / z)²."""
    return 1.0 if df is None else (t_quantile(level, df) / float(special.ndtri((1 + level) / 2))) ** 2


def _given_tau(y: Floats, v: Floats, tau: Floats, scale: float) -> tuple[Floats, Floats, Floats]:
    """Posterior weight of each τ, and mean and variance of μ given it."""
    total = v + tau[:, None] ** 2
    spread = 1 / (1 / total).sum(axis=1)
    center = spread * (y / total).sum(axis=1)
    fit = -0.5 * (np.log(total) + (y - center[:, None]) ** 2 / total).sum(axis=1) + 0.5 * np.log(spread)
    log_weight = fit - 0.5 * (tau / scale) ** 2
    weight = np.exp(log_weight - log_weight.max())
    return weight / weight.sum(), center, spread


def _given_effects(
    y: Floats, v: Floats, tau: Floats, center: Floats, spread: Floats, stretch: float = 1.0
) -> tuple[Floats, Floats]:
    """Posterior mean and SD of the difference on each dataset, given each τ: shape (τ, datasets)."""
    shrinkage = v / (v + tau[:, None] ** 2)
    mean = (1 - shrinkage) * y + shrinkage * center[:, None]
    return mean, np.sqrt(stretch * (1 - shrinkage) * v + shrinkage**2 * spread[:, None])


def _interval(weight: Floats, mean: Floats, sd: Floats, level: float) -> tuple[float, float]:
    """Central interval of a mixture of normal distributions, by bisection of all quantiles at once."""
    wanted, kept = np.array([(1 - level) / 2, (1 + level) / 2]), weight > NEGLIGIBLE
    weight, mean, sd = weight[kept], mean[kept], sd[kept]
    low, high = np.full(2, (mean - 10 * sd).min()), np.full(2, (mean + 10 * sd).max())
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = weight @ special.ndtr((middle - mean[:, None]) / sd[:, None]) < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return float(low[0]), float(high[1])
