"""Class imbalance: shot groups, per-class differences, and whether a gain depends on the imbalance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.stats.comparison import paired_p
from analysis.stats.description import is_constant, mean, mean_interval
from analysis.stats.multiplicity import benjamini_hochberg, holm
from analysis.stats.pairing import pair
from analysis.stats.types import SCOPE_SEEDS, Floats, Interval
from analysis.study.ledger import Ledger
from analysis.study.plan import Arm, Family, Plan, dataset_of
from analysis.study.records import Record

MANY, FEW = 100, 20
"""Shot groups on training counts: many > 100, medium 20 to 100, few < 20 (Liu et al., CVPR 2019)."""
GROUPS = ("many", "medium", "few")


@dataclass(frozen=True)
class Gap:
    """Paired difference of a quantity over seeds, with raw and adjusted p."""

    name: str
    n: int
    treatment: float
    baseline: float
    difference: float
    ci_low: float | None
    ci_high: float | None
    p: float
    p_adjusted: float
    classes: int = 0
    train_count: float | None = None
    scope: str = SCOPE_SEEDS


@dataclass(frozen=True)
class TailComparison:
    """One treatment against its baseline by shot group, by class, and on macro and worst-class accuracy.

    `groups` are Holm-adjusted together. `classes` (sorted by training count) are Benjamini–Hochberg-adjusted and
    exploratory. `empty` lists the shot groups without a class.
    """

    family: str
    treatment: str
    baseline: str
    groups: tuple[Gap, ...]
    overall: tuple[Gap, ...]
    classes: tuple[Gap, ...]
    empty: tuple[str, ...]
    test_balanced: bool


@dataclass(frozen=True)
class Contrast:
    """Interaction: the gain at one imbalance minus the gain at the mildest, paired by seed."""

    treatment: str
    block: str
    reference: str
    n: int
    gain: float
    gain_reference: float
    difference: float
    ci_low: float | None
    ci_high: float | None
    p: float
    p_adjusted: float
    scope: str = SCOPE_SEEDS


def shot_group(train_count: float) -> str:
    """Shot group of a class by its number of training samples.

    >>> [shot_group(c) for c in (101, 100, 20, 19)]
    ['many', 'medium', 'medium', 'few']
    """
    if train_count > MANY:
        return "many"
    return "medium" if train_count >= FEW else "few"


def tail_comparisons(plan: Plan, ledger: Ledger) -> tuple[TailComparison, ...]:
    """Every comparison by class and shot group, where the records have class counts."""
    if plan.phase != "confirm":
        return ()
    sides = {arm: _side(used) for arm, used in ledger.used.items()}
    found = [
        _tail(family, treatment, sides.get(treatment), sides.get(family.baseline))
        for family in plan.families
        for treatment in family.treatments
    ]
    return tuple(f for f in found if f is not None)


@dataclass(frozen=True)
class _Side:
    """One arm by class: its seeds, mean training counts, accuracies (seeds, classes)."""

    seeds: tuple[int, ...]
    counts: Floats
    accuracy: Floats
    balanced: bool


def _side(used: Mapping[int, Record]) -> _Side | None:
    """An arm's per-class results; None unless every seed has them, with the same classes."""
    records = [used[s] for s in sorted(used)]
    if len(records) < 2 or not all(_has_classes(r) for r in records):
        return None
    counts, accuracy = _mean_counts(records), _accuracies(records)
    if counts is None or accuracy is None or counts.size != accuracy.shape[1]:
        return None
    return _Side(tuple(sorted(used)), counts, accuracy, _balanced(records[0]))


def _tail(family: Family, treatment: str, ours: _Side | None, base: _Side | None) -> TailComparison | None:
    if ours is None or base is None or ours.seeds != base.seeds or ours.accuracy.shape != base.accuracy.shape:
        return None
    a, b, counts = ours.accuracy, base.accuracy, base.counts
    names = np.array([shot_group(c) for c in counts])
    present = [g for g in GROUPS if (names == g).any()]
    groups = [(g, a[:, names == g], b[:, names == g], float(counts[names == g].mean())) for g in present]
    return TailComparison(
        family=family.name,
        treatment=treatment,
        baseline=family.baseline,
        groups=_gaps([(g, _row_mean(x), _row_mean(y), x.shape[1], c) for g, x, y, c in groups], "holm"),
        overall=_gaps(
            [
                ("macro", _row_mean(a), _row_mean(b), a.shape[1], None),
                ("worst class", np.nanmin(a, axis=1), np.nanmin(b, axis=1), 1, None),
            ],
            "holm",
        ),
        classes=_gaps(_by_class(a, b, counts), "bh"),
        empty=tuple(g for g in GROUPS if g not in present),
        test_balanced=base.balanced,
    )


def _has_classes(record: Record) -> bool:
    correct, total = record.classes.get("class_correct"), record.classes.get("class_total")
    return bool(record.classes.get("class_train") and correct and total) and len(correct or ()) == len(total or ())


