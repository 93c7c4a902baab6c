"""Simulations of reports that are read while seeds are added: before the plan is complete, at looks, and after it."""

from functools import partial

from tests.analysis.rates.reports import (
    LEVEL,
    MARGIN,
    NOISE,
    differences,
    equivalences,
    family,
    records,
    study,
    verdicts,
    words,
)
from tests.analysis.rates.simulation import REPEATS, Rate, Simulation

ALPHA = 0.05
EXTENDED = [{"from": 10, "to": 20, "at": "2026-01-01T00:00:00+00:00", "declared": False}]


def arms(rng, seeds, treatments=1, effect=0.0):
    """Accuracies of a baseline `base` and its treatments, by seed."""
    shared = LEVEL + rng.normal(0, NOISE, seeds)
    own = {f"t{i}": effect + shared + rng.normal(0, NOISE, seeds) for i in range(treatments)}
    return {"base": shared + rng.normal(0, NOISE, seeds), **own}


def plan_of(values, seeds, **changes):
    """One primary family of all treatments."""
    return study([family("b", "base", [a for a in values if a != "base"])], seeds, **changes)


def read(plan, rows, seeds):
    """The comparisons of a report that is made when the first `seeds` seeds are there."""
    return verdicts(plan, [r for r in rows if r.seed < seeds])


def running(rng, n, effect):
    """A report after each seed from the third on; `naive` is what p alone would have said."""
    values = arms(rng, n, effect=effect)
    plan, rows = plan_of(values, n), records(values)
    before = [read(plan, rows, k) for k in range(3, n)]
    complete = read(plan, rows, n)
    return {
        "before": any(words(found) for found in before),
        "naive": any(c["p_t"] <= ALPHA for found in (*before, complete) for c in found),
        "complete": words(complete),
    }


def block_by_block(rng, blocks, n):
    """A report after each block of a study whose blocks are run one after the other."""
    values = {}
    for b in range(blocks):
        values |= {f"{name} {b}": v for name, v in arms(rng, n).items()}
    plan = study([family(f"b{b}", f"base {b}", [f"t0 {b}"]) for b in range(blocks)], n)
    rows = records(values)
    return {"any": any(differences(_after_block(plan, rows, b)) for b in range(blocks))}


def _after_block(plan, rows, last):
    return verdicts(plan, [r for r in rows if int(r.arm.split()[1]) <= last])


def looks(rng, at, treatments):
    """Declared looks: the study ends with the first look that gives a difference."""
    values = arms(rng, at[-1], treatments)
    rows = records(values)
    return {"any": any(differences(_look(values, rows, at, seeds)) for seeds in at)}


def looks_at_margin(rng, at):
    """The same for *equivalent*, where the true difference is exactly the margin."""
    values = arms(rng, at[-1], effect=MARGIN)
    rows = records(values)
    return {"any": any(equivalences(_look(values, rows, at, seeds, sesoi=MARGIN / 100)) for seeds in at)}


def between_looks(rng, at, effect):
    """Reports between two declared looks, which give no verdict however large the difference is."""
    values = arms(rng, at[-1], effect=effect)
    rows = records(values)
    return {"any": any(words(_look(values, rows, at, k)) for k in range(3, at[-1]) if k not in at)}


def _look(values, rows, at, seeds, **changes):
    """The report after some seeds; as `ablate run --seeds` does, the plan grows to the next look."""
    planned = next(look for look in at if look >= seeds)
    return read(plan_of(values, planned, looks=list(at), **changes), rows, seeds)


def extended(rng, effect):
    """Seeds 10 to 19 were added after the report on ten; `naive` is what p alone would have said, at 10 or at 20."""
    values = arms(rng, 20, effect=effect)
    rows = records(values)
    first = read(plan_of(values, 10), rows, 10)
    second = read(plan_of(values, 20, extended=EXTENDED), rows, 20)
    return {"any": words(second), "naive": any(c["p_t"] <= ALPHA for c in (*first, *second))}


def _running(n, effect, name):
    large = effect > 0
    rates = {
        "before": Rate("any verdict word before all seeds are there", 0.0, 0.0),
        "complete": Rate("any verdict word when all are there", *((99.0, 100.0) if large else (3.5, 6.5)), not large),
        "naive": Rate("p ≤ 0.05 at some reading, without the rule", 8.0, 100.0, held=False),
    }
    one = partial(running, n=n, effect=effect)
    return Simulation(f"read after each of {n} seeds, {name}", one, rates, 300 if large else REPEATS)


def _looks(at, treatments=1):
    rate = Rate("any false *better* or *worse* at any look", 3.0, 6.5)
    one = partial(looks, at=at, treatments=treatments)
    return Simulation(f"looks at {', '.join(map(str, at))} seeds, m = {treatments}", one, {"any": rate})


def _extended(effect, name):
    rates = {
        "any": Rate("any verdict word after the extension", 0.0, 0.0),
        "naive": Rate("p ≤ 0.05 at 10 or at 20, without the rule", 7.0, 100.0, held=False),
    }
    one = partial(extended, effect=effect)
    return Simulation(f"10 seeds, then 20 without a look, {name}", one, rates, 300 if effect else REPEATS)


READING = (
    _running(5, 0.0, "equal methods"),
    _running(10, 0.0, "equal methods"),
    _running(10, MARGIN, "a large difference"),
    Simulation(
        "read after each of 4 blocks, n = 5",
        partial(block_by_block, blocks=4, n=5),
        {"any": Rate("any false *better* or *worse* at any reading", 3.0, 6.5)},
    ),
    _looks((5, 10)),
    _looks((5, 10, 15)),
    _looks((4, 6, 20)),
    _looks((5, 10), treatments=4),
    Simulation(
        "looks at 5, 10 seeds, difference = margin",
        partial(looks_at_margin, at=(5, 10)),
        {"any": Rate("any *equivalent* at any look", 3.0, 6.5)},
    ),
    Simulation(
        "read between looks at 5, 10 seeds, a large difference",
        partial(between_looks, at=(5, 10), effect=MARGIN),
        {"any": Rate("any verdict word", 0.0, 0.0)},
        repeats=300,
    ),
    _extended(0.0, "equal methods"),
    _extended(MARGIN, "a large difference"),
)
