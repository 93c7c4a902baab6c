"""Learning curves by arm: mean of the complete runs with their number, and each stopped run by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.study.ledger import Ledger
from analysis.study.plan import Plan
from silhouette.measured import flat

MAX_RECORDS = 5000
"""With more records the curves (by far the largest column) are not read: the report then has no such figure."""
MAX_ARMS = 16


@dataclass(frozen=True)
class ArmCurve:
    """One arm's curve: (epoch, mean, SD, runs) over complete runs, and the (epoch, value) lines of stopped ones."""

    arm: str
    method: str
    block: str
    points: tuple[tuple[int, float, float | None, int], ...]
    stopped: tuple[tuple[tuple[int, float], ...], ...]


@dataclass(frozen=True)
class Learning:
    """Learning curves of a study in one per-epoch metric."""

    metric: str
    arms: tuple[ArmCurve, ...]


def learning_curves(plan: Plan, ledger: Ledger, rows: Iterable[Mapping[str, Any]]) -> Learning | None:
    """Curves of the study's metric on validation data; None when nothing was recorded.

    Args:
        plan: The study.
        ledger: Its `used` records give the means.
        rows: Mappings with `trial_id`, `arm`, `status` and `curve` (list of per-epoch values).
    """
    metric = plan.metric.replace("test_", "val_", 1)
    used = {r.trial_id for by_seed in ledger.used.values() for r in by_seed.values()}
    complete: dict[str, list[dict[int, float]]] = {}
    stopped: dict[str, list[dict[int, float]]] = {}
    for row in rows:
        points = map(flat, row["curve"] or ())
        line = {p["epoch"]: p[metric] for p in points if p.get(metric) is not None}
        if line and row["arm"] in plan.arm:
            if row["trial_id"] in used:
                complete.setdefault(row["arm"], []).append(line)
            elif row["status"] == "stopped":
                stopped.setdefault(row["arm"], []).append(line)
    shown = [a for a in plan.arms if a.label in complete or a.label in stopped]
    if not shown or len(shown) > MAX_ARMS:
        return None
    return Learning(
        metric,
        tuple(
            ArmCurve(
                arm=a.label,
                method=plan.method(a.label),
                block=a.block,
                points=tuple(_points(complete.get(a.label, []))),
                stopped=tuple(tuple(sorted(line.items())) for line in stopped.get(a.label, [])[:40]),
            )
            for a in shown
        ),
    )


def _points(lines: list[dict[int, float]]) -> Iterable[tuple[int, float, float | None, int]]:
    for epoch in sorted({e for line in lines for e in line}):
        values = np.array([line[epoch] for line in lines if epoch in line])
        spread = float(values.std(ddof=1)) if values.size > 1 else None
        yield epoch, float(values.mean()), spread, int(values.size)
