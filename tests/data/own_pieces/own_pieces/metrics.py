"""A metric of the features of a trial."""

import numpy as np


def within(features, labels):
    """Share of the variance of the features that lies within the classes."""
    means = np.stack([features[labels == c].mean(0) for c in np.unique(labels)])
    own = means[np.searchsorted(np.unique(labels), labels)]
    return float(((features - own) ** 2).sum() / ((features - features.mean(0)) ** 2).sum())
