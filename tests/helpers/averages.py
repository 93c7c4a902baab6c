"""The average over datasets, from the differences by seed."""

import math

import numpy as np

from analysis.stats.multi_dataset import average_of


def dataset_average(differences):
    """The average over datasets of paired differences by seed, one sequence per dataset."""
    groups = [np.asarray(d, dtype=np.float64) for d in differences]
    errors = [g.std(ddof=1) / math.sqrt(g.size) for g in groups]
    return average_of([g.mean() for g in groups], errors, [g.size - 1 for g in groups])
