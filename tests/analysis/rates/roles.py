"""Simulations of studies with an ablation or an exploratory family beside the primary one."""

from functools import partial

from tests.analysis.rates.reports import LEVEL, NOISE, SD, differences, family, records, study, verdicts
from tests.analysis.rates.simulation import Rate, Simulation

SEEDS = 10


def roles(rng, primary, others, role):
    """Primary comparisons with true standardised differences, and a second family in which all are equal.

    Args:
        rng: The generator.
        primary: True d_z of each primary comparison with `base`.
        others: Number of comparisons of the second family, with the first treatment as baseline.
        role: Role of the second family.
    """
    first, second = [f"t{i}" for i in range(len(primary))], [f"a{i}" for i in range(others)]
    plan = study([family("main", "base", first), family("second", "t0", second, role)], SEEDS)
    effects = {"base": 0.0, **dict(zip(first, primary, strict=True)), **dict.fromkeys(second, primary[0])}
    shared = LEVEL + rng.normal(0, NOISE, SEEDS)
    values = {arm: d_z * SD + shared + rng.normal(0, NOISE, SEEDS) for arm, d_z in effects.items()}
    return _counted(verdicts(plan, records(values)), primary)


def _counted(found, primary):
    false = differences([c for c, d_z in zip(found, primary, strict=False) if d_z == 0])
    second = found[len(primary) :]
    confirmed = differences([c for c in second if c["role"] != "exploratory"])
    return {
        "primary": false,
        "second": confirmed,
        "both": false or confirmed,
        "exploratory": differences([c for c in second if c["role"] == "exploratory"]),
    }


def _roles(name, effects, others, role, **bounds):
    counted = {
        "primary": "any false *better* or *worse* in the primary family",
        "second": "any false one in the ablation family, while its gate is open",
        "both": "any false one in either of the two families",
        "exploratory": "any false one in a family that is shown as exploratory",
    }
    rates = {key: Rate(words, *bounds[key]) for key, words in counted.items()}
    return Simulation(name, partial(roles, primary=effects, others=others, role=role), rates)


def exploratory_families(rng):
    """Six blocks with two equal arms each, all exploratory, as in a study of what moves the seeds."""
    plan = study([family(f"block {i}", f"base{i}", [f"t{i}"], "exploratory") for i in range(6)], 20)
    values = {arm: LEVEL + rng.normal(0, NOISE, 20) for i in range(6) for arm in (f"base{i}", f"t{i}")}
    return {"exploratory": differences(verdicts(plan, records(values)))}


ROLES = (
    Simulation(
        "6 exploratory families of 1 equal, n = 20", exploratory_families,
        {"exploratory": Rate("any false *better* or *worse* in any of them", 3.5, 6.5)},
    ),
    _roles(
        "primary of 1 equal, ablation of 10 equal, n = 10", (0.0,), 10, "ablation",
        primary=(3.5, 6.5), second=(0.0, 2.5), both=(3.5, 6.5), exploratory=(0.0, 6.5),
    ),
    _roles(
        "primary of 1 large, ablation of 10 equal, n = 10", (5.0,), 10, "ablation",
        primary=(0.0, 0.0), second=(1.5, 6.5), both=(1.5, 6.5), exploratory=(0.0, 0.0),
    ),
    _roles(
        "primary of 1 large and 1 equal, ablation of 1 equal, n = 10", (5.0, 0.0), 1, "ablation",
        primary=(3.5, 6.5), second=(3.5, 6.5), both=(6.0, 11.5, False), exploratory=(0.0, 0.0),
    ),
    _roles(
        "primary of 1 equal, exploratory of 10 equal, n = 10", (0.0,), 10, "exploratory",
        primary=(3.5, 6.5), second=(0.0, 0.0), both=(3.5, 6.5), exploratory=(1.0, 6.5),
    ),
)  # fmt: skip
