"""A study that its budget has ended: the seeds that were bought, and whether they are a plan of their own.

A budget that was declared before the first result could be seen stops a study by time, not by results. The seed blocks
that were run are then a smaller fixed number of seeds, at which tests hold their level.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from analysis.study.plan import Plan


def bought(plan: Plan, raw: Mapping[str, Any] | None) -> Plan:
    """The plan with the seeds that its budget paid for; as it is where no budget has ended it.

    Where the budget was given or lowered after results could be seen, all seeds stay planned, so a report is interim.

    Args:
        plan: The plan as declared.
        raw: `budget` of the `study.json`.
    """
    ended = (raw or {}).get("ended")
    if raw is None or ended is None:
        return plan
    paid = set(ended["seeds"])
    dropped = tuple(seed for seed in plan.seeds if seed not in paid)
    found = replace(plan, budget=dict(raw), dropped_seeds=dropped)
    counts = bool(raw.get("declared")) or bool(plan.stop)
    return replace(found, seeds=tuple(seed for seed in plan.seeds if seed in paid)) if counts else found
