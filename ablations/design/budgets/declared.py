"""What `study.json` says of the budget: its limits, when they were declared, and where it ended the study.

A budget that was declared before the first result could be seen ends a study at a number of seeds that does not depend
on results, so its complete seed blocks are a smaller fixed plan. One that is given, lowered or raised later may depend
on them: lowered, its end allows no verdict; raised, it adds seeds after a look, as `--seeds` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ablations.design.budgets.limits import Budget, stored_budget
from ablations.design.plans.fit import FILE
from ablations.design.seeds.extension import has_results
from silhouette.results import Store

KEY = "budget"
UNTIL_DECIDED = "decided"


def budget_of_store(store: Store) -> Budget | None:
    """The budget that the stored plan declares; None without one.

    Raises:
        StudyError: If it is damaged.
    """
    return stored_budget(_note(store.read_json(FILE)))


def ended_seeds(stored: Any) -> tuple[int, ...] | None:
    """The seeds with which a budget has ended a study; None if none has.

    Args:
        stored: The content of `study.json`.
    """
    ended = (_note(stored) or {}).get("ended")
    return None if ended is None else tuple(ended["seeds"])


def raised_seeds(budget: Budget | None, store: Store) -> tuple[int, int] | None:
    """Seeds before and after, if a larger budget may add some although results could be seen; else None.

    Where the tests allow any number of looks, no budget does harm.
    """
    stored = store.read_json(FILE)
    before = stored_budget(_note(stored))
    if budget is None or before is None or stored.get("stop") == UNTIL_DECIDED or not has_results(store):
        return None
    if not _raised(before, budget):
        return None
    ended = ended_seeds(stored)
    planned = len(stored["seeds"])
    return (planned if ended is None else len(ended)), planned


def declare_budget(budget: Budget | None, description: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """Write the budget of a run into `study.json`; returns its content.

    Args:
        budget: That of the run; None keeps the one that is declared.
        description: The present content of `study.json`.
        store: The results folder.
    """
    before = _note(description)
    if budget is None or (
        before is not None and budget.plain() == {k: before[k] for k in ("limits", "prices") if k in before}
    ):
        return dict(description)
    seen, now = has_results(store), datetime.now(UTC).isoformat(timespec="seconds")
    old, raised = stored_budget(before), raised_seeds(budget, store)
    later = seen and not (old is not None and _only_raised(old, budget))
    declared = not later and (before is None or bool(before.get("declared")))
    note = {**budget.plain(), "declared": declared, "at": now}
    if before is not None:
        change = {"from": before["limits"], "to": budget.limits, "at": now}
        note["changes"] = [*before.get("changes", ()), change]
    content = {**description, KEY: note}
    if raised is not None:
        extension = {"from": raised[0], "to": raised[1], "at": now, "declared": False}
        content["extended"] = [*description.get("extended", ()), extension]
    store.write_json(content, FILE)
    return content


def note_end(store: Store, unit: str, seeds: Sequence[int], spent: Mapping[str, float]) -> None:
    """Write into `study.json` that the budget has ended the study.

    Args:
        store: The results folder.
        unit: The limit that ended it.
        seeds: The seeds of all arms that it could pay for.
        spent: What has been used, by unit.
    """
    stored = store.read_json(FILE)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    ended = {"by": unit, "seeds": list(seeds), "spent": dict(spent), "at": now}
    store.write_json({**stored, KEY: {**stored[KEY], "ended": ended}}, FILE)


def _note(stored: Any) -> dict[str, Any] | None:
    return stored.get(KEY) if isinstance(stored, Mapping) else None


def _raised(before: Budget, now: Budget) -> bool:
    """Whether one of the limits is larger, or is none any more."""
    return any(now.limits.get(unit, float("inf")) > limit for unit, limit in before.limits.items())


def _only_raised(before: Budget, now: Budget) -> bool:
    """Whether no limit is smaller or new, at the same prices."""
    lowered = any(limit < before.limits.get(unit, float("inf")) for unit, limit in now.limits.items())
    return not lowered and now.prices == before.prices


def ended_line(store: Store) -> str:
    """That the budget has ended the study, in one line; empty if it has not."""
    stored = store.read_json(FILE)
    seeds, budget = ended_seeds(stored), stored_budget(_note(stored))
    if seeds is None or budget is None:
        return ""
    return (
        f"the budget of {budget} ended the study after {len(seeds)} of {len(stored['seeds'])} seeds, not the evidence"
    )
