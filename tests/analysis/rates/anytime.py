"""Simulations of studies that run seeds until they are decided, beside a fixed number of seeds and declared looks."""

from functools import partial

import numpy as np
from scipy import stats

from analysis import decide
from analysis.stats.anytime import anytime, half_width
from analysis.stats.sequential import nominal_level
from tests.analysis.rates.reports import family, records, study
from tests.analysis.rates.seeds import arms
from tests.analysis.rates.simulation import Rate, Simulation

ALPHA = 0.05
LOOKS = (5, 10, 20)
MOST = 40
"""Largest number of seeds of the simulated studies with a difference."""


def until_decided(rng, treatments, n):
    """Equal methods, and a look after every seed up to n: as a decision stands, the last look shows all of them."""
    values = arms(rng, n, treatments)
    plan = study([family("b", "base", [a for a in values if a != "base"])], n, stop="decided")
    return {"any": any(c.decided_at for c in decide(plan, records(values)).comparisons)}


def at_margin(rng, treatments, n):
    """True differences of exactly the margin, some SDs wide, and a look after every seed."""
    values = arms(rng, n, treatments, effect=1.0)
    plan = study([family("b", "base", [a for a in values if a != "base"])], n, stop="decided", sesoi=0.01)
    return {"any": any(c.verdict == "equivalent" for c in decide(plan, records(values)).comparisons)}


def every_interval(rng, n):
    """The confidence sequence at all numbers of seeds at once, and the t-interval for comparison."""
    d = rng.normal(1.0, 1.0, n)
    path, sizes = anytime(d), np.arange(3, n + 1)
    gap = np.abs(path.mean[2:] - 1.0)
    widths = np.array([half_width(int(k), ALPHA) for k in sizes])
    usual = stats.t.isf(ALPHA / 2, sizes - 1)
    return {"all": bool((gap <= widths * path.error[2:]).all()), "t": bool((gap <= usual * path.error[2:]).all())}


def one_difference(rng, d_z):
    """One true difference: what is decided by 20 and 40 seeds, and how many seeds that takes, as a share of 40."""
    d = rng.normal(d_z, 1.0, MOST)
    small = anytime(d).p <= ALPHA
    at = int(np.argmax(small)) + 1 if small.any() else MOST
    pocock = [k for k in LOOKS if stats.ttest_1samp(d[:k], 0).pvalue <= nominal_level(ALPHA, LOOKS)]
    return {
        "by20": bool(small[19]),
        "by40": bool(small[-1]),
        "seeds": at / MOST,
        "fixed": stats.ttest_1samp(d[:10], 0).pvalue <= ALPHA,
        "pocock": bool(pocock),
        "pocock_seeds": (pocock or [LOOKS[-1]])[0] / MOST,
    }


def _until(treatments):
    rate = Rate("any false *better* or *worse* at any look", 0.5, 5.0)
    one = partial(until_decided, treatments=treatments, n=100)
    return Simulation(f"looks after each of 100 seeds, m = {treatments}", one, {"any": rate}, 1000)


def _found(d_z, by20, seeds, fixed):
    rates = {
        "by20": Rate("decided after 20 seeds or fewer", *by20),
        "by40": Rate("decided after 40 seeds or fewer", by20[0], 100.0),
        "seeds": Rate("seeds used, of at most 40", *seeds),
        "fixed": Rate("found by a fixed n = 10", *fixed),
        "pocock": Rate("found at looks after 5, 10, 20 seeds", by20[0], 100.0),
        "pocock_seeds": Rate("seeds used with these looks, of 40", 10.0, 60.0),
    }
    return Simulation(f"until decided, one true difference, d_z = {d_z:g}", partial(one_difference, d_z=d_z), rates)


ANYTIME = (
    *(_until(m) for m in (1, 3, 10)),
    Simulation(
        "looks after each of 100 seeds, m = 3, difference = margin",
        partial(at_margin, treatments=3, n=100),
        {"any": Rate("any *equivalent* at any look", 0.0, 5.0)},
        1000,
    ),
    Simulation(
        "one difference, 3 to 100 seeds",
        partial(every_interval, n=100),
        {
            "all": Rate("the confidence sequence contains it at every number of seeds", 95.0, 99.5),
            "t": Rate("the t-interval contains it at every number of seeds", 40.0, 90.0, held=False),
        },
    ),
    _found(0.5, (15.0, 30.0), (70.0, 82.0), (20.0, 40.0)),
    _found(1.0, (84.0, 92.0), (29.0, 37.0), (76.0, 84.0)),
    _found(1.5, (99.0, 100.0), (18.0, 24.0), (97.0, 100.0)),
    _found(2.0, (99.0, 100.0), (15.0, 20.0), (99.0, 100.0)),
)
