"""Where the spread between seeds comes from: initialisation, data order, augmentation, split.

A seed study has one arm per source and one arm for all sources. In the arm of a source, the record's seed changes this
source alone; in the other arm it changes all of them. The setting `vary` of an arm names its source.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.stats.description import sd, sd_interval
from analysis.stats.types import as_floats
from analysis.study.ledger import Ledger
from analysis.study.plan import ALL, FIELD, Plan


@dataclass(frozen=True)
class Component:
    """Spread that one source of randomness causes alone.

    Attributes:
        block: The condition.
        method: The arm's other settings.
        source: `init`, `order`, `augment`, `split`, or `all`.
        n: Runs.
        sd: SD over the runs, with its chi-square interval.
        sd_low: Lower bound.
        sd_high: Upper bound.
        share: Its variance as a share of the variance of all sources together; None without such an arm.
        p_less: Brown–Forsythe p that its spread equals that of all sources together; None for `all`.
    """

    block: str
    method: str
    source: str
    n: int
    sd: float
    sd_low: float
    sd_high: float
    share: float | None
    p_less: float | None
    method_note: str = "chi-square interval, normal runs; sources need not add up when they interact"


def components(plan: Plan, ledger: Ledger) -> tuple[Component, ...]:
    """Components of every block and method that a seed study varies; empty without a `vary` factor."""
    groups: dict[tuple[str, str], dict[str, list[float]]] = {}
    for arm in plan.arms:
        source = arm.settings.get(FIELD)
        values = list(ledger.values(arm.label, plan.metric).values())
        if source is None or len(values) < 3:
            continue
        rest = {k: v for k, v in arm.settings.items() if k != FIELD and k not in plan.block_fields}
        name = ", ".join(f"{k}={v}" for k, v in sorted(rest.items()))
        groups.setdefault((arm.block, name), {})[str(source)] = values
    return tuple(
        _component(block, name, source, values, by_source.get(ALL))
        for (block, name), by_source in groups.items()
        for source, values in by_source.items()
    )


def _component(block: str, name: str, source: str, values: ArrayLike, everything: ArrayLike | None) -> Component:
    interval = sd_interval(values)
    total = sd(everything) ** 2 if everything is not None else 0.0
    compared = everything is not None and source != ALL
    return Component(
        block=block,
        method=name,
        source=source,
        n=as_floats(values).size,
        sd=interval.estimate,
        sd_low=interval.low,
        sd_high=interval.high,
        share=interval.estimate**2 / total if total > 0 else None,
        p_less=brown_forsythe(values, everything) if compared and everything is not None else None,
    )


def brown_forsythe(a: ArrayLike, b: ArrayLike) -> float | None:
    """P that two groups have the same spread (Levene's test about medians); None without any spread."""
    x, y = as_floats(a), as_floats(b)
    if sd(x) == 0 and sd(y) == 0:
        return None
    p = float(stats.levene(x, y, center="median").pvalue)
    return p if np.isfinite(p) else None
