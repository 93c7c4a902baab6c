"""Simulations of further parts of the report: sensitivity, imbalance, sources of randomness."""

from functools import partial

import numpy as np

from analysis.results.analyse import summary_of
from analysis.results.sensitivity import curves
from analysis.study.ledger import make_ledger
from tests.analysis.rates.reports import LEVEL, NOISE, SD, arms_of, family, records, study
from tests.analysis.rates.simulation import Rate, Simulation

ALPHA = 0.05
TAUS = (0.03, 0.1, 0.3, 1.0)
SOURCES = ("all", "init", "order", "augment")
CLASS_SIZES = (400, 250, 150, 90, 60, 40, 25, 15, 10, 5)
TEST_PER_CLASS = 100


def factor(name, values, default=None):
    """A factor as study.json holds it."""
    return {"field": name, "label": name, "values": list(values), "default": default, "log": False, "unit": ""}


def noisy(rng, labels, n, effects=None):
    """Accuracies by arm, with noise that the seeds share."""
    shared = LEVEL + rng.normal(0, NOISE, n)
    return {x: shared + rng.normal(0, NOISE, n) + (effects or {}).get(x, 0.0) for x in labels}


def factor_study(rng, n, lead=0.0):
    """A study of a factor with four levels; the third is better by `lead`, in SDs of a difference."""
    labels = [f"t{tau:g}" for tau in TAUS]
    levels = [(x, "b", False, {"lambda_sil": 0.2, "tau_s": tau}) for x, tau in zip(labels, TAUS, strict=True)]
    arms = arms_of([("base", "b", True, {"lambda_sil": 0.0, "tau_s": 0.1}), *levels])
    factors = [factor("lambda_sil", (0.0, 0.2), 0.2), factor("tau_s", TAUS, 0.1)]
    plan = study([family("b", "base", labels, "exploratory")], n, arms=arms, factors=factors)
    values = noisy(rng, ["base", *labels], n, {labels[2]: lead * SD})
    return plan, records(values)


def equal_levels(rng, n):
    """All levels are equal: intervals of the levels, and the tests of the ANOVA."""
    found = summary_of(*factor_study(rng, n), ("sensitivity",))["sensitivity"]
    levels = found["curves"][0]["levels"]
    effects = [effect for part in found["shares"] for effect in part["effects"]]
    return {
        "pointwise": np.mean([_holds(level, "ci") for level in levels]),
        "band": all(_holds(level, "band") for level in levels),
        "anova": any(effect["p"] is not None and effect["p"] <= ALPHA for effect in effects),
    }


def best_level(rng, n, lead):
    """One level is the best: the plateau, and the largest loss and lead that are stated for each level."""
    levels = only_curve(*factor_study(rng, n, lead)).levels
    leads = np.array([-lead, -lead, lead, -lead]) * SD / 100
    return {
        "best": not levels[2].on_plateau,
        "bounds": all(_within(level, x) for level, x in zip(levels, leads, strict=True)),
    }


def only_curve(plan, rows):
    """The one curve of a report, without the ANOVA that stands beside it."""
    (curve,) = curves(plan, make_ledger(plan, rows))
    return curve


def _within(level, lead):
    return -level.worse_by_at_most <= lead <= level.better_by_at_most


def _holds(level, name):
    return level[f"{name}_low"] <= LEVEL / 100 <= level[f"{name}_high"]


def insensitive(rng, n):
    """A factor with three levels; both others differ from the default by exactly the margin."""
    margin, taus = 8 * SD, (0.03, 0.1, 0.3)
    labels = [f"t{tau:g}" for tau in taus]
    arms = arms_of([(x, "b", tau == 0.1, {"tau_s": tau}) for x, tau in zip(labels, taus, strict=True)])
    plan = study(
        [family("b", labels[1], [labels[0], labels[2]])], n, arms=arms, factors=[factor("tau_s", taus, 0.1)],
        sesoi=margin / 100,
    )  # fmt: skip
    values = noisy(rng, labels, n, {labels[0]: margin, labels[2]: -margin})
    return {"range": len(only_curve(plan, records(values)).insensitivity) > 1}


