"""Simulations of plain tables: no differences at all, differences of exactly the margin, and some large ones."""

from functools import partial

import numpy as np

from tests.analysis.rates.reports import (
    LEVEL,
    MARGIN,
    NOISE,
    SD,
    accuracies,
    arms_of,
    beyond,
    differences,
    equivalences,
    family,
    records,
    study,
    table_verdicts,
    verdicts,
)
from tests.analysis.rates.simulation import REPEATS, Rate, Simulation

NULLS = [(blocks, treatments, n) for treatments in (1, 10) for blocks in (1, 4, 12) for n in (5, 10)]
ANY = "any false *better* or *worse*"


def null(rng, blocks, treatments, n):
    """All methods are equal."""
    return {"any": differences(table_verdicts(accuracies(rng, blocks, 1 + treatments, n)))}


def unpaired(rng, n):
    """Two equal methods on seeds of their own, declared unpaired."""
    values = LEVEL + rng.normal(0, NOISE, (1, 2, n))
    return {"any": differences(table_verdicts(values, unpaired=True))}


def at_margin(rng, comparisons, n):
    """Every true difference is exactly the margin; each comparison has a block of its own."""
    values = accuracies(rng, comparisons, 2, n, effects=MARGIN)
    found = table_verdicts(values, sesoi=MARGIN)
    kinds = {"beyond": beyond(found), "equivalent": equivalences(found)}
    return {**kinds, "either": any(kinds.values())}


def some_true(rng, true, equal, n):
    """Large differences in some blocks, none in the others: Holm's later steps are then the least strict."""
    effects = np.repeat([10 * SD, 0.0], [true, equal])[:, None]
    found = table_verdicts(accuracies(rng, true + equal, 2, n, effects))
    return {"any": differences(found[true:]), "missed": not all(differences([c]) for c in found[:true])}


def by_block(rng, blocks, families, n):
    """All methods are equal, and the study declares an error rate for each block by itself, over all its families."""
    values = accuracies(rng, blocks, 1 + families, n)
    labels = [(f"m{m} b{b}", b, m) for b in range(blocks) for m in range(1 + families)]
    declared = [family(f"{b} {m}", f"m0 b{b}", [f"m{m} b{b}"]) for b in range(blocks) for m in range(1, 1 + families)]
    described = [(label, f"b{b}", m == 0, {"method": m}) for label, b, m in labels]
    plan = study(declared, n, error_rate="block", arms=arms_of(described))
    found = verdicts(plan, records({label: values[b, m] for label, b, m in labels}))
    return {"first": differences(found[:families]), "any": differences(found)}


def _null(blocks, treatments, n):
    low = 3.5 if treatments == 1 else 1.5  # the shared baseline makes the comparisons alike, and Holm stricter
    one = partial(null, blocks=blocks, treatments=treatments, n=n)
    repeats = 1600 if treatments == 10 else REPEATS
    return Simulation(f"equal methods, {blocks} × {treatments}, n = {n}", one, {"any": Rate(ANY, low, 6.5)}, repeats)


def _unpaired(n):
    return Simulation(f"equal methods, unpaired, n = {n}", partial(unpaired, n=n), {"any": Rate(ANY, 3.0, 6.5)})


def _at_margin(comparisons, n):
    rates = {
        "beyond": Rate("any *beyond the declared effect*", 1.0, 6.5),
        "equivalent": Rate("any *equivalent*", 3.0, 6.5),
        "either": Rate("either of the two", 3.0, 10.0, held=False),
    }
    one = partial(at_margin, comparisons=comparisons, n=n)
    return Simulation(f"difference = margin, m = {comparisons}, n = {n}", one, rates)


def _some_true(true, equal, n=10):
    rates = {
        "any": Rate("any false *better* or *worse* among the equal ones", 3.5, 6.5),
        "missed": Rate("any large difference missed", 0.0, 1.0),
    }
    one = partial(some_true, true=true, equal=equal, n=n)
    return Simulation(f"{true} large differences and {equal} equal, n = {n}", one, rates)


def _by_block(blocks, n, families=1, low=3.5, anywhere=(14.0, 23.0)):
    rates = {
        "first": Rate("false *better* or *worse* in one given block", low, 6.5),
        "any": Rate("in any block", *anywhere, held=False),
    }
    name = f"{blocks} × {families}" + (" families" if families > 1 else "")
    one = partial(by_block, blocks=blocks, families=families, n=n)
    return Simulation(f"equal methods, error rate by block, {name}, n = {n}", one, rates)


NULL_TABLES = (
    *(_null(*case) for case in NULLS),
    *(_unpaired(n) for n in (5, 10)),
    _by_block(4, 10),
    _by_block(2, 10, 3, 2.0, (5.0, 13.0)),
)
MARGINS = (*(_at_margin(m, n) for n in (5, 10) for m in (1, 3, 6, 10)), _some_true(1, 1), _some_true(6, 4))
