"""All declared comparisons of a study: tests, adjusted p-values and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.results.verdicts import BETTER, NONE, WORSE, Verdict, decide, reason_for_no_verdict
from analysis.stats.comparison import Comparison, compare_paired, compare_unpaired
from analysis.stats.multiplicity import adjust, max_t_sign_flip
from analysis.stats.pairing import Pairs, pair
from analysis.stats.power import detectable, seeds_needed, smallest_family_n
from analysis.stats.types import Floats, Interval
from analysis.study.ledger import Ledger
from analysis.study.plan import Family, Plan


@dataclass(frozen=True)
class Feasibility:
    """What a comparison with this n can and cannot show. Effects are in the unit of the records.

    Attributes:
        smallest_p: Smallest p that the exact tests can give with n pairs.
        smallest_p_adjusted: The same under Holm over the family's m comparisons.
        smallest_n: Fewest seeds with which the exact tests can reject in this family.
        detectable: Difference found with 80 % power at level alpha.
        detectable_adjusted: The same at the family's hardest step, alpha / m.
        seeds_for_effect: Seeds that detect the declared smallest effect; None without one or above 100,000.
        seeds_for_effect_high: The same with the upper 80 % bound of the SD of the differences.
        seconds_for_effect: Computing time of the seeds still needed, both arms, from the records.
        device: Kind of device on which these seconds were measured.
    """

    smallest_p: float
    smallest_p_adjusted: float
    smallest_n: int
    detectable: float | None
    detectable_adjusted: float | None
    seeds_for_effect: int | None
    seeds_for_effect_high: int | None
    seconds_for_effect: float | None
    device: str


@dataclass(frozen=True)
class Evidence:
    """One treatment against its baseline, with everything that a verdict needs.

    Attributes:
        family: The family as declared.
        role: Its role after gatekeeping.
        m: Size of the family.
        treatment: Label of the treatment.
        pairs: The values, paired by seed.
        result: Tests and effect sizes; None without common seeds.
        p_adjusted: p of the verdict test, adjusted in the family.
        p_equivalence: p of the equivalence test, adjusted likewise.
        p_max_t: Many-to-one max-t sign-flip p; None in a family of one.
        ci_adjusted: Interval at level 1 - alpha / m.
        feasibility: What this n can show.
        verdict: The verdict, or why there is none.
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
    feasibility: Feasibility | None
    verdict: Verdict


@dataclass(frozen=True)
class _Draft:
    treatment: str
    pairs: Pairs
    result: Comparison | None
    refused: str

    @property
    def tested(self) -> Comparison | None:
        return None if self.refused else self.result


def judge_comparisons(plan: Plan, ledger: Ledger, rng: np.random.Generator) -> tuple[Evidence, ...]:
    """Test every declared comparison.

    Ablation families are confirmatory only if a primary family has rejected (gatekeeping); otherwise they are
    exploratory. A study without a primary family has no gate.
    """
    done: dict[str, tuple[Evidence, ...]] = {}
    open_gate = not any(f.role == "primary" for f in plan.families)
    for family in sorted(plan.families, key=lambda f: f.role != "primary"):
        role = "exploratory" if family.role == "ablation" and not open_gate else family.role
        done[family.name] = judge_family(plan, family, role, ledger, rng)
        decided = any(e.verdict.word in (BETTER, WORSE) for e in done[family.name])
        open_gate |= role == "primary" and decided
    return tuple(e for family in plan.families for e in done[family.name])


def judge_family(
    plan: Plan, family: Family, role: str, ledger: Ledger, rng: np.random.Generator
) -> tuple[Evidence, ...]:
    """Test the comparisons of one family and give verdicts; those without a verdict still count in its size."""
    drafts = [_draft(plan, family, t, ledger, rng) for t in family.treatments]
    tested = [d.tested for d in drafts]
    p_adjusted = adjust([r.p_t if r else None for r in tested], family.correction)
    p_tost = adjust([r.p_tost if r else None for r in tested], family.correction)
    p_max_t = _max_t(plan, drafts, rng)
    return tuple(
        _judge(plan, family, role, ledger, draft, p, q, r)
        for draft, p, q, r in zip(drafts, p_adjusted, p_tost, p_max_t, strict=True)
    )


def _draft(plan: Plan, family: Family, treatment: str, ledger: Ledger, rng: np.random.Generator) -> _Draft:
    a, b = ledger.values(treatment, plan.metric), ledger.values(family.baseline, plan.metric)
    pairs = pair(a, b)
    result = None
    if plan.unpaired and min(len(a), len(b)) > 1:
        result = compare_unpaired(list(a.values()), list(b.values()), margin=plan.sesoi, alpha=plan.alpha)
    elif pairs.keys and not plan.unpaired:
        result = compare_paired(pairs, margin=plan.sesoi, alpha=plan.alpha, better=plan.better, rng=rng)
    return _Draft(treatment, pairs, result, reason_for_no_verdict(result, pairs.complete, plan.phase, plan.unpaired))


