"""What a budget buys, said before a study runs: seeds on data sets, and what each choice can show."""

from __future__ import annotations

import math
import platform
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablations.cli.detectable import correction, shared_samples
from ablations.cluster.resources import usable_cpus
from ablations.design.budgets.limits import Amounts, Budget
from ablations.state.pending import has_complete_plan, slots
from ablations.state.spending import HOUR, check_priced, mean_amounts, read_spending
from silhouette.errors import InputError
from silhouette.results import Store

if TYPE_CHECKING:
    from ablations.design.study import Study
    from ablations.state.pending import StudyState

MAX_ROWS = 12
"""Choices that are listed; those with the most seeds are left out first."""


@dataclass(frozen=True)
class Spread:
    """SD of the paired differences, as an upper bound; 1 where nothing is known, so that all is in units of it.

    Attributes:
        sd: The bound.
        seeds: Seeds that it was estimated from; 0 where nothing is known.
        unit: Unit of what can be shown.
    """

    sd: float = 1.0
    seeds: int = 0
    unit: str = "SD"


def budget_lines(
    given: Namespace, budget: Budget | None, study: Study, store: Store, state: StudyState
) -> Iterator[str]:
    """What `ablate plan` says of a budget and of the sources of chance.

    Args:
        given: The command line.
        budget: Its budget; None without one.
        study: The study.
        store: Its results folder.
        state: Its trials, with the pace of similar ones.

    Raises:
        StudyError: If a machine has no price.
    """
    yield from source_lines(store)
    if budget is None:
        return
    total, count = state.expected_seconds(), max(1, len(state.to_run))
    gpus = float(state.gpu) if given.gpus_per_trial is None else given.gpus_per_trial
    each = run_amounts(study, store, budget, None if not total else total / count, gpus)
    if budget.prices is not None and each is not None:
        yield f"expected cost: {budget.show('cost', each.cost * len(state.to_run))} for the trials to run"
    if budget.limits:
        at_once = slots(given.cpus_per_trial, usable_cpus())
        yield from buying_lines(study, budget, each, spread_of(study, store), min(at_once, given.jobs or at_once))


def run_amounts(study: Study, store: Store, budget: Budget, seconds: float | None, gpus: float) -> Amounts | None:
    """What one confirm trial takes on average over the arms; None while nothing is known.

    Args:
        study: The study.
        store: Its records.
        budget: With the prices, where money counts.
        seconds: Mean seconds of a trial as other studies here took them, where this one has no records.
        gpus: GPUs of a trial.
    """
    spending = read_spending(store, budget.prices)
    known = [spending.expected(arm.label, arm.budget) for arm in study.arms]
    found = [amounts for amounts in known if amounts is not None]
    if found:
        return mean_amounts(found, len(found))
    if seconds is None:
        return None
    hours, hourly = seconds / HOUR, 0.0
    if budget.prices is not None:
        check_priced(budget.prices, [(None, platform.node())], "this machine")
        hourly = budget.prices.hourly(None, platform.node()) or 0.0
    return Amounts(hours, hours * gpus, hours * hourly)


def spread_of(study: Study, store: Store) -> Spread:
    """The upper 80 % bound of the SD of the paired differences, pooled over the comparisons of a complete plan.

    Before the plan is complete nobody should see what depends on test values, so nothing is known then.
    """
    if not has_complete_plan(store):
        return Spread()
    import numpy as np

    from analysis.results.analyse import load
    from analysis.stats.designs.budget import sd_upper
    from analysis.stats.pairing import pair
    from analysis.study.ledger import make_ledger

    plan, records = load(store)
    ledger = make_ledger(plan, records)
    pairs = [
        pair(ledger.values(t, plan.metric), ledger.values(f.baseline, plan.metric)).differences
        for f in plan.families
        for t in f.treatments
    ]
    found = [d for d in pairs if len(d) > 2]
    if not found:
        return Spread()
    pooled = math.sqrt(float(np.mean([d.var(ddof=1) for d in found])))
    seeds = min(len(d) for d in found)
    factor, unit = (100.0, "points") if study.measure.percent else (1.0, study.unit or study.metric)
    return Spread(sd_upper(pooled, seeds - 1) * factor, seeds, unit) if pooled > 0 else Spread()


