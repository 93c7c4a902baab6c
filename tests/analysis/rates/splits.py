"""Simulations with real classifiers on one small data set: test pools that move with the seed, and one that does not.

Two nearest-centroid classifiers see different features of the same samples. The features of both have the same
distribution, so the two methods are equal: on new samples neither is better.
"""

import hashlib
from functools import partial

import numpy as np
from scipy import stats

from analysis.results.analyse import summary_of
from tests.analysis.rates.reports import differences, family, records, study
from tests.analysis.rates.simulation import Rate, Simulation

SAMPLES, CLASSES, FEATURES = 300, 3, 5
TEST, VALIDATION = 75, 45
CENTERS = 0.9 * np.eye(CLASSES, FEATURES)
METHODS = ("base", "t0")


def data_set(rng):
    """Labels, and features of shape (method, sample, feature) with equal distributions for both methods."""
    labels = rng.integers(0, CLASSES, SAMPLES)
    return labels, CENTERS[labels] + rng.normal(0, 1, (len(METHODS), SAMPLES, FEATURES))


def nearest_centroid(features, labels, train, test):
    """Whether each test sample is classified rightly."""
    members = labels[train][:, None] == np.arange(CLASSES)
    centroids = (members.T @ features[train]) / members.sum(axis=0)[:, None]
    distances = ((features[test][:, None, :] - centroids[None]) ** 2).sum(axis=2)
    return distances.argmin(axis=1) == labels[test]


def resplits(rng, n):
    """Each seed draws a new test pool: the corrected resampled t decides; `naive` is the paired t."""
    return _report(rng, n, [rng.permutation(SAMPLES) for _ in range(n)])


def one_pool(rng, n):
    """All seeds share the test pool and draw the training samples from the rest."""
    pool, rest = np.split(rng.permutation(SAMPLES), [TEST])
    return _report(rng, n, [np.concatenate([pool, rng.permutation(rest)]) for _ in range(n)])


def _report(rng, n, orders):
    labels, features = data_set(rng)
    splits = [(order[:TEST], order[TEST + VALIDATION :]) for order in orders]
    values = {
        method: np.array([100 * nearest_centroid(features[i], labels, train, test).mean() for test, train in splits])
        for i, method in enumerate(METHODS)
    }
    rows = records(values, **_columns(labels, splits))
    (found,) = summary_of(study([family("b", "base", ["t0"])], n), rows)["comparisons"]
    return {"any": differences([found]), "naive": _paired_t(values) <= 0.05}


def _columns(labels, splits):
    """The columns of the results contract that say which samples were trained and tested on, for both methods."""
    counts = [[np.bincount(labels[part], minlength=CLASSES).tolist() for part in split] for split in splits]
    return {
        "class_total": [test for test, _ in counts] * len(METHODS),
        "class_train": [train for _, train in counts] * len(METHODS),
        "test_pool_sha256": [pool_digest(test) for test, _ in splits] * len(METHODS),
    }


def pool_digest(indices):
    """SHA-256 over the sorted indices as little-endian int64, as a worker records it."""
    return hashlib.sha256(np.sort(indices).astype("<i8").tobytes()).hexdigest()


def _paired_t(values):
    """p of the paired t-test as if the splits were independent; 1 where all differences are equal."""
    d = values["t0"] - values["base"]
    return 1.0 if np.ptp(d) == 0 else float(stats.ttest_1samp(d, 0.0).pvalue)


def _resplits(n):
    rates = {
        "any": Rate("any false *better* or *worse*", 0.5, 6.5),
        "naive": Rate("paired t ≤ 0.05, as if the splits were independent", 15.0, 40.0, held=False),
    }
    return Simulation(f"equal classifiers, {n} new splits of 300 samples", partial(resplits, n=n), rates)


SPLITS = (
    _resplits(5),
    _resplits(10),
    Simulation(
        "equal classifiers, 10 seeds on one test pool of 75 samples",
        partial(one_pool, n=10),
        {
            "any": Rate("*better* or *worse* on this pool (true there, not on new samples)", 20.0, 90.0, held=False),
            "naive": Rate("paired t ≤ 0.05", 20.0, 90.0, held=False),
        },
    ),
)
