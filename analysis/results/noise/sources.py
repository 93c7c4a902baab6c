"""Where the spread between seeds comes from: initialisation, data order, augmentation, data.

A seed study has one arm per source and one arm for all sources. In the arm of a source, the record's seed changes this
source alone; in the other arm it changes all of them. The setting `vary` of an arm names its source. A seed gives
the source the same random numbers in both arms, so their values are paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.stats.description import sd, sd_interval
from analysis.stats.variance_ratio import VarianceRatio, variance_ratio
from analysis.study.ledger import Ledger
from analysis.study.plan import ALL, FIELD, Plan


@dataclass(frozen=True)
class Component:
    """Spread that one source of randomness causes alone.

    Attributes:
        block: The condition.
        method: The arm's other settings.
        source: `init`, `order`, `augment`, `split`, `class_order`, `subset`, or `all`.
        n: Runs.
        sd: SD over the runs, with its chi-square interval.
        sd_low: Lower bound.
        sd_high: Upper bound.
        share: Its variance as a share of the variance of all sources together; None without such an arm.
        share_low: Lower bound of the share; None where it cannot be computed.
        share_high: Upper bound, above 1 where the source alone may spread more than all together.
        p_less: Pitman–Morgan p that its spread equals that of all sources together; None for `all`.
    """

    block: str
    method: str
    source: str
    n: int
    sd: float
    sd_low: float
    sd_high: float
    share: float | None
    share_low: float | None
    share_high: float | None
    p_less: float | None
    method_note: str = "chi-square interval, normal runs; sources need not add up when they interact"


def components(plan: Plan, ledger: Ledger) -> tuple[Component, ...]:
    """Components of every block and method that a seed study varies; empty without a `vary` factor."""
    groups: dict[tuple[str, str], dict[str, Mapping[int, float]]] = {}
    for arm in plan.arms:
        source = arm.settings.get(FIELD)
        values = ledger.values(arm.label, plan.metric)
        if source is None or arm.crossed or len(values) < 3:
            continue
        rest = {k: v for k, v in arm.settings.items() if k != FIELD and k not in plan.block_fields}
        name = ", ".join(f"{k}={v}" for k, v in sorted(rest.items()))
        groups.setdefault((arm.block, name), {})[str(source)] = values
    return tuple(
        _component(block, name, source, values, by_source.get(ALL), 1 - plan.alpha)
        for (block, name), by_source in groups.items()
        for source, values in by_source.items()
    )


def _component(
    block: str, name: str, source: str, own: Mapping[int, float], everything: Mapping[int, float] | None, level: float
) -> Component:
    values = list(own.values())
    interval = sd_interval(values, level)
    total = sd(list(everything.values())) ** 2 if everything is not None else 0.0
    ratio = _compared(own, everything, level) if source != ALL and everything is not None else None
    return Component(
        block=block,
        method=name,
        source=source,
        n=len(values),
        sd=interval.estimate,
        sd_low=interval.low,
        sd_high=interval.high,
        share=interval.estimate**2 / total if total > 0 else None,
        share_low=ratio.low if ratio else None,
        share_high=ratio.high if ratio else None,
        p_less=ratio.p if ratio else None,
    )


def _compared(own: Mapping[int, float], everything: Mapping[int, float], level: float) -> VarianceRatio | None:
    """Both spreads on the seeds that both arms have."""
    seeds = sorted(own.keys() & everything.keys())
    return variance_ratio([own[s] for s in seeds], [everything[s] for s in seeds], level)
