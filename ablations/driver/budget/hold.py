"""The budget of a run: what is checked before it, and how it holds in both phases."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence

from ablations.cluster.nodes import alive
from ablations.cluster.place import machine_of
from ablations.cluster.resources import TrialResources
from ablations.design.arms import Trial
from ablations.design.budgets.declared import budget_of_store, note_end, raised_seeds
from ablations.design.budgets.limits import Budget
from ablations.design.study import Study
from ablations.driver.budget.gate import BudgetGate
from ablations.driver.gates import Gate
from ablations.driver.options import RunOptions
from ablations.errors import StudyError
from ablations.state.spending import check_priced, read_spending
from ablations.workers.spec import confirm_spec
from silhouette.results import Store


def check_budget(options: RunOptions, store: Store) -> Budget | None:
    """The budget that holds for a run: its own, else the one that the plan declares; None without one.

    Raises:
        StudyError: If a larger budget would add seeds after a look, or a machine has no price.
    """
    raised = raised_seeds(options.budget, store)
    if raised is not None and not options.extend:
        raise StudyError(
            f"--extend: {store.root} has results that could be seen; with a budget that allows up to {raised[1]} "
            f"instead of {raised[0]} seeds the report will give no verdict: extended after looking; keep the budget, "
            "or pass --extend"
        )
    budget = None if options.only else options.budget or budget_of_store(store)
    if budget is not None and budget.prices is not None:
        spending = store.load(("machine", "host")).to_pylist()
        recorded = {(row["machine"], row["host"]) for row in spending}
        check_priced(budget.prices, sorted(recorded, key=str), "a record of a machine")
        if options.address is None:
            check_priced(budget.prices, [(None, platform.node())], "this machine")
    return budget


def check_nodes_priced(budget: Budget | None, options: RunOptions) -> None:
    """Refuse a cluster with a node for trials that has no price. Needs a Ray session.

    Raises:
        StudyError: If one has none.
    """
    if budget is None or budget.prices is None or options.address is None:
        return
    nodes = [node for node in alive() if node.has_labels(options.labels)]
    check_priced(budget.prices, [(machine_of(n.labels), n.host.partition(" ")[0]) for n in nodes], "a node")


def make_budget_gate(budget: Budget, store: Store, trials: Sequence[Trial], others: Sequence[Gate]) -> BudgetGate:
    """The gate of a budget for the confirm trials that are to run.

    Args:
        budget: The limits.
        store: Its records.
        trials: Those to run, in running order.
        others: Further gates.
    """
    spending = read_spending(store, budget.prices)
    return BudgetGate(budget, spending, [(confirm_spec(t), t.arm.budget) for t in trials], store, others=others)


def slots_of(resources: TrialResources, jobs: int | None) -> Callable[[], float]:
    """How many trials run at once."""
    return lambda: max(1, min(resources.fits(), jobs or 1_000_000))


def may_begin_candidate(budget: Budget | None, store: Store, seeds: int) -> Callable[[str, int], bool]:
    """Whether the budget allows one more candidate of an arm beside those that run.

    Args:
        budget: The limits; None has none.
        store: The records.
        seeds: Tuning seeds of a candidate.
    """
    if budget is None:
        return lambda arm, running: True
    limits, prices = budget.limits, budget.prices

    def may_begin(arm: str, running: int) -> bool:
        spending = read_spending(store, prices)
        used, each = spending.used(), spending.candidate(arm, seeds)
        for unit, limit in limits.items():
            one = 0.0 if each is None else float(getattr(each, unit))
            ahead = one if unit == "hours" else one * (running + 1)
            if getattr(used, unit) + ahead > limit or getattr(used, unit) >= limit:
                return False
        return True

    return may_begin


def note_dropped(gate: BudgetGate, study: Study, store: Store, say: Callable[[str], None]) -> None:
    """Say and note that the budget has ended the study, if it has dropped seeds that are still needed."""
    dropped = {seed for seed in gate.dropped if gate.wanted(seed)}
    lost = {seed for seed in dropped if gate.is_cut(seed)}
    if not lost:
        return
    seeds = [seed for seed in study.seeds if seed not in lost]
    used = gate.spending.used()
    note_end(store, gate.ended_by, seeds, {unit: getattr(used, unit) for unit in gate.budget.limits})
    say(f"{study.name}: {gate.line(len(seeds), len(study.seeds))}")
