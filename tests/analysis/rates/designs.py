"""Simulations of single designs: seeds as blocks, noise of the test samples, several data sets, crossed sources."""

from dataclasses import replace
from functools import partial

import numpy as np

from analysis.results.analyse import summary_of
from analysis.stats.designs.dunnett import compare_with_control
from analysis.stats.designs.failures import failures_last
from analysis.stats.hierarchical import hierarchical
from analysis.stats.multiplicity import holm
from analysis.stats.paired_t import paired_test
from silhouette.bits import pack
from silhouette.config import crossed as crossed_seeds
from tests.analysis.rates.reports import family, records, study
from tests.analysis.rates.simulation import Rate, Simulation

ALPHA = 0.05
NAMES = ("init", "order", "split")
"""Sources that are crossed."""
COVERS = (93.5, 97.0)


def with_control(rng, treatments, n, lead, spread):
    """A control and treatments on the same seeds; the first treatment is better by `lead` SDs of a difference."""
    values = rng.normal(0, 1, (n, 1)) + rng.normal(0, 1, (n, 1 + treatments))
    values[:, -1] *= spread
    values[:, 1] += lead * 2**0.5
    found = compare_with_control(values)
    p = holm([paired_test(values[:, j] - values[:, 0]).p for j in range(1, 1 + treatments)])
    true = np.array([lead * 2**0.5] + [0.0] * (treatments - 1))
    inside = [low <= t <= high for low, t, high in zip(found.low, true, found.high, strict=True)]
    return {
        "false": any(q <= ALPHA for q, t in zip(found.p, true, strict=True) if not t),
        "all": all(inside),
        "found": found.p[0] <= ALPHA,
        "holm": p[0] <= ALPHA,
    }


def with_best(rng, levels, n, lead):
    """Levels on the same seeds, one better than all others: whether Hsu's bounds hold, and what they leave."""
    values = rng.normal(0, 1, (n, 1)) + rng.normal(0, 1, (n, levels))
    values[:, 0] += lead * 2**0.5
    names = [f"t{level}" for level in range(levels)]
    rows = records(dict(zip(names, values.T, strict=True)))
    (found,) = summary_of(study([family("b", names[0], names[1:])], n), rows, ("best",))["best"]
    gaps = np.array([lead] + [-lead] * (levels - 1)) * 2**0.5 / 100
    bounds = [(arm["worse_by_at_most"], arm["better_by_at_most"]) for arm in found["arms"]]
    return {
        "all": all(-worse <= gap <= better for gap, (worse, better) in zip(gaps, bounds, strict=True)),
        "kept": found["arms"][0]["can_be_best"],
        "alone": sum(arm["can_be_best"] for arm in found["arms"]) == 1,
    }


def failing(rng, n, share):
    """Two equal arms of which a share of the runs gives no result."""
    arms = [{s: v if rng.random() > share else None for s, v in enumerate(rng.normal(0, 1, n))} for _ in range(2)]
    return {"any": failures_last(*arms).wilcoxon.p <= ALPHA}


def samples_noise(rng, n, samples, same):
    """Two methods that are equal on all samples there could be; each seed of them errs on samples of its own."""
    hardness = rng.normal(1.0, 1.0, samples)
    own = rng.normal(0, 0.5, (2, samples))
    shift = rng.normal(0, 0.03, (2, n))
    noise = rng.normal(0, 1 - same, (2, n, samples))
    a, b = hardness + own[:, None, :] + shift[:, :, None] + noise > 0
    values = {name: 100 * right.mean(axis=1) for name, right in (("base", b), ("t0", a))}
    rows = records(values, **bits_of([*b, *a]))
    (found,) = summary_of(study([family("b", "base", ["t0"])], n), rows, ("samples",))["samples"]
    return {
        "whole": found["ci_low"] <= 0 <= found["ci_high"],
        "seeds": found["ci_seeds_low"] <= 0 <= found["ci_seeds_high"],
    }


def bits_of(rows):
    """The columns of records that say which test samples were right, and that all have the same ones."""
    return {
        "correct_bits": [pack(row) for row in rows],
        "correct_samples": [len(row) for row in rows],
        "test_pool_sha256": ["a" * 64] * len(rows),
    }


def over_datasets(rng, datasets, n, tau):
    """Effects on data sets drawn at random, each with its estimate from n seeds: what the intervals contain."""
    true = rng.normal(0.5, tau, datasets)
    new = float(rng.normal(0.5, tau))
    d = true[:, None] + rng.normal(0, 1, (datasets, n))
    found = hierarchical(d.mean(axis=1), d.var(axis=1, ddof=1) / n, 0.5, df=n - 1)
    shrunken = np.array(found.shrunken)
    return {
        "mean": found.mean_low <= 0.5 <= found.mean_high,
        "new": found.new_low <= new <= found.new_high,
        "each": np.mean((np.array(found.shrunken_low) <= true) & (true <= np.array(found.shrunken_high))),
        "gain": found.better,
        "closer": ((shrunken - true) ** 2).sum() < ((d.mean(axis=1) - true) ** 2).sum(),
    }


