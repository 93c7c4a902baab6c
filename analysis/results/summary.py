"""Plan, ledger, arms and comparisons as plain data: the part of the document that every report has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from analysis.formatting import Scale, make_scale, metric_name
from analysis.results.answer import answer
from analysis.results.comparisons import Evidence
from analysis.results.document import (
    REPORT_VERSION,
    ArmData,
    ComparisonData,
    DescriptionData,
    DetailData,
    FactorData,
    FamilyData,
    FeasibilityData,
    FindingData,
    LedgerData,
    MetricData,
    RecipeData,
    SearchSpaceData,
    Summary,
    ValidationData,
    to_plain,
)
from analysis.results.old_rules import changed_verdicts
from analysis.results.sentences import feasibility_line, sentence
from analysis.results.standing import RULES, Notice, notices
from analysis.stats.comparison import Comparison
from analysis.stats.description import Description, describe
from analysis.stats.types import Interval
from analysis.study.ledger import Ledger
from analysis.study.plan import Arm, Family, Plan, dataset_of
from analysis.study.resplits import overlap_of


def metric_scale(plan: Plan, ledger: Ledger) -> Scale:
    """How the study's metric is shown."""
    largest = max((list(ledger.values(a.label, plan.metric).values()) for a in plan.arms), key=len, default=[])
    label = plan.metric_label or metric_name(plan.metric)
    if plan.from_table:  # a column may have the name of a metric of ours and values in percent
        return make_scale("", largest, label, plan.unit)
    return make_scale(plan.metric, largest, label, plan.unit)


def summarise(plan: Plan, ledger: Ledger, evidence: Sequence[Evidence], scale: Scale) -> Summary:
    """The parts that every report has: plan, ledger, arms, comparisons."""
    comparisons = [_comparison(plan, e, scale) for e in evidence]
    return {
        "schema_version": REPORT_VERSION,
        "rules": RULES,
        "notices": to_plain(_notices(plan, ledger, evidence)),
        "study": plan.study,
        "question": plan.question,
        "answer": answer(comparisons, scale, plan.method, plan.blocks),
        "plan_hash": plan.plan_hash,
        "metric": _metric(plan, scale),
        "alpha": plan.alpha,
        "error_rate": plan.error_rate,
        "sesoi": plan.sesoi,
        "seeds": list(plan.seeds),
        "stop": plan.stop,
        "phase": plan.phase,
        "unpaired": plan.unpaired,
        "from_table": plan.from_table,
        "scope": plan.scope,
        "blocks": list(plan.blocks),
        "datasets": sorted({d for a in plan.arms if (d := dataset_of(a)) is not None}),
        "recipe": cast(RecipeData, dict(plan.recipe)) if plan.recipe else None,
        "validation": cast(list[ValidationData], to_plain(plan.validation)),
        "search_space": cast(list[SearchSpaceData], to_plain(plan.search_space)),
        "confirm_on": plan.confirm_on or None,
        "factors": cast(list[FactorData], to_plain(plan.factors)),
        "block_fields": sorted(plan.block_fields),
        "ledger": ledger_data(ledger),
        "arms": [_arm(plan, ledger, arm) for arm in plan.arms],
        "families": [_family(evidence, family) for family in plan.families],
        "comparisons": comparisons,
    }


def _notices(plan: Plan, ledger: Ledger, evidence: Sequence[Evidence]) -> tuple[Notice, ...]:
    return notices(plan, ledger, [e.verdict.reason for e in evidence], changed_verdicts(plan, evidence))


def _metric(plan: Plan, scale: Scale) -> MetricData:
    return {
        "name": plan.metric,
        "label": scale.label,
        "direction": plan.direction,
        "shown_times": scale.factor,
        "unit": scale.unit,
        "symbol": scale.symbol,
        "decimals": scale.decimals,
    }


def ledger_data(ledger: Ledger) -> LedgerData:
    """The ledger without the records themselves."""
    return {
        "planned": ledger.planned,
        "complete": ledger.complete,
        "stopped": ledger.stopped,
        "diverged": ledger.diverged,
        "failed": ledger.failed,
        "missing": ledger.missing,
        "duplicate": ledger.duplicate,
        "excluded": ledger.excluded,
        "tune_phase": ledger.tune_phase,
        "arms": to_plain(ledger.arms),
        "exclusions": to_plain(ledger.exclusions),
        "faults": to_plain(ledger.faults),
    }


