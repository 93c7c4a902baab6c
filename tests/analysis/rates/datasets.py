"""Simulations of tables with several data sets: the verdicts over all of them, the ranks, and the pooled intervals."""

from functools import partial

import numpy as np

from analysis.results.analyse import summary_of
from tests.analysis.rates.reports import (
    SD,
    accuracies,
    arms_of,
    differences,
    family,
    records,
    study,
    table_report,
)
from tests.analysis.rates.simulation import Rate, Simulation

DECIDED = ("better", "worse")


def equal(rng, datasets, treatments, n):
    """All methods are equal on every data set."""
    report = table_report(accuracies(rng, datasets, 1 + treatments, n), "across")
    over = _words(report)
    apart = any(row["apart"] for part in report["across"] for row in part["ranks"]["pairwise"])
    return {
        "report": differences(report["comparisons"]) or any(over) or apart,
        "over": any(over),
        "ranks": apart,
    }


def opposite(rng, datasets, treatments, n):
    """True differences of opposite sign, whose average over these data sets is exactly zero."""
    signs = np.resize([1.0, -1.0], datasets)[:, None]
    report = table_report(accuracies(rng, datasets, 1 + treatments, n, 3 * SD * signs), "across")
    pairs = [pair for part in report["across"] for pair in part["pairs"]]
    averages = [p["average"]["ci"] for p in pairs]
    return {
        "average": any(p["verdict"] in DECIDED for p in pairs),
        "ci": np.mean([ci["low"] <= 0 <= ci["high"] for ci in averages]),
    }


def new_datasets(rng, datasets, treatments, n, tau):
    """Data sets drawn at random, on which the treatments differ; over all such data sets they are equal."""
    effects = rng.normal(0, tau * SD, (datasets, treatments))
    report = table_report(accuracies(rng, datasets, 1 + treatments, n, effects), "across")
    pairs = [pair for part in report["across"] for pair in part["pairs"]]
    pooled = [p["pooled"] for p in pairs]
    new = rng.normal(0, tau * SD, len(pooled))
    return {
        "new": any(p["verdict_new"] in DECIDED for p in pairs),
        "pooled": np.mean([p["ci"]["low"] <= 0 <= p["ci"]["high"] for p in pooled]),
        "prediction": np.mean(
            [p["prediction"]["low"] <= x <= p["prediction"]["high"] for p, x in zip(pooled, new, strict=True)]
        ),
    }


def unfinished(rng, n):
    """Three data sets whose true average difference is zero; the second and the third are read after each seed."""
    effects = SD * np.array([[4.0], [-2.0], [-2.0]])
    values = {
        f"m{m} d{d}": row for d, pair in enumerate(accuracies(rng, 3, 2, n, effects)) for m, row in enumerate(pair)
    }
    plan, rows = _plan_of_datasets(n), records(values)
    found = [_words(summary_of(plan, _before(rows, k), ("across",))) for k in range(3, n + 1)]
    return {"before": any(map(any, found[:-1])), "complete": any(found[-1])}


def _plan_of_datasets(n):
    families = [family(f"d{d}", f"m0 d{d}", [f"m1 d{d}"]) for d in range(3)]
    described = [
        (f"m{m} d{d}", f"d{d}", m == 0, {"dataset": f"d{d}", "method": f"m{m}"}) for d in range(3) for m in range(2)
    ]
    return study(families, n, arms=arms_of(described))


def _before(rows, seeds):
    """All records of the first data set, and those of the first seeds of the others."""
    return [r for r in rows if r.arm.endswith("d0") or r.seed < seeds]


def _words(report):
    pairs = [pair for part in report["across"] for pair in part["pairs"]]
    return [word in DECIDED for pair in pairs for word in (pair["verdict"], pair["verdict_new"])]


def _equal(datasets, treatments, n):
    rates = {
        "report": Rate("any false *better*, *worse* or *different* in the whole report", 1.5, 6.5),
        "over": Rate("any false one over all data sets", 0.0, 6.5),
        "ranks": Rate("any two methods different in the ranks", 0.0, 6.5),
    }
    one = partial(equal, datasets=datasets, treatments=treatments, n=n)
    return Simulation(f"equal methods, {datasets} data sets × {treatments}, n = {n}", one, rates)


def _opposite(datasets, treatments, n):
    rates = {
        "average": Rate("any false *better* or *worse* of the average", 1.5, 6.5),
        "ci": Rate("the interval of the average contains it", 93.5, 97.0),
    }
    one = partial(opposite, datasets=datasets, treatments=treatments, n=n)
    return Simulation(f"opposite differences, {datasets} data sets × {treatments}, n = {n}", one, rates)


def _new(datasets, treatments, n, tau=2.0, pooled=(93.5, 98.0), prediction=(93.0, 98.0)):
    rates = {
        "new": Rate("any false *better* or *worse* for new data sets", 0.0, 6.5),
        "pooled": Rate("the pooled interval contains the mean over all data sets", *pooled),
        "prediction": Rate("the prediction interval contains a new data set", *prediction),
    }
    one = partial(new_datasets, datasets=datasets, treatments=treatments, n=n, tau=tau)
    spread = "" if tau == 2 else f", τ = {tau:g} SD"
    return Simulation(f"random differences, {datasets} data sets × {treatments}, n = {n}{spread}", one, rates)


def _unfinished(n):
    rates = {
        "before": Rate("any *better* or *worse* over all data sets before all seeds are there", 0.0, 0.0),
        "complete": Rate("any false *better* or *worse* over all data sets when all are there", 1.5, 6.5),
    }
    return Simulation(f"read after each of {n} seeds, 3 data sets", partial(unfinished, n=n), rates, 1000)


DATASETS = (
    _equal(4, 2, 5),
    _equal(12, 2, 5),
    _opposite(4, 1, 5),
    _opposite(6, 2, 5),
    _new(6, 1, 5),
    _new(8, 2, 5),
    _new(3, 1, 5, 2.0, (90.0, 98.0, False), (88.0, 99.5, False)),
    _new(4, 1, 3, 1.0, (90.0, 97.0, False), (88.0, 97.0, False)),
    _new(6, 1, 5, 0.3, (90.0, 97.0, False), (86.0, 96.0, False)),
    _unfinished(10),
)