def crossed(rng, shape, sds):
    """Crossed sources of known variance: whether the bounds contain them."""
    values = rng.normal(0, 1, shape)
    for axis, sd in enumerate(sds):
        own = [1] * len(shape)
        own[axis] = shape[axis]
        values += rng.normal(0, sd, own)
    seeds, config = list(crossed_seeds(*shape)), {"vary": "*".join(NAMES[: len(shape)])}
    both = {"a": True, "not run": False}
    arms = [{"arm": x, "block": "b", "baseline": own, "settings": {}, "config": config} for x, own in both.items()]
    plan = replace(study([family("b", "a", ["not run"])], 1, arms=arms), seeds=tuple(seeds))
    rows = records({"a": 100 * values.ravel()}, seed=seeds)
    arm, _ = summary_of(plan, rows, ("crossed",))["crossed"]
    lines = list(zip(arm["components"], sds, strict=False))  # the sources come first
    return {
        "covers": np.mean([c["low"] <= sd**2 <= c["high"] for c, sd in lines]),
        "fix": any(c["advice"] == "may be fixed" for c, sd in lines if sd**2 >= _tenth(sds)),
        "randomise": any(c["advice"] == "randomise" for c, sd in lines if not sd),
    }


def _tenth(sds):
    """A tenth of the variance of one run."""
    return 0.1 * (1 + sum(sd**2 for sd in sds))


def _with_control(treatments, n, lead=0.0, spread=1.0):
    equal = spread == 1
    false = (2.0, 6.5, True) if equal else (5.0, 30.0, False)
    rates = {
        "false": Rate("any of the equal treatments called different", *false),
        "all": Rate("all intervals contain their difference", *(COVERS if equal else (60.0, 97.0)), equal),
        "found": Rate("the first treatment found by Dunnett", *((50.0, 100.0) if lead else (0.0, 5.0))),
        "holm": Rate("the first treatment found by Holm on single t-tests", *((5.0, 100.0) if lead else (0.0, 5.0))),
    }
    what = f"one of {treatments} differs by {lead:g} SD" if lead else f"{treatments} equal treatments"
    other = "" if equal else f", one with {spread:g} times the noise"
    one = partial(with_control, treatments=treatments, n=n, lead=lead, spread=spread)
    return Simulation(f"Dunnett, {what}{other}, n = {n}", one, rates)


def _with_best(levels, n, lead):
    rates = {
        "all": Rate("all largest losses and leads are right", 93.5, 100.0),
        "kept": Rate("the best level is among those that can be the best", 93.5, 100.0),
        "alone": Rate("it is the only one", 0.0, 100.0),
    }
    one = partial(with_best, levels=levels, n=n, lead=lead)
    return Simulation(f"the best of {levels} levels, ahead by {lead:g} SD, n = {n}", one, rates)


def _samples(n, samples, same):
    rates = {
        "whole": Rate("the interval for new seeds and new test samples contains it", 93.5, 97.5),
        "seeds": Rate("the interval for new seeds contains it", 10.0, 95.0, held=False),
    }
    one = partial(samples_noise, n=n, samples=samples, same=same)
    return Simulation(f"equal classifiers, {samples} test samples, n = {n}", one, rates, 1000)


def _datasets(datasets, n, tau):
    rates = {
        "mean": Rate("the interval of the mean over data sets contains it", 92.5, 99.0),
        "new": Rate("the interval of a new data set contains its difference", 91.0, 99.5),
        "each": Rate("the interval of a shrunken difference contains the true one", 92.5, 97.5),
        "gain": Rate("mean of P(a new data set gains more than the margin), which is 50 %", 47.0, 53.0),
        "closer": Rate("the shrunken differences are nearer to the true ones", 50.0, 100.0),
    }
    one = partial(over_datasets, datasets=datasets, n=n, tau=tau)
    return Simulation(f"hierarchical model, {datasets} data sets, τ = {tau:g} SD, n = {n}", one, rates)


def _crossed(shape, sds):
    rates = {
        "covers": Rate("the bounds of a variance contain it", 93.5, 98.5),
        "fix": Rate("a source with a tenth of the variance or more *may be fixed*", 0.0, 5.0),
        "randomise": Rate("a source that does nothing is to be *randomised*", 0.0, 6.0),
    }
    sizes, spreads = " × ".join(map(str, shape)), ", ".join(f"{sd:g}" for sd in sds)
    return Simulation(f"crossed sources, {sizes} runs, SDs {spreads}", partial(crossed, shape=shape, sds=sds), rates)


MANY_TO_ONE = (
    _with_control(6, 5),
    _with_control(3, 10),
    _with_control(6, 5, lead=2.0),
    _with_control(3, 10, spread=3.0),
    _with_best(7, 5, 0.0),
    _with_best(7, 5, 2.0),
    *(
        Simulation(
            f"equal arms, {share:.0%} of the runs fail, n = {n}",
            partial(failing, n=n, share=share),
            {"any": Rate("p with failures ranked last ≤ 0.05", 2.0, 6.5)},
        )
        for n, share in ((10, 0.1), (20, 0.3))
    ),
)
SAMPLES = (_samples(5, 450, 0.5), _samples(10, 450, 0.9), _samples(5, 2000, 0.5))
HIERARCHICAL = tuple(_datasets(d, 5, tau) for d in (4, 8, 12) for tau in (0.3, 1.0))
CROSSED = (_crossed((5, 5), (1.0, 0.5)), _crossed((10, 10), (1.0, 0.0)), _crossed((4, 4, 4), (1.0, 0.5, 0.0)))
