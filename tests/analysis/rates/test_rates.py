"""Simulated error rates of the report's verdicts, and coverage of its intervals.

The slow tests run each simulation at a size that pins its rates. The fast ones make one report of each, so that the
code cannot rot.
"""

import pytest

from tests.analysis.rates.catalogue import SIMULATIONS
from tests.analysis.rates.simulation import generator, simulate
from tests.analysis.rates.table import key, shown_rates

every_simulation = pytest.mark.parametrize("simulation", SIMULATIONS, ids=lambda simulation: simulation.name)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@every_simulation
def test_simulated_rates_lie_within_their_bounds_and_are_those_of_the_documentation(simulation):
    found, shown = simulate(simulation), shown_rates()
    outside = {rate.counted: found[name] for name, rate in simulation.rates.items() if not _within(rate, found[name])}
    assert outside == {}
    for name, rate in simulation.rates.items():
        assert abs(shown[key(simulation, rate)] - found[name].percent) <= 0.25, rate.counted


def _within(rate, found):
    return found.n > 0 and rate.low <= found.percent <= rate.high


@every_simulation
def test_a_simulation_counts_what_it_declares_and_gives_no_word_that_must_never_be_given(simulation):
    counted = simulation.one(generator(simulation, 0))
    assert counted.keys() == simulation.rates.keys()
    assert all(value is None or 0 <= value <= 1 for value in counted.values())
    never = [name for name, rate in simulation.rates.items() if rate.high == 0]
    assert not any(counted[name] for name in never)


def test_names_of_simulations_are_unique():
    assert len({s.name for s in SIMULATIONS}) == len(SIMULATIONS)
