"""All simulations, by the question that they answer."""

from tests.analysis.rates.anytime import ANYTIME
from tests.analysis.rates.datasets import DATASETS
from tests.analysis.rates.designs import CROSSED, HIERARCHICAL, MANY_TO_ONE, SAMPLES
from tests.analysis.rates.effects import COVERAGE, OTHER_NOISE, OTHER_TESTS, POWER
from tests.analysis.rates.nulls import MARGINS, NULL_TABLES
from tests.analysis.rates.parts import PARTS
from tests.analysis.rates.roles import ROLES
from tests.analysis.rates.seeds import READING
from tests.analysis.rates.splits import SPLITS

GROUPS = {
    "Equal methods in a plain table": NULL_TABLES,
    "Differences of exactly the margin, and some large ones": MARGINS,
    "Reports that are read while seeds are added": READING,
    "Seeds until the comparisons are decided": ANYTIME,
    "Primary, ablation and exploratory families": ROLES,
    "Several data sets": DATASETS,
    "Test pools that move with the seed": SPLITS,
    "Seeds as blocks": MANY_TO_ONE,
    "Noise of the test samples": SAMPLES,
    "A model of the data sets": HIERARCHICAL,
    "Crossed sources of randomness": CROSSED,
    "Further parts of the report": PARTS,
    "Other tests and other noise": (*OTHER_TESTS, *OTHER_NOISE),
    "Coverage of the intervals": COVERAGE,
    "What is found": POWER,
}
"""Simulations by the heading under which docs/statistics.md shows them."""
SIMULATIONS = tuple(simulation for group in GROUPS.values() for simulation in group)