def _max_t(plan: Plan, drafts: Sequence[_Draft], rng: np.random.Generator) -> list[float | None]:
    """Max-t p of the comparisons that get a verdict; all of these have the same seeds."""
    kept = [d.treatment for d in drafts if not d.refused]
    if plan.unpaired or len(kept) < 2:
        return [None] * len(drafts)
    matrix: Floats = np.column_stack([d.pairs.differences for d in drafts if not d.refused])
    p = dict(zip(kept, max_t_sign_flip(matrix, rng=rng).tolist(), strict=True))
    return [p.get(d.treatment) for d in drafts]


def _judge(
    plan: Plan, family: Family, role: str, ledger: Ledger, draft: _Draft,
    p_adjusted: float | None, p_equivalence: float | None, p_max_t: float | None,
) -> Evidence:  # fmt: skip
    m = len(family.treatments)
    if draft.refused or draft.result is None or p_adjusted is None:
        verdict = Verdict(NONE, reason=draft.refused)
    else:
        verdict = decide(
            draft.result, p_adjusted, p_equivalence, alpha=plan.alpha, better=plan.better, margin=plan.sesoi
        )
    return Evidence(
        family=family,
        role=role,
        m=m,
        treatment=draft.treatment,
        pairs=draft.pairs,
        result=draft.result,
        p_adjusted=p_adjusted,
        p_equivalence=p_equivalence,
        p_max_t=p_max_t,
        ci_adjusted=adjusted_interval(draft.result, m, plan.alpha),
        feasibility=feasibility(plan, family, draft, ledger),
        verdict=verdict,
    )


def adjusted_interval(result: Comparison | None, m: int, alpha: float) -> Interval | None:
    """The t-interval at level 1 - alpha / m: all m intervals of a family cover together with 1 - alpha."""
    if result is None or result.ci is None or not result.df:
        return None
    ratio = stats.t.isf(alpha / m / 2, result.df) / stats.t.isf(alpha / 2, result.df)
    half = float(ratio) * (result.ci.high - result.ci.low) / 2
    return Interval(
        result.difference, result.difference - half, result.difference + half, 1 - alpha / m, "Bonferroni t"
    )


def feasibility(plan: Plan, family: Family, draft: _Draft, ledger: Ledger) -> Feasibility | None:
    """What the comparison can show with its n, and the seeds that the declared effect needs; None without pairs."""
    result, m = draft.result, len(family.treatments)
    if result is None or result.sd_difference is None:
        return None
    floor = result.sign_flip.smallest if result.sign_flip else 1.0
    sd, n = result.sd_difference, result.n
    wanted = _seeds_for(plan.sesoi, sd, plan.alpha)
    seconds, device = _cost(ledger, (draft.treatment, family.baseline))
    return Feasibility(
        smallest_p=floor,
        smallest_p_adjusted=min(1.0, floor * m),
        smallest_n=smallest_family_n(m, plan.alpha),
        detectable=detectable(n, plan.alpha) * sd,
        detectable_adjusted=detectable(n, plan.alpha / m) * sd,
        seeds_for_effect=wanted,
        seeds_for_effect_high=_seeds_for(plan.sesoi, upper_sd(sd, n), plan.alpha),
        seconds_for_effect=None if wanted is None or seconds is None else max(0, wanted - n) * seconds,
        device=device,
    )


def upper_sd(sd: float, n: int, level: float = 0.8) -> float:
    """One-sided upper bound of an SD from n normal values, for planning when n is small."""
    return sd * float(np.sqrt((n - 1) / stats.chi2.ppf(1 - level, n - 1)))


def _seeds_for(effect: float | None, sd: float, alpha: float) -> int | None:
    if effect is None or effect <= 0 or sd <= 0:
        return None
    return seeds_needed(round(effect / sd, 12), alpha)


def _cost(ledger: Ledger, arms: Sequence[str]) -> tuple[float | None, str]:
    """Mean seconds of one seed of the arms together, and the kind of device."""
    total, kinds = 0.0, set()
    for arm in arms:
        known = [r for r in ledger.used.get(arm, {}).values() if r.seconds is not None]
        if not known:
            return None, ""
        total += sum(r.seconds or 0.0 for r in known) / len(known)
        kinds |= {"CPU" if (r.device or "cpu").startswith("cpu") else "GPU" for r in known}
    return total, "/".join(sorted(kinds))