def _mean_counts(records: Sequence[Record]) -> Floats | None:
    rows = [r.classes["class_train"] for r in records]
    if len({len(row) for row in rows}) > 1:
        return None
    return np.asarray(np.array(rows, dtype=np.float64).mean(axis=0))


def _accuracies(records: Sequence[Record]) -> Floats | None:
    """Accuracies of shape (records, classes); None if classes differ or one has no test samples."""
    correct, total = ([r.classes[name] for r in records] for name in ("class_correct", "class_total"))
    if len({len(row) for row in total}) > 1:
        return None
    count = np.array(total, dtype=np.float64)
    return np.array(correct, dtype=np.float64) / count if (count > 0).all() else None


def _row_mean(matrix: Floats) -> Floats:
    return np.asarray(matrix.mean(axis=1))


def _balanced(record: Record) -> bool:
    total = record.classes["class_total"]
    return max(total) <= 1.25 * min(total)


Row = tuple[str, Floats, Floats, int, float | None]


def _by_class(a: Floats, b: Floats, counts: Floats) -> list[Row]:
    order = np.argsort(-counts, kind="stable")
    return [(f"class {i}", a[:, i], b[:, i], 1, float(counts[i])) for i in order]


def _gaps(rows: Sequence[Row], correction: str) -> tuple[Gap, ...]:
    raw = [paired_p(a - b) for _, a, b, _, _ in rows]
    adjusted = holm(raw) if correction == "holm" else benjamini_hochberg(raw)
    return tuple(_gap(row, p, float(q)) for row, p, q in zip(rows, raw, adjusted, strict=True))


def _gap(row: Row, p: float, adjusted: float) -> Gap:
    name, a, b, classes, count = row
    ci = gap_interval(a - b)
    return Gap(
        name=name,
        n=int(a.size),
        treatment=mean(a),
        baseline=mean(b),
        difference=mean(a - b),
        ci_low=ci.low if ci else None,
        ci_high=ci.high if ci else None,
        p=p,
        p_adjusted=adjusted,
        classes=classes,
        train_count=count,
    )


def gap_interval(d: Floats) -> Interval | None:
    """t-interval of the mean difference; None below two values or without spread."""
    return mean_interval(d) if d.size > 1 and not is_constant(d) else None


def severity(arm: Arm) -> float | None:
    """Imbalance factor of an arm's training data: 1 if balanced, None if unknown."""
    known: Mapping[str, Any] = {**arm.config, **arm.settings}
    if "imbalance_factor" not in known and "imbalance" not in known:
        return None
    if known.get("imbalance") == "none":
        return 1.0
    factor = known.get("imbalance_factor")
    return float(factor) if isinstance(factor, int | float) else None


def interactions(plan: Plan, ledger: Ledger) -> tuple[Contrast, ...]:
    """Each treatment's gain compared with its gain in the block with the mildest imbalance."""
    if plan.phase != "confirm":
        return ()
    gains = _gains(plan, ledger)
    rows = []
    for (_, method), by_block in gains.items():
        mildest = min(by_block, key=lambda block: by_block[block][0])
        for block, (factor, gain) in by_block.items():
            if factor > by_block[mildest][0]:
                rows.append((method, block, mildest, gain, by_block[mildest][1]))
    contrasts = [(m, b, r, pair(g, g0)) for m, b, r, g, g0 in rows]
    contrasts = [c for c in contrasts if len(c[3].keys) > 1 and c[3].complete]
    adjusted: list[float] = [*holm([paired_p(c[3].differences) for c in contrasts])] if contrasts else []
    return tuple(
        Contrast(
            treatment=method,
            block=block,
            reference=reference,
            n=len(both.keys),
            gain=mean(both.treatment),
            gain_reference=mean(both.baseline),
            difference=mean(both.differences),
            ci_low=ci.low if (ci := gap_interval(both.differences)) else None,
            ci_high=ci.high if ci else None,
            p=paired_p(both.differences),
            p_adjusted=float(p),
        )
        for (method, block, reference, both), p in zip(contrasts, adjusted, strict=True)
    )


Gains = dict[tuple[str | None, str], dict[str, tuple[float, dict[int, float]]]]


def _gains(plan: Plan, ledger: Ledger) -> Gains:
    """Gain by seed for each (dataset, method) and block, with the block's severity."""
    gains: Gains = {}
    for family in plan.families:
        for label in family.treatments:
            arm, factor = plan.arm[label], severity(plan.arm[label])
            ours = ledger.values(label, plan.metric)
            base = ledger.values(family.baseline, plan.metric)
            if factor is None or ours.keys() != base.keys() or not ours:
                continue
            by_seed = {seed: ours[seed] - base[seed] for seed in ours}
            gains.setdefault((dataset_of(arm), plan.method(label)), {})[arm.block] = (factor, by_seed)
    return {key: by for key, by in gains.items() if len(by) > 1}