def buying_lines(study: Study, budget: Budget, each: Amounts | None, spread: Spread, at_once: int) -> Iterator[str]:
    """What the limits of a budget buy: a table, and what its numbers mean.

    Args:
        study: The study.
        budget: One limit or more; the one that buys the fewest seeds counts.
        each: What one trial takes; None where nothing is known.
        spread: Of the paired differences.
        at_once: Trials at once, for hours.
    """
    if each is None:
        yield f"what {budget} buys: unknown, there are no records of similar trials; run one seed first"
        return
    costs = {u: getattr(each, u) / (at_once if u == "hours" else 1) for u in budget.limits}
    costs = {unit: cost for unit, cost in costs.items() if cost > 0}
    if not costs:
        yield f"what {budget} buys: any number of seeds, trials here take none of it"
        return
    unit = min(costs, key=lambda name: budget.limits[name] / costs[name])
    rows = list(_rows(study, budget.limits[unit], costs[unit], spread))
    yield f"what {budget.show(unit, budget.limits[unit])} buys, at {budget.show(unit, costs[unit])} a trial:"
    if not rows:
        yield "  fewer than 3 seeds of two arms on one data set, which give no verdict"
        return
    heads = ("blocks", "arms in each", "seeds", "uses", "finds", "finds, mean", "equivalent", "finds, twice as much")
    table = [heads, *rows[:MAX_ROWS]]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    yield from ("  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table)
    yield from _meaning(study, spread)


def _rows(study: Study, limit: float, cost: float, spread: Spread) -> Iterator[tuple[str, ...]]:
    from analysis.stats.designs.budget import purchases
    from analysis.stats.sequential import nominal_level

    role, _ = correction(study)
    families = [family for family in study.all_families() if family.role == role]
    most, blocks = max((len(f.treatments) for f in families), default=1), max(1, len(families))
    alpha = nominal_level(study.alpha, study.looks)
    for treatments in sorted({most, max(1, most // 2), 1}, reverse=True):
        own = [
            purchases(
                budget, cost, spread.sd, treatments=treatments, most_datasets=blocks, alpha=alpha,
                together=study.error_rate == "study", overlap=shared_samples(study),
            )
            for budget in (limit, 2 * limit)
        ]  # fmt: skip
        twice = {one.datasets: one for one in own[1]}
        for one in own[0]:
            shown = (one.detectable, one.detectable_average, one.equivalence, twice[one.datasets].detectable)
            numbers = (str(one.datasets), str(treatments + 1), str(one.seeds), f"{one.cost:.3g}")
            yield (*numbers, *(f"{value:.3g} {spread.unit}" for value in shown))


def _meaning(study: Study, spread: Spread) -> Iterator[str]:
    yield (
        "  finds: the difference in one block that is found with 80 % power; mean: that of the mean over the blocks; "
        "equivalent: the margin within which equal arms are called equivalent with 80 % power; all at the level of "
        "the verdict"
    )
    if spread.seeds:
        yield (
            f"  computed with the upper 80 % bound of the SD of the paired differences, {spread.sd:.3g} {spread.unit}, "
            f"from {spread.seeds} seeds; do not test with these seeds again: choosing n from them inflates the error"
        )
    else:
        yield "  SD: that of the paired differences, which no one knows before; a complete pilot in --results gives it"
    if study.stop:
        yield "  for a fixed number of seeds; with --until-decided a clear difference needs fewer, an unclear one more"


def _crosses(store: Store) -> bool:
    """Whether a study crosses sources, by its plan alone: its records are many."""
    from analysis.study.study_file import read_plan

    return store.read_bytes("study.json") is not None and any(arm.crossed for arm in read_plan(store).arms)


def source_lines(store: Store) -> Iterator[str]:
    """What crossed studies in the same results location say about sources of chance: which may be fixed."""
    from analysis.results.analyse import load
    from analysis.results.noise.crossed import crossed_arms
    from analysis.study.ledger import make_ledger

    for name in (store.study, *store.siblings()):
        own = Store(store.location, name)
        try:
            if not _crosses(own) or not has_complete_plan(own):
                continue
            plan, records = load(own)
        except InputError:  # a damaged study beside this one: its own commands say so
            continue
        for arm in crossed_arms(plan, make_ledger(plan, records)):
            sources = [c for c in arm.components if len(c.sources) == 1]
            if sources:
                shares = ", ".join(f"{c.sources[0]} {100 * c.share:.0f} % ({c.advice})" for c in sources)
                yield f"variance of one run in {name}, {arm.arm}: {shares}; vary with the seed what is not to be fixed"
