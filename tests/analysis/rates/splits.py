"""Simulations with real classifiers on one small data set: test pools that move with the seed, and one that does not.

Two nearest-centroid classifiers see different features of the same samples. The features of both have the same
distribution, so the two methods are equal: on new samples neither is better.
"""

import hashlib
from functools import partial

import numpy as np
from scipy import stats

from analysis.results.analyse import summary_of
from tests.analysis.rates.reports import arms_of, differences, family, records, study, verdicts
from tests.analysis.rates.simulation import Rate, Simulation

SAMPLES, CLASSES, FEATURES = 300, 3, 5
TEST, VALIDATION = 75, 45
CENTERS = 0.9 * np.eye(CLASSES, FEATURES)
METHODS = ("base", "t0")
ALPHA = 0.05


def data_set(rng, scales=(1.0, 1.0)):
    """Labels, and features of shape (method, sample, feature); `scales` are the distances of each method's classes."""
    labels = rng.integers(0, CLASSES, SAMPLES)
    centers = np.array(scales)[:, None, None] * CENTERS[labels]
    return labels, centers + rng.normal(0, 1, (len(METHODS), SAMPLES, FEATURES))


def nearest_centroid(features, labels, train, test):
    """Whether each test sample is classified rightly."""
    members = labels[train][:, None] == np.arange(CLASSES)
    centroids = (members.T @ features[train]) / members.sum(axis=0)[:, None]
    distances = ((features[test][:, None, :] - centroids[None]) ** 2).sum(axis=2)
    return distances.argmin(axis=1) == labels[test]


def new_splits(rng, n):
    """Test and training samples of n seeds, all drawn anew by each seed."""
    orders = [rng.permutation(SAMPLES) for _ in range(n)]
    return [(order[:TEST], order[TEST + VALIDATION :]) for order in orders]


def splits_of_one_pool(rng, n):
    """Test and training samples of n seeds that share the test pool."""
    pool, rest = np.split(rng.permutation(SAMPLES), [TEST])
    return [(pool, rng.permutation(rest)[VALIDATION:]) for _ in range(n)]


def equal_classifiers(rng, n, draw):
    """Two equal methods; `naive` is the paired t-test, as if the splits were independent."""
    values, columns = trained(data_set(rng), draw(rng, n))
    rows = records(dict(zip(METHODS, values, strict=True)), **columns)
    found = verdicts(study([family("b", *_arms())], n), rows)
    return {"any": differences(found), "naive": _paired_t(values[1] - values[0]) <= ALPHA}


def opposite_classifiers(rng, n):
    """Two data sets: on one the treatment is better, on the other as much worse. Their average is exactly zero."""
    values, columns = {}, {}
    for name, scales in {"d0": (0.8, 1.4), "d1": (1.4, 0.8)}.items():
        own, more = trained(data_set(rng, scales), new_splits(rng, n))
        values |= {f"{method} {name}": row for method, row in zip(METHODS, own, strict=True)}
        columns = {key: columns.get(key, []) + column for key, column in more.items()}
    arms = arms_of([(label, label[-2:], label.startswith("base"), {"dataset": label[-2:]}) for label in values])
    plan = study([family(name, *_arms(f" {name}")) for name in ("d0", "d1")], n, arms=arms)
    (part,) = summary_of(plan, records(values, **columns), ("across",))["across"]
    return {"average": part["pairs"][0]["verdict"] in ("better", "worse")}


def _arms(block=""):
    return f"{METHODS[0]}{block}", [f"{METHODS[1]}{block}"]


def trained(data, splits):
    """Accuracies in percent by method and seed, and the columns that say which samples were trained and tested on."""
    labels, features = data
    values = [[100 * nearest_centroid(x, labels, train, test).mean() for test, train in splits] for x in features]
    counts = [[np.bincount(labels[part], minlength=CLASSES).tolist() for part in split] for split in splits]
    columns = {
        "class_total": [test for test, _ in counts] * len(METHODS),
        "class_train": [train for _, train in counts] * len(METHODS),
        "test_pool_sha256": [pool_digest(test) for test, _ in splits] * len(METHODS),
    }
    return np.array(values), columns


def pool_digest(indices):
    """SHA-256 over the sorted indices as little-endian int64, as a worker records it."""
    return hashlib.sha256(np.sort(indices).astype("<i8").tobytes()).hexdigest()


def _paired_t(d):
    """p of the paired t-test; 1 where all differences are equal."""
    return 1.0 if np.ptp(d) == 0 else float(stats.ttest_1samp(d, 0.0).pvalue)


def _equal(n):
    rates = {
        "any": Rate("any false *better* or *worse*", 0.5, 6.5),
        "naive": Rate("paired t ≤ 0.05, as if the splits were independent", 10.0, 40.0, held=False),
    }
    one = partial(equal_classifiers, n=n, draw=new_splits)
    return Simulation(f"equal classifiers, {n} new splits of 300 samples", one, rates)


SPLITS = (
    _equal(5),
    _equal(10),
    Simulation(
        "opposite classifiers, 10 new splits of two data sets",
        partial(opposite_classifiers, n=10),
        {"average": Rate("any false *better* or *worse* of the average", 0.0, 6.5)},
    ),
    Simulation(
        "equal classifiers, 10 seeds on one test pool of 75 samples",
        partial(equal_classifiers, n=10, draw=splits_of_one_pool),
        {
            "any": Rate("*better* or *worse* on this pool, although equal on new samples", 20.0, 95.0, held=False),
            "naive": Rate("paired t ≤ 0.05", 20.0, 95.0, held=False),
        },
    ),
)
