"""Seeds until it is decided, on the command line: what the records decide now. Of all rooms only this one may ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ablations.design.plan import plan_to_follow
from ablations.design.seeds.stopping import corrected_together, first_to_decide
from ablations.formatting import counted

if TYPE_CHECKING:
    from ablations.design.study import Study
    from ablations.state.decisions import Decisions
    from silhouette.results import Store


def decisions_now(study: Study, store: Store) -> Decisions | None:
    """What the seeds have decided; None for a fixed number of seeds, and without a plan that fits.

    Args:
        study: The study.
        store: Its results folder.

    Raises:
        analysis.ReportError: If the plan in the folder is damaged.
    """
    plan = plan_to_follow(study, store) if study.stop else None
    if plan is None:
        return None
    from ablations.state.decisions import read_decisions
    from analysis.results.seeds.answer import decisions_of
    from analysis.study.study_file import make_plan

    return read_decisions(decisions_of(store, make_plan(plan)))


def stop_line(study: Study) -> str:
    """When a study that stops when it is decided can give its first verdict, and what it costs at most."""
    together, most = corrected_together(study), len(study.seeds)
    why = f"{together} comparisons are corrected together, so the" if together > 1 else "the"
    return (
        f"seeds run until every comparison is decided: {why} first verdict is possible after "
        f"{first_to_decide(study)} seeds; at most {counted(most, 'seed')}, {counted(most * len(study.arms), 'trial')}"
    )


def decided_lines(decisions: Decisions) -> Iterator[str]:
    """One line for each comparison, after one that counts them."""
    yield decisions.line()
    yield from (f"  {c.line}" for c in decisions.comparisons)