def imbalance(rng, n):
    """Two equal methods with class counts and results by class, in a mild and in a strong imbalance."""
    blocks = {"mild": 2.0, "strong": 80.0}
    arms = arms_of(
        [
            (f"{m} {b}", b, m == "base", {"imbalance": "long_tail", "imbalance_factor": strength, "lambda_sil": lam})
            for b, strength in blocks.items()
            for m, lam in (("base", 0.0), ("t0", 0.2))
        ]
    )
    plan = study(
        [family(b, f"base {b}", [f"t0 {b}"]) for b in blocks], n, arms=arms,
        factors=[factor("imbalance_factor", (2.0, 80.0)), factor("lambda_sil", (0.0, 0.2))],
    )  # fmt: skip
    rows = records(noisy(rng, [arm["arm"] for arm in arms], n), **_by_class(rng, len(arms) * n))
    found = summary_of(plan, rows, ("tail", "interactions"))
    return {
        "groups": any(g["p_adjusted"] <= ALPHA for g in found["tail"][1]["groups"]),
        "classes": any(g["p_adjusted"] <= ALPHA for g in found["tail"][1]["classes"]),
        "interaction": any(c["p_adjusted"] <= ALPHA for c in found["interactions"]),
    }


def _by_class(rng, rows):
    """Results by class: accuracies whose means do not depend on the method."""
    correct = rng.binomial(TEST_PER_CLASS, np.linspace(0.95, 0.4, len(CLASS_SIZES)), (rows, len(CLASS_SIZES)))
    return {
        "class_train": [list(CLASS_SIZES)] * rows,
        "class_total": [[TEST_PER_CLASS] * len(CLASS_SIZES)] * rows,
        "class_correct": correct.tolist(),
    }


def sources(rng, n):
    """A seed study in which every source alone gives the spread of all together."""
    arms = arms_of([(source, "b", source == "all", {"vary": source}) for source in SOURCES])
    plan = study([family("b", "all", ["init"], "exploratory")], n, arms=arms, factors=[factor("vary", SOURCES)])
    values = {source: LEVEL + rng.normal(0, NOISE, n) for source in SOURCES}
    found = summary_of(plan, records(values), ("variance",))["variance"]
    return {
        "sd": np.mean([c["sd_low"] <= NOISE / 100 <= c["sd_high"] for c in found]),
        "less": found[1]["p_less"] <= ALPHA,
    }


PARTS = (
    Simulation(
        "four equal levels of a factor, n = 10",
        partial(equal_levels, n=10),
        {
            "pointwise": Rate("the interval of a level contains its mean", 94.0, 96.0),
            "band": Rate("the band contains all four means", 94.0, 98.0),
            "anova": Rate("any p of the ANOVA ≤ 0.05", 3.5, 6.5),
        },
    ),
    Simulation(
        "one best of four levels of a factor, n = 10",
        partial(best_level, n=10, lead=0.5),
        {
            "best": Rate("the best level is left out of the plateau", 0.0, 6.5),
            "bounds": Rate("all stated largest losses and leads are right", 93.5, 99.5),
        },
    ),
    Simulation(
        "two levels whose difference from the default = margin, n = 10",
        partial(insensitive, n=10),
        {"range": Rate("the insensitivity range holds one of them", 3.0, 6.5)},
    ),
    Simulation(
        "equal methods in two imbalances, n = 10",
        partial(imbalance, n=10),
        {
            "groups": Rate("any adjusted p of the shot groups of one comparison ≤ 0.05", 3.0, 6.5),
            "classes": Rate("any adjusted p of its classes ≤ 0.05", 2.5, 6.5),
            "interaction": Rate("any adjusted p of an interaction ≤ 0.05", 3.5, 6.5),
        },
    ),
    Simulation(
        "equal sources of randomness, n = 10",
        partial(sources, n=10),
        {
            "sd": Rate("the interval of an SD contains it", 94.0, 96.0),
            "less": Rate("p that one source has the spread of all ≤ 0.05", 1.0, 6.5),
        },
    ),
)
