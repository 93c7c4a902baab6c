"""Seeds as blocks: the error that is left without the means of seeds and arms."""

from __future__ import annotations

import numpy as np

from analysis.stats.types import Floats


def pooled_variance(values: Floats) -> float:
    """Residual variance without the means of rows (seeds) and columns (arms); 0 where it is rounding alone."""
    n, k = values.shape
    rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    variance = float((rest**2).sum()) / ((n - 1) * (k - 1))
    return variance if variance > 1e-24 * max(1e-300, float((values**2).max())) else 0.0


def pair_sds(values: Floats) -> Floats:
    """SD of the differences between every two columns; the pairs with the first column stand first."""
    first, second = np.triu_indices(values.shape[1], 1)
    return np.asarray((values[:, first] - values[:, second]).std(axis=0, ddof=1))