def _arm(plan: Plan, ledger: Ledger, arm: Arm) -> ArmData:
    overlap = overlap_of(plan, ledger, arm.label)
    described = describe(ledger.values(arm.label, plan.metric), 1 - plan.alpha, overlap)
    return {
        "arm": arm.label,
        "method": plan.method(arm.label),
        "block": arm.block,
        "dataset": dataset_of(arm),
        "baseline": arm.baseline,
        "settings": dict(arm.settings),
        **description_data(described, plan.scope),
        "failed": {str(f.seed): f.status for f in ledger.faults if f.arm == arm.label},
    }


def description_data(d: Description, scope: str) -> DescriptionData:
    """A description as plain data, `values` keyed by seed."""
    return {
        "n": d.n,
        "mean": d.mean,
        "sd": d.sd,
        "ci_low": _low(d.ci),
        "ci_high": _high(d.ci),
        "sd_low": _low(d.sd_ci),
        "sd_high": _high(d.sd_ci),
        "median": d.median,
        "min": d.low,
        "max": d.high,
        "values": {str(seed): value for seed, value in d.values.items()},
        "scope": scope,
        "warnings": list(d.warnings),
    }


def _low(interval: Interval | None) -> float | None:
    return interval.low if interval is not None and math.isfinite(interval.low) else None


def _high(interval: Interval | None) -> float | None:
    return interval.high if interval is not None and math.isfinite(interval.high) else None


def _family(evidence: Sequence[Evidence], family: Family) -> FamilyData:
    found = [e for e in evidence if e.family.name == family.name]
    return {
        "family": family.name,
        "declared_role": family.role,
        "role": found[0].role if found else family.role,
        "correction": family.correction,
        "baseline": family.baseline,
        "treatments": list(family.treatments),
        "m": found[0].m if found else len(family.treatments),
    }


def _comparison(plan: Plan, e: Evidence, scale: Scale) -> ComparisonData:
    pairs = [] if plan.unpaired else list(zip(e.pairs.keys, e.pairs.differences.tolist(), strict=True))
    alone = [] if plan.unpaired else [*e.pairs.only_treatment, *e.pairs.only_baseline]
    return {
        "family": e.family.name,
        "role": e.role,
        "correction": e.family.correction,
        "m": e.m,
        "block": plan.arm[e.treatment].block,
        "treatment": e.treatment,
        "baseline": e.family.baseline,
        **_finding(e, plan),
        "p_adjusted": e.p_adjusted,
        "p_equivalence_adjusted": e.p_equivalence,
        "p_max_t": e.p_max_t,
        "ci_adjusted_low": _low(e.ci_adjusted),
        "ci_adjusted_high": _high(e.ci_adjusted),
        "ci_verdict_low": _low(e.ci_verdict),
        "ci_verdict_high": _high(e.ci_verdict),
        "ci_verdict_level": e.ci_verdict.level if e.ci_verdict else None,
        "verdict": e.verdict.word,
        "size": e.verdict.size,
        "reason": e.verdict.reason,
        "sentence": sentence(plan, e, scale),
        "collapsed": to_plain(e.collapsed),
        "feasibility": cast(FeasibilityData | None, to_plain(e.feasibility)),
        "feasibility_line": feasibility_line(plan, e, scale),
        "differences": {str(k): v for k, v in pairs},
        "unpaired_seeds": alone,
    }


def _finding(e: Evidence, plan: Plan) -> FindingData:
    scope = plan.scope_of(e.result is not None and e.result.overlap is not None)
    if e.result is None:
        return {
            "n": 0,
            "difference": None,
            "ci_low": None,
            "ci_high": None,
            "p_t": None,
            "p_sign_flip": None,
            "d_z": None,
            "p_wilcoxon": None,
            "scope": scope,
            "warnings": [e.verdict.reason],
        }
    return _tested(e.result, scope)


def _tested(r: Comparison, scope: str) -> FindingData:
    return {
        "n": r.n,
        "difference": r.difference,
        "ci_low": _low(r.ci),
        "ci_high": _high(r.ci),
        "ci_90_low": _low(r.ci_90),
        "ci_90_high": _high(r.ci_90),
        "p_t": r.p_t,
        "p_sign_flip": r.sign_flip.p if r.sign_flip else None,
        "p_wilcoxon": r.wilcoxon.p if r.wilcoxon else None,
        "p_equivalence": r.p_tost,
        "d_z": r.d_z.estimate if r.d_z else None,
        "detail": detail(r),
        "scope": scope,
        "warnings": list(r.warnings),
    }


def detail(result: Comparison) -> DetailData:
    """The further tests and effect sizes of a comparison."""
    elsewhere = {"n", "difference", "ci", "ci_90", "p_t", "p_tost", "scope", "warnings"}
    return cast(DetailData, {k: v for k, v in to_plain(result).items() if k not in elsewhere})
