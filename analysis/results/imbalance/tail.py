"""Each comparison by class and shot group, on every seed by that seed's own training counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.formatting import count, listing
from analysis.results.guards import refusal_of_copies
from analysis.results.imbalance.gaps import Gap, SeedPair, Series, Terms, make_gaps
from analysis.results.standing import refusal_of_seeds, refusal_of_study
from analysis.study.ledger import Ledger
from analysis.study.plan import Arm, Family, Plan
from analysis.study.records import Record, parsed_config
from analysis.study.resplits import resplits_of
from silhouette.config import defaults
from silhouette.metrics import Counts, shot_groups

GROUPS = ("many", "medium", "few")
BY_LABEL, BY_RANK = "label", "rank"
EVEN = 1.25  # largest over smallest test class, up to which the test set counts as balanced
UNEVEN = 1.5  # largest over smallest training class, above which the classes count as uneven


@dataclass(frozen=True)
class Thresholds:
    """Shot groups of one arm: `many` has more training samples than `many`, `few` has fewer than `few`."""

    many: int
    few: int


@dataclass(frozen=True)
class TailComparison:
    """One treatment against its baseline by shot group, by class, and on macro and worst-class accuracy.

    Attributes:
        family: Name of the family.
        treatment: Label of the treatment.
        baseline: Label of the baseline.
        groups: Shot groups, formed on every seed by its own training counts; Holm over the groups.
        overall: Macro and worst-class accuracy; the worst class is that of each arm on each seed. Holm over the two.
        classes: Single classes, largest first; Benjamini–Hochberg over the classes. Exploratory.
        classes_by: `label` if the classes have the same order of training counts on all seeds, else `rank`: the first
            entry is then the largest class of each seed, whichever label it has.
        empty: Shot groups without a class on any seed.
        thresholds: Thresholds of the treatment and of the baseline.
        train_ratio: Largest over smallest training class, mean over the seeds.
        test_balanced: Whether all classes have about as many test samples.
        seeds: Common seeds of the two arms.
        reason: Why there are no adjusted p-values, or an empty text.
        warnings: What a reader must know.
    """

    family: str
    treatment: str
    baseline: str
    groups: tuple[Gap, ...]
    overall: tuple[Gap, ...]
    classes: tuple[Gap, ...]
    classes_by: str
    empty: tuple[str, ...]
    thresholds: tuple[Thresholds, Thresholds]
    train_ratio: float
    test_balanced: bool
    seeds: int
    reason: str
    warnings: tuple[str, ...]


def tail_comparisons(plan: Plan, ledger: Ledger) -> tuple[TailComparison, ...]:
    """Every comparison by class and shot group, where the records have class counts."""
    if plan.phase != "confirm":
        return ()
    sides = {arm.label: _side(arm, ledger.used.get(arm.label, {})) for arm in plan.arms}
    found = [
        _compare(plan, ledger, family, treatment, sides[treatment], sides[family.baseline])
        for family in plan.families
        for treatment in family.treatments
    ]
    return tuple(f for f in found if f is not None)


@dataclass(frozen=True)
class _Run:
    """One record by class: training counts, correct and total test samples, and the labels of each shot group."""

    train: tuple[int, ...]
    tested: Counts
    groups: Mapping[str, list[int]]

    @property
    def order(self) -> tuple[int, ...]:
        """Labels from the largest training class to the smallest; ties by label."""
        return tuple(sorted(range(len(self.train)), key=lambda label: (-self.train[label], label)))

    @property
    def worst(self) -> float | None:
        """Accuracy of the class with the lowest one; classes without test samples do not count."""
        single = [self.tested.macro_of([label]) for label in range(len(self.train))]
        return min((x for x in single if x is not None), default=None)


@dataclass(frozen=True)
class _Side:
    """One arm: its thresholds and its runs by seed."""

    thresholds: Thresholds
    runs: Mapping[int, _Run]


Pairs = Sequence[tuple[_Run, _Run]]


def _side(arm: Arm, used: Mapping[int, Record]) -> _Side:
    records = {seed: record for seed, record in sorted(used.items()) if _has_classes(record)}
    runs = {seed: _run(arm, record) for seed, record in records.items()}
    first = next(iter(records.values()), None)
    return _Side(_thresholds(arm, first.config if first else None), runs)


def _has_classes(record: Record) -> bool:
    sizes = {len(record.classes.get(name) or ()) for name in ("class_train", "class_correct", "class_total")}
    return len(sizes) == 1 and sizes != {0}


def _run(arm: Arm, record: Record) -> _Run:
    train, correct, total = (tuple(record.classes[n]) for n in ("class_train", "class_correct", "class_total"))
    limits = _thresholds(arm, record.config)
    return _Run(train, Counts(correct, total), shot_groups(train, limits.many, limits.few))


def _thresholds(arm: Arm, config: str | None) -> Thresholds:
    """The thresholds of an arm: as its records say, else as the plan says, else the defaults."""
    known: Mapping[str, Any] = {**defaults(), **arm.config, **arm.settings, **(parsed_config(config) or {})}
    return Thresholds(int(known["shot_many"]), int(known["shot_few"]))


def _compare(
    plan: Plan, ledger: Ledger, family: Family, treatment: str, ours: _Side, base: _Side
) -> TailComparison | None:
    seeds = sorted(ours.runs.keys() & base.runs.keys())
    if len(seeds) < 2:
        return None
    splits = resplits_of(plan, ledger, (treatment, family.baseline), seeds)
    reason = (
        refusal_of_study(plan, ledger)
        or refusal_of_seeds(plan, ledger, set(ours.runs), set(base.runs))
        or refusal_of_copies(plan, ledger, (family.baseline, treatment))
    )
    terms = Terms(plan.alpha, splits.overlap, reason or splits.refusal, plan.scope_of(splits.moving))
    pairs = [(ours.runs[seed], base.runs[seed]) for seed in seeds]
    groups = make_gaps([_group(name, pairs) for name in GROUPS], "holm", terms)
    order_moves = len({b.order for _, b in pairs}) > 1
    return TailComparison(
        family=family.name,
        treatment=treatment,
        baseline=family.baseline,
        groups=groups,
        overall=make_gaps([_macro(pairs), _worst(pairs)], "holm", terms),
        classes=make_gaps(_classes(pairs, order_moves), "bh", terms),
        classes_by=BY_RANK if order_moves else BY_LABEL,
        empty=tuple(name for name in GROUPS if name not in {gap.name for gap in groups}),
        thresholds=(ours.thresholds, base.thresholds),
        train_ratio=sum(_ratio(b.train) for _, b in pairs) / len(pairs),
        test_balanced=all(_even(b.tested.total) for _, b in pairs),
        seeds=len(seeds),
        reason=terms.refused,
        warnings=tuple(_warnings(pairs, groups)),
    )


def _ratio(sizes: Sequence[int]) -> float:
    return max(sizes) / max(min(sizes), 1)


def _even(sizes: Sequence[int]) -> bool:
    return max(sizes) <= EVEN * min(sizes)


def _pair(ours: float | None, base: float | None, counts: Sequence[int]) -> SeedPair | None:
    return None if ours is None or base is None else SeedPair(ours, base, tuple(counts))


def _group(name: str, pairs: Pairs) -> Series:
    """A shot group: in each run the classes that its own training counts put there."""
    return Series(
        name,
        tuple(
            _pair(a.tested.macro_of(a.groups[name]), b.tested.macro_of(b.groups[name]), _train(b, b.groups[name]))
            for a, b in pairs
        ),
    )


def _train(run: _Run, labels: Sequence[int]) -> list[int]:
    return [run.train[label] for label in labels]


def _macro(pairs: Pairs) -> Series:
    return Series("macro", tuple(_pair(a.tested.macro_top1, b.tested.macro_top1, b.train) for a, b in pairs))


def _worst(pairs: Pairs) -> Series:
    return Series("worst class", tuple(_pair(a.worst, b.worst, ()) for a, b in pairs))


def _classes(pairs: Pairs, by_rank: bool) -> list[Series]:
    """Single classes, largest first; none where runs have other numbers of classes or the arms other counts."""
    if len({len(run.train) for pair in pairs for run in pair}) > 1 or any(a.train != b.train for a, b in pairs):
        return []
    orders = [b.order for _, b in pairs]
    return [
        Series(
            f"rank {place + 1}" if by_rank else f"class {orders[0][place]}",
            tuple(_of_class(a, b, order[place]) for (a, b), order in zip(pairs, orders, strict=True)),
        )
        for place in range(len(orders[0]))
    ]


def _of_class(ours: _Run, base: _Run, label: int) -> SeedPair | None:
    return _pair(ours.tested.macro_of([label]), base.tested.macro_of([label]), [base.train[label]])


def _warnings(pairs: Pairs, groups: Sequence[Gap]) -> Iterator[str]:
    if len({len(run.train) for pair in pairs for run in pair}) > 1:
        yield "the runs have different numbers of classes, so single classes are not compared"
    elif other := sum(a.train != b.train for a, b in pairs):
        yield (
            f"the two arms have different training counts on {other} of {count(len(pairs), 'seed')}, so single classes "
            "are not compared"
        )
    if any(a.groups != b.groups for a, b in pairs):
        yield "the shot groups of the two arms hold different classes; each arm has those of its own counts"
    for gap in groups:
        if gap.n < gap.of:
            yield (
                f"{gap.name} has classes on {gap.n} of {count(gap.of, 'seed')} only; its difference is of these seeds, "
                "without an adjusted p"
            )
    untested = sorted({label for pair in pairs for r in pair for label, n in enumerate(r.tested.total) if not n})
    if untested:
        yield f"classes without test samples on some seed are left out there: {listing(untested)}"
