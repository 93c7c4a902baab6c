"""All declared comparisons of a study: tests, adjusted p-values and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.results.feasibility import Feasibility, feasibility
from analysis.results.guards import Collapse, collapsed_seeds, refusal_of_copies
from analysis.results.standing import refusal_of_seeds, refusal_of_study
from analysis.results.verdicts import BETTER, NONE, Corrected, Verdict, decide, untestable, verdict_interval
from analysis.stats.anytime import Decided
from analysis.stats.comparison import Comparison, compare_paired, compare_unpaired
from analysis.stats.multiplicity import adjust, max_t_sign_flip, step_levels
from analysis.stats.pairing import Pairs, pair
from analysis.stats.types import Floats, Interval
from analysis.study.ledger import Ledger
from analysis.study.plan import EXPLORATORY, Family, Plan
from analysis.study.resplits import Resplits, resplits_of


@dataclass(frozen=True)
class Evidence:
    """One treatment against its baseline, with everything that a verdict needs.

    Attributes:
        family: The family as declared.
        role: Its role after gatekeeping.
        m: Number of comparisons that were corrected together.
        treatment: Label of the treatment.
        pairs: The values, paired by seed.
        result: Tests and effect sizes; None without common seeds.
        p_adjusted: p of the verdict test, adjusted over the m comparisons.
        p_equivalence: p of the equivalence test, adjusted likewise.
        p_max_t: Many-to-one max-t sign-flip p inside the family; None in a family of one.
        ci_adjusted: Interval at level 1 - alpha / m.
        ci_verdict: The interval that belongs to the verdict, at its own level; None without a verdict.
        feasibility: What this n can show.
        collapsed: Seeds of both arms far on the worse side of all others; a mean does not describe them.
        verdict: The verdict, or why there is none.
        decided: When it was decided, in a study that runs seeds until then; None with a fixed number of seeds.
        open_because: Why no further seed of such a study can decide it, or empty.
    """

    family: Family
    role: str
    m: int
    treatment: str
    pairs: Pairs
    result: Comparison | None
    p_adjusted: float | None
    p_equivalence: float | None
    p_max_t: float | None
    ci_adjusted: Interval | None
    ci_verdict: Interval | None
    feasibility: Feasibility | None
    collapsed: tuple[Collapse, ...]
    verdict: Verdict
    decided: Decided | None = None
    open_because: str = ""


@dataclass(frozen=True)
class _Draft:
    """A comparison before the correction."""

    family: Family
    treatment: str
    pairs: Pairs
    result: Comparison | None
    refused: str

    @property
    def tested(self) -> Comparison | None:
        return None if self.refused else self.result


def judge_comparisons(plan: Plan, ledger: Ledger, rng: np.random.Generator) -> tuple[Evidence, ...]:
    """Test every declared comparison.

    Families of one role are corrected together (`Plan.corrected_together`). Ablation families are confirmatory only if
    a primary comparison was won (gatekeeping), in their block where the error rate is one of each block; otherwise
    they are exploratory. Without a primary family there is no gate.
    """
    done: dict[str, list[Evidence]] = {family.name: [] for family in plan.families}
    closed = {plan.unit_of(f) for f in plan.families if f.role == "primary"}
    for families in sorted(plan.corrected_together, key=lambda group: group[0].role != "primary"):
        unit, role = plan.unit_of(families[0]), families[0].role
        role = EXPLORATORY if role == "ablation" and unit in closed else role
        found = judge_together(plan, families, role, ledger, rng)
        for evidence in found:
            done[evidence.family.name].append(evidence)
        if role == "primary" and any(e.verdict.word == BETTER for e in found):
            closed.discard(unit)
    return tuple(e for family in plan.families for e in done[family.name])


def judge_together(
    plan: Plan, families: Sequence[Family], role: str, ledger: Ledger, rng: np.random.Generator
) -> tuple[Evidence, ...]:
    """Test the comparisons of some families with one correction; those without a verdict still count in its size."""
    stopped = refusal_of_study(plan, ledger)
    drafts = [_draft(plan, family, t, ledger, stopped, rng) for family in families for t in family.treatments]
    corrected = _correct(drafts, families[0].correction, plan.alpha)
    p_max_t = [p for family in families for p in _max_t(plan, [d for d in drafts if d.family is family], rng)]
    return tuple(
        _judge(plan, role, ledger, draft, one, p) for draft, one, p in zip(drafts, corrected, p_max_t, strict=True)
    )


def _draft(
    plan: Plan, family: Family, treatment: str, ledger: Ledger, stopped: str, rng: np.random.Generator
) -> _Draft:
    arms = (treatment, family.baseline)
    a, b = (ledger.values(label, plan.metric) for label in arms)
    pairs = pair(a, b)
    splits = resplits_of(plan, ledger, arms, pairs.keys)
    shared = splits.overlap
    result = None
    if plan.unpaired and min(len(a), len(b)) > 1:
        result = compare_unpaired(list(a.values()), list(b.values()), margin=plan.sesoi, alpha=plan.alpha)
    elif pairs.keys and not plan.unpaired:
        result = compare_paired(pairs, margin=plan.sesoi, alpha=plan.alpha, better=plan.better, rng=rng, overlap=shared)
    refused = (
        stopped
        or ("" if result else untestable(result, unpaired=plan.unpaired))
        or refusal_of_seeds(plan, ledger, set(a), set(b))
        or untestable(result)
        or refusal_of_copies(plan, ledger, arms[::-1])
        or _refusal_of_splits(plan, splits)
    )
    return _Draft(family, treatment, pairs, result, refused)


def _refusal_of_splits(plan: Plan, splits: Resplits) -> str:
    """Why the test splits of the arms allow no verdict, or an empty text."""
    if plan.unpaired and splits.moving:
        return "the test splits move with the seed and the arms are unpaired"
    return splits.refusal


def _correct(drafts: Sequence[_Draft], correction: str, alpha: float) -> list[Corrected]:
    """Adjusted p and level of every comparison, for the difference and for the equivalence."""
    tested = [d.tested for d in drafts]
    different, equivalent = [r.p_t if r else None for r in tested], [r.p_tost if r else None for r in tested]
    columns = (
        adjust(different, correction), step_levels(different, correction, alpha),
        adjust(equivalent, correction), step_levels(equivalent, correction, alpha),
    )  # fmt: skip
    return [Corrected(len(drafts), alpha, *row) for row in zip(*columns, strict=True)]


def _max_t(plan: Plan, drafts: Sequence[_Draft], rng: np.random.Generator) -> list[float | None]:
    """Max-t p of the comparisons of a family that get a verdict; all of these have the same seeds."""
    kept = [d.treatment for d in drafts if not d.refused]
    if plan.unpaired or len(kept) < 2:
        return [None] * len(drafts)
    matrix: Floats = np.column_stack([d.pairs.differences for d in drafts if not d.refused])
    p = dict(zip(kept, max_t_sign_flip(matrix, rng=rng).tolist(), strict=True))
    return [p.get(d.treatment) for d in drafts]


def _judge(
    plan: Plan, role: str, ledger: Ledger, draft: _Draft, corrected: Corrected, p_max_t: float | None
) -> Evidence:
    verdict = Verdict(NONE, reason=draft.refused)
    if draft.tested is not None:
        verdict = decide(draft.tested, corrected, better=plan.better, margin=plan.sesoi)
    arms = (draft.treatment, draft.family.baseline)
    collapsed = tuple(c for arm in arms for c in collapsed_seeds(plan, ledger, arm))
    can = feasibility(plan, ledger, arms, draft.result, corrected.m, draft.family.correction)
    return Evidence(
        family=draft.family,
        role=role,
        m=corrected.m,
        treatment=draft.treatment,
        pairs=draft.pairs,
        result=draft.result,
        p_adjusted=corrected.p,
        p_equivalence=corrected.p_equivalence,
        p_max_t=p_max_t,
        ci_adjusted=draft.result.interval(1 - plan.alpha / corrected.m) if draft.result else None,
        ci_verdict=verdict_interval(draft.result, verdict, corrected),
        feasibility=can.without_plans() if can and collapsed else can,
        collapsed=collapsed,
        verdict=verdict,
    )
