"""Checks of a plan when it is read: each fault is one line that names field, rule and value."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from analysis.errors import ReportError
from analysis.formatting import listing
from analysis.stats.anytime import first_deciding
from analysis.stats.paired_t import MIN_SEEDS
from analysis.study.plan import UNTIL_DECIDED, Family, Plan

CORRECTIONS = {"primary": ("holm",), "ablation": ("holm",), "exploratory": ("bh", "holm")}
"""Roles of a family, and how its comparisons may be corrected."""
ERROR_RATES = ("study", "block")
LARGEST_SHARE = 0.1
"""A margin of this share or more on a metric that is a fraction is taken for a margin in points."""


def check_plan(plan: Plan) -> None:
    """Check what every later step assumes.

    Raises:
        ReportError: On the first fault, naming field, rule and value.
    """
    for fault in _faults(plan):
        raise ReportError(f"{plan.study}: {fault}")


def _faults(plan: Plan) -> Iterator[str]:
    checks: tuple[Callable[[Plan], Iterable[str]], ...] = (
        _fault_of_words,
        _fault_of_looks,
        _faults_of_stop,
        _faults_of_families,
    )
    for check in checks:
        yield from check(plan)
    if not plan.from_0_1:
        yield from _faults_since_0_2(plan)
    elif plan.sesoi is not None and not plan.sesoi > 0:
        yield f"sesoi: {margin_fault(plan.sesoi, fractions=False)}"


def _faults_since_0_2(plan: Plan) -> Iterator[str]:
    """Faults that version 0.1 did not look for."""
    for check in (_fault_of_margin, _faults_of_names, _faults_of_comparisons):
        yield from check(plan)


def faults_of_0_1(plan: Plan) -> tuple[str, ...]:
    """Faults that a plan of version 0.1 may have; it is frozen, so it is read nevertheless."""
    return tuple(_faults_since_0_2(plan)) if plan.from_0_1 else ()


def _fault_of_words(plan: Plan) -> Iterator[str]:
    twice = _twice(arm.label for arm in plan.arms)
    if twice:
        yield f"arms: labels must be unique, got {twice!r} twice"
    if plan.direction not in ("max", "min"):
        yield f"direction: must be max or min, got {plan.direction!r}"
    if plan.error_rate not in ERROR_RATES:
        yield f"error_rate: must be study or block, got {plan.error_rate!r}"
    if not 0 < plan.declared_alpha < 0.5:
        yield f"alpha: must be between 0 and 0.5, got {plan.declared_alpha!r}"
    if _twice(str(seed) for seed in plan.seeds):
        yield f"seeds: must be different, got {_twice(str(seed) for seed in plan.seeds)} twice"


def _faults_of_stop(plan: Plan) -> Iterator[str]:
    """Seeds until all is decided need no looks, a mixture above 0, and enough seeds to decide anything."""
    if plan.stop not in ("", UNTIL_DECIDED):
        yield f"stop: must be {UNTIL_DECIDED!r} or absent, got {plan.stop!r}"
    if not plan.stop:
        return
    if plan.looks:
        yield f"looks: leave them out with stop={UNTIL_DECIDED!r}, which allows any number of looks, got {plan.looks!r}"
    if not 0 < plan.mixture < math.inf:
        yield f"mixture: must be a number above 0, got {plan.mixture!r}"
    together = max((sum(len(f.treatments) for f in group) for group in plan.corrected_together), default=1)
    if len(plan.seeds) < (least := first_deciding(together, plan.declared_alpha, plan.mixture)):
        yield f"seeds: {together} comparisons can be decided by {least} seeds or more, got {len(plan.seeds)}"


def _fault_of_margin(plan: Plan) -> Iterator[str]:
    fault = margin_fault(plan.sesoi, fractions=plan.in_percent)
    if fault:
        yield f"sesoi: {fault}"


def margin_fault(margin: float | None, *, fractions: bool) -> str:
    """What is wrong with a smallest effect of interest, or an empty text.

    Args:
        margin: The declared margin; None declares none.
        fractions: Whether the values of the metric are fractions, so that 0.01 is one percentage point.

    >>> margin_fault(0.2, fractions=True)
    '0.2 is 20 points; did you mean 0.002?'
    >>> margin_fault(-1.0, fractions=False)
    'must be above 0, got -1'
    """
    if margin is None:
        return ""
    if not margin > 0:
        return f"must be above 0, got {margin:g}"
    if not math.isfinite(margin):
        return f"must be finite, got {margin:g}"
    if fractions and margin >= LARGEST_SHARE:
        return f"{margin:g} is {100 * margin:g} points; did you mean {margin / 100:g}?"
    return ""


def _fault_of_looks(plan: Plan) -> Iterator[str]:
    looks = plan.looks
    if not looks:
        return
    if len(looks) < 2 or list(looks) != sorted(set(looks)) or looks[0] < MIN_SEEDS:
        yield f"looks: must be at least two rising numbers of seeds from {MIN_SEEDS} on, got {list(looks)}"
    if len(plan.seeds) not in looks:
        yield f"looks: one of them must be the planned number of seeds, {len(plan.seeds)}, got {list(looks)}"


def _faults_of_names(plan: Plan) -> Iterator[str]:
    twice = _twice(family.name for family in plan.families)
    if twice:
        yield f"families: each name must be declared once, got {twice!r} twice"


def _faults_of_families(plan: Plan) -> Iterator[str]:
    for family in plan.families:
        fault = _fault_of_family(family, tuple(arm.label for arm in plan.arms))
        if fault:
            yield f"family {family.name!r}: {fault}"


def _fault_of_family(family: Family, arms: Sequence[str]) -> str:
    if family.role not in CORRECTIONS:
        return f"role must be one of {listing(CORRECTIONS)}, got {family.role!r}"
    if family.correction not in CORRECTIONS[family.role]:
        allowed = listing(CORRECTIONS[family.role])
        return f"correction of a family with role {family.role} must be {allowed}, got {family.correction!r}"
    if not family.treatments:
        return "must have at least one treatment, got none"
    for label in (family.baseline, *family.treatments):
        if label not in arms:
            return f"there is no arm {label!r} in study.json"
    if family.baseline in family.treatments:
        return f"the baseline {family.baseline!r} is also a treatment"
    return ""


def _faults_of_comparisons(plan: Plan) -> Iterator[str]:
    """A comparison that is declared twice with one role, in either direction, would count twice in its correction."""
    pairs: dict[tuple[str, frozenset[str]], list[str]] = {}
    for f in plan.families:
        for t in f.treatments:
            pairs.setdefault((f.role, frozenset((t, f.baseline))), []).append(f"{t!r} against {f.baseline!r}")
    for (role, _), found in pairs.items():
        if len(found) > 1:
            yield f"families: {found[0]} is declared {len(found)} times as {role}; declare it once"


def _twice(names: Iterable[str]) -> str:
    return next((name for name, number in Counter(names).items() if number > 1), "")
