"""Importance of hyper-parameters in the irregular samples of a tune phase, through Optuna, with its noise floor."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.ledger import Record

MIN_CONFIGS = 12


@dataclass(frozen=True)
class Importance:
    """Share of the variation of the tuning value that a setting explains.

    Attributes:
        name: Config field.
        share: Importance; all together sum to 1, the unexplained included nowhere, so read it against the
        floor.
        noise_floor: 95 % point of the same number when the values are shuffled among the configurations.
        above_noise: Whether it exceeds the floor.
        n: Configurations used.
    """

    name: str
    share: float
    noise_floor: float
    above_noise: bool
    n: int
    method: str = "fANOVA (Optuna), random forest on complete tune-phase trials"


def importances(
    samples: Sequence[tuple[Mapping[str, Any], float]], seed: int, *, shuffles: int = 40
) -> tuple[Importance, ...]:
    """Importance of every setting that varies among the samples.

    Args:
        samples: Settings and value of each complete configuration; ASHA-cut ones must not be among them.
        seed: Seed of the forest and of the shuffles.
        shuffles: Number of shuffles behind the noise floor.

    Returns:
        The settings by falling importance; empty with fewer than 12 configurations or nothing that varies.
    """
    fields = _varying([s for s, _ in samples])
    if len(samples) < MIN_CONFIGS or not fields or len({v for _, v in samples}) < 2:
        return ()
    values = np.array([v for _, v in samples])
    found = _fanova(samples, values, fields, seed)
    rng = np.random.default_rng(seed)
    null = [_fanova(samples, rng.permutation(values), fields, seed + i + 1) for i in range(shuffles)]
    floors = {name: float(np.quantile([n[name] for n in null], 0.95)) for name in fields}
    out = [Importance(n, found[n], floors[n], found[n] > floors[n], len(samples)) for n in fields]
    return tuple(sorted(out, key=lambda i: -i.share))


def _varying(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    names = sorted({name for s in settings for name in s})
    return [n for n in names if len({json.dumps(s.get(n)) for s in settings}) > 1 and all(n in s for s in settings)]


def _fanova(
    samples: Sequence[tuple[Mapping[str, Any], float]], values: np.ndarray, fields: Sequence[str], seed: int
) -> dict[str, float]:
    import optuna  # lazily: only a study with a tune phase needs it

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {name: _distribution(optuna, [s[name] for s, _ in samples]) for name in fields}
    study = optuna.create_study()
    for (settings, _), value in zip(samples, values, strict=True):
        params = {name: settings[name] for name in fields}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=float(value)))
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=32, seed=seed)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator, params=list(fields))
    return {name: float(found.get(name, 0.0)) for name in fields}


def _distribution(optuna: Any, values: Sequence[Any]) -> Any:
    """The range that the samples themselves span, logarithmic where they cover two decades or more."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values):
        return optuna.distributions.CategoricalDistribution(sorted(set(values), key=str))
    low, high = min(numbers), max(numbers)
    log = low > 0 and math.log10(high / low) >= 2
    if all(isinstance(v, int) for v in numbers):
        return optuna.distributions.IntDistribution(low, high, log=log)
    return optuna.distributions.FloatDistribution(low, high, log=log)


def tune_samples(records: Sequence[Record], metric: str) -> list[tuple[Mapping[str, Any], float]]:
    """One sample per configuration of the tune phase: its settings and the mean value over its seeds."""
    groups: dict[str, list[float]] = {}
    for record in records:
        if record.phase == "tune" and record.complete and record.config and metric in record.metrics:
            groups.setdefault(record.config, []).append(record.metrics[metric])
    return [(json.loads(config), math.fsum(v) / len(v)) for config, v in sorted(groups.items())]
