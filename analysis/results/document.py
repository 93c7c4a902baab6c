"""The result of an analysis as plain data: what `report.json` holds and everything is rendered from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.formatting import Scale, make_scale
from analysis.results.comparisons import Evidence
from analysis.results.datasets import dataset_of
from analysis.results.sentences import feasibility_line, sentence
from analysis.stats.description import Description, describe
from analysis.stats.types import Interval, to_plain
from analysis.study.ledger import Ledger
from analysis.study.plan import Arm, Plan

REPORT_VERSION = 1
Data = dict[str, Any]


def metric_scale(plan: Plan, ledger: Ledger) -> Scale:
    """How the study's metric is shown."""
    largest = max((list(ledger.values(a.label, plan.metric).values()) for a in plan.arms), key=len, default=[])
    return make_scale(plan.metric, largest)


def core(plan: Plan, ledger: Ledger, evidence: Sequence[Evidence], scale: Scale) -> Data:
    """The parts that every report has: plan, ledger, arms, comparisons."""
    return {
        "schema_version": REPORT_VERSION,
        "study": plan.study,
        "question": plan.question,
        "plan_hash": plan.plan_hash,
        "metric": _metric(plan, scale),
        "alpha": plan.alpha,
        "sesoi": plan.sesoi,
        "seeds": list(plan.seeds),
        "phase": plan.phase,
        "unpaired": plan.unpaired,
        "scope": plan.scope,
        "blocks": list(plan.blocks),
        "datasets": sorted({d for a in plan.arms if (d := dataset_of(a)) is not None}),
        "factors": to_plain(plan.factors),
        "block_fields": sorted(plan.block_fields),
        "ledger": ledger_data(ledger),
        "arms": [_arm(plan, ledger, arm) | {"scope": plan.scope} for arm in plan.arms],
        "families": [_family(plan, evidence, f.name) for f in plan.families],
        "comparisons": [_comparison(plan, e, scale) | {"scope": plan.scope} for e in evidence],
    }


def _metric(plan: Plan, scale: Scale) -> Data:
    return {
        "name": plan.metric,
        "label": scale.label,
        "direction": plan.direction,
        "shown_times": scale.factor,
        "unit": scale.unit,
        "symbol": scale.symbol,
        "decimals": scale.decimals,
    }


def scale_of(data: Data) -> Scale:
    """The scale that a document was made with."""
    m = data["metric"]
    return Scale(m["shown_times"], m["unit"], m["symbol"], m["decimals"], m["label"])


def ledger_data(ledger: Ledger) -> Data:
    """The ledger without the records themselves."""
    totals = ("planned", "complete", "stopped", "diverged", "failed", "missing", "duplicate", "excluded")
    return {
        **{name: getattr(ledger, name) for name in totals},
        "tune_phase": ledger.tune_phase,
        "arms": to_plain(ledger.arms),
        "exclusions": to_plain(ledger.exclusions),
        "faults": to_plain(ledger.faults),
    }


def _arm(plan: Plan, ledger: Ledger, arm: Arm) -> Data:
    d = describe(ledger.values(arm.label, plan.metric), 1 - plan.alpha)
    return {
        "arm": arm.label,
        "method": plan.method(arm.label),
        "block": arm.block,
        "dataset": dataset_of(arm),
        "baseline": arm.baseline,
        "settings": dict(arm.settings),
        **description_data(d),
        "failed": {str(f.seed): f.status for f in ledger.faults if f.arm == arm.label},
    }


def description_data(d: Description) -> Data:
    """A description as plain data, `values` keyed by seed."""
    return {
        "n": d.n,
        "mean": d.mean,
        "sd": d.sd,
        **bounds("ci", d.ci),
        **bounds("sd", d.sd_ci),
        "median": d.median,
        "min": d.low,
        "max": d.high,
        "values": {str(seed): value for seed, value in d.values.items()},
        "scope": d.scope,
        "warnings": list(d.warnings),
    }


def bounds(name: str, interval: Interval | None) -> Data:
    """`<name>_low` and `<name>_high` of an interval; null where there is none."""
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    return {f"{name}_low": _finite(low), f"{name}_high": _finite(high)}


def _finite(x: float | None) -> float | None:
    return x if x is not None and math.isfinite(x) else None


def _family(plan: Plan, evidence: Sequence[Evidence], name: str) -> Data:
    family = next(f for f in plan.families if f.name == name)
    roles = {e.role for e in evidence if e.family.name == name}
    return {
        "family": name,
        "declared_role": family.role,
        "role": next(iter(roles), family.role),
        "correction": family.correction,
        "baseline": family.baseline,
        "treatments": list(family.treatments),
        "m": len(family.treatments),
    }


def _comparison(plan: Plan, e: Evidence, scale: Scale) -> Data:
    pairs = zip(e.pairs.keys, e.pairs.differences.tolist(), strict=True)
    return {
        "family": e.family.name,
        "role": e.role,
        "correction": e.family.correction,
        "m": e.m,
        "block": plan.arm[e.treatment].block,
        "treatment": e.treatment,
        "baseline": e.family.baseline,
        **_result(e),
        "p_adjusted": e.p_adjusted,
        "p_equivalence_adjusted": e.p_equivalence,
        "p_max_t": e.p_max_t,
        **bounds("ci_adjusted", e.ci_adjusted),
        "verdict": e.verdict.word,
        "size": e.verdict.size,
        "reason": e.verdict.reason,
        "sentence": sentence(plan, e, scale),
        "feasibility": to_plain(e.feasibility),
        "feasibility_line": feasibility_line(plan, e, scale),
        "differences": {str(k): v for k, v in pairs},
        "unpaired_seeds": [*e.pairs.only_treatment, *e.pairs.only_baseline],
    }


def _result(e: Evidence) -> Data:
    r = e.result
    if r is None:
        empty = ("difference", "ci_low", "ci_high", "p_t", "p_sign_flip", "d_z", "p_wilcoxon")
        return {"n": 0, **dict.fromkeys(empty), "warnings": [e.verdict.reason]}
    return {
        "n": r.n,
        "difference": r.difference,
        **bounds("ci", r.ci),
        **bounds("ci_90", r.ci_90),
        "p_t": r.p_t,
        "p_sign_flip": r.sign_flip.p if r.sign_flip else None,
        "p_wilcoxon": r.wilcoxon.p if r.wilcoxon else None,
        "p_equivalence": r.p_tost,
        "d_z": r.d_z.estimate if r.d_z else None,
        "detail": detail(r),
        "scope": r.scope,
        "warnings": list(r.warnings),
    }


def detail(result: Any) -> Mapping[str, Any]:
    """Everything else of a comparison: tests with method, effect sizes with intervals."""
    left_out = {"n", "difference", "ci", "ci_90", "p_t", "p_tost", "scope", "warnings"}
    return {k: v for k, v in to_plain(result).items() if k not in left_out}
