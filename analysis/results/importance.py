"""Importance of hyper-parameters in the samples of a tune phase, by Optuna, with a noise floor."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.study.records import Record

MIN_CONFIGS = 12
DUMMIES = 19
"""Random dummy settings; a setting without influence is above all of them once in twenty times."""


@dataclass(frozen=True)
class Importance:
    """Share of the explained variation of the tuning value that a setting carries.

    Attributes:
        arm: Label of the arm whose search it is.
        name: Config field.
        share: Importance among the settings and 19 dummy settings of random numbers; all together sum to 1.
        noise_floor: The largest share that a dummy got.
        above_noise: Whether it exceeds the floor.
        n: Candidates used.
    """

    arm: str
    name: str
    share: float
    noise_floor: float
    above_noise: bool
    n: int
    method: str = "fANOVA (Optuna), random forest on complete tune-phase trials"


Sample = tuple[Mapping[str, Any], float]
"""Settings and value of a complete candidate."""


def importances(samples: Mapping[str, Sequence[Sample]], seed: int) -> tuple[Importance, ...]:
    """Importance of every tuned setting inside each arm: what differs between arms was declared, not tuned.

    Args:
        samples: Complete candidates by arm, without those that ASHA stopped.
        seed: Seed of the forests and of the dummies.
    """
    return tuple(found for arm, own in samples.items() for found in _in_arm(arm, own, seed))


def _in_arm(arm: str, samples: Sequence[Sample], seed: int) -> tuple[Importance, ...]:
    """Importance of every setting that varies among the samples, with the noise floor of dummy settings.

    Args:
        arm: Label.
        samples: Its complete candidates.
        seed: Seed of the forest and of the dummies.

    Returns:
        The settings by falling importance; empty with fewer than 12 candidates or nothing that varies.
    """
    fields = _varying([s for s, _ in samples])
    if len(samples) < MIN_CONFIGS or not fields or len({v for _, v in samples}) < 2:
        return ()
    noise = np.random.default_rng(seed).random((len(samples), DUMMIES))
    dummies = [f"dummy {i}" for i in range(DUMMIES)]
    known = [
        {**{f: s[f] for f in fields}, **dict(zip(dummies, row.tolist(), strict=True))}
        for (s, _), row in zip(samples, noise, strict=True)
    ]
    found = _fanova(known, [v for _, v in samples], [*fields, *dummies], seed)
    floor = max(found[d] for d in dummies)
    out = [Importance(arm, n, found[n], floor, found[n] > floor, len(samples)) for n in fields]
    return tuple(sorted(out, key=lambda i: -i.share))


def _varying(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    names = sorted({name for s in settings for name in s})
    return [n for n in names if len({json.dumps(s.get(n)) for s in settings}) > 1 and all(n in s for s in settings)]


def _fanova(
    samples: Sequence[Mapping[str, Any]], values: Sequence[float], fields: Sequence[str], seed: int
) -> dict[str, float]:
    import optuna  # lazily: only a study with a tune phase needs it
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {name: _distribution(optuna, [s[name] for s in samples]) for name in fields}
    study = optuna.create_study()
    for settings, value in zip(samples, values, strict=True):
        study.add_trial(optuna.trial.create_trial(params=dict(settings), distributions=space, value=float(value)))
    evaluator = FanovaImportanceEvaluator(n_trees=16, max_depth=12, seed=seed)
    found = get_param_importances(study, evaluator=evaluator, params=list(fields))
    return {name: float(found.get(name, 0.0)) for name in fields}


def _distribution(optuna: Any, values: Sequence[Any]) -> Any:
    """The range of the samples, logarithmic where it covers two decades or more."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values):
        return optuna.distributions.CategoricalDistribution(sorted(set(values), key=str))
    low, high = min(numbers), max(numbers)
    log = low > 0 and math.log10(high / low) >= 2
    if all(isinstance(v, int) for v in numbers):
        return optuna.distributions.IntDistribution(low, high, log=log)
    return optuna.distributions.FloatDistribution(low, high, log=log)


def tune_samples(records: Sequence[Record], metric: str) -> dict[str, list[Sample]]:
    """Samples of the tune phase by arm: the settings of each candidate and the mean value over its seeds."""
    groups: dict[str, dict[str, list[float]]] = {}
    for record in records:
        if record.phase == "tune" and record.complete and record.config and metric in record.metrics:
            groups.setdefault(record.arm, {}).setdefault(record.config, []).append(record.metrics[metric])
    return {
        arm: [(json.loads(config), math.fsum(v) / len(v)) for config, v in sorted(own.items())]
        for arm, own in sorted(groups.items())
    }
