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
from scipy import stats

from analysis.stats.types import SCOPE_DATASETS, Floats, as_floats

GRID = 400
WIDEST = 6.0
"""End of the grid of τ, in scales of its prior."""


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
    """

    worse: float
    equivalent: float
    better: float
    rope: float
    mean: float
    tau: float
    shrunken: tuple[float, ...]
    shrunken_sd: tuple[float, ...]
    method: str = "hierarchical normal model, half-normal prior of τ"
    scope: str = SCOPE_DATASETS


def hierarchical(effects: Sequence[float], variances: Sequence[float], rope: float) -> Hierarchical | None:
    """Fit the model; None below two datasets, or where a variance is not above zero.

    Args:
        effects: Mean difference on each dataset.
        variances: Their squared standard errors.
        rope: Half-width of the region of practical equivalence, >= 0.
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
    means, sds = _shrunken(y, v, tau, weight, center, spread)
    return Hierarchical(
        below, max(0.0, 1 - below - above), above, rope, float(weight @ center), float(weight @ tau), means, sds
    )


def _given_tau(y: Floats, v: Floats, tau: Floats, scale: float) -> tuple[Floats, Floats, Floats]:
    """Posterior weight of each τ, and mean and variance of μ given it."""
    total = v + tau[:, None] ** 2
    spread = 1 / (1 / total).sum(axis=1)
    center = spread * (y / total).sum(axis=1)
    fit = -0.5 * (np.log(total) + (y - center[:, None]) ** 2 / total).sum(axis=1) + 0.5 * np.log(spread)
    log_weight = fit - 0.5 * (tau / scale) ** 2
    weight = np.exp(log_weight - log_weight.max())
    return weight / weight.sum(), center, spread


def _shrunken(
    y: Floats, v: Floats, tau: Floats, weight: Floats, center: Floats, spread: Floats
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Posterior mean and SD of the difference on each dataset, over all τ."""
    shrinkage = v / (v + tau[:, None] ** 2)
    mean = (1 - shrinkage) * y + shrinkage * center[:, None]
    inside = (1 - shrinkage) * v + shrinkage**2 * spread[:, None]
    whole = weight @ mean
    sd = np.sqrt(weight @ (inside + mean**2) - whole**2)
    return tuple(whole.tolist()), tuple(sd.tolist())
