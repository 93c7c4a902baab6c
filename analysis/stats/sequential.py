"""Group-sequential seeds: the level of each look with which all looks together have the declared level."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import optimize, stats

NODES = 96


@lru_cache(maxsize=64)
def nominal_level(alpha: float, looks: Sequence[int]) -> float:
    """Two-sided level at each look (Pocock), for looks after the given numbers of seeds.

    Exact for normal differences with known variance and any spacing of the looks. It is used for t-tests here, where it
    is approximate for few seeds.

    Args:
        alpha: Level of all looks together.
        looks: Rising numbers of seeds.

    Source: S. J. Pocock, Group sequential methods in the design and analysis of clinical trials, 1977.

    >>> [round(nominal_level(0.05, tuple(range(1, k + 1))), 4) for k in (2, 3, 4, 5)]
    [0.0294, 0.0221, 0.0182, 0.0158]
    """
    if len(looks) < 2:
        return alpha
    level = optimize.brentq(lambda p: crossing(p, looks) - alpha, alpha / len(looks) / 2, alpha, xtol=1e-10)
    return float(level)


def crossing(level: float, looks: Sequence[int]) -> float:
    """Probability, without any effect, that some look is significant at a two-sided level.

    The density of the sum over the paths that were not significant so far is integrated from look to look, on
    Gauss–Legendre nodes.
    """
    bound = float(stats.norm.isf(level / 2))
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    edge = bound * math.sqrt(looks[0])
    points, mass = edge * nodes, stats.norm.pdf(edge * nodes, scale=math.sqrt(looks[0])) * edge * weights
    for before, now in itertools.pairwise(looks):
        edge = bound * math.sqrt(now)
        steps = edge * nodes[:, None] - points[None, :]
        density = stats.norm.pdf(steps, scale=math.sqrt(now - before)) @ mass
        points, mass = edge * nodes, density * edge * weights
    return 1 - float(mass.sum())
