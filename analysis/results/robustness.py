"""Whether the findings hold under other tests, in other metrics, and without single seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.results.comparisons import Evidence
from analysis.stats.comparison import welch_test
from analysis.stats.description import describe, is_constant, mean_interval
from analysis.stats.designs.dunnett import compare_with_control
from analysis.stats.paired_t import paired_test
from analysis.stats.pairing import Pairs, pair
from analysis.stats.types import Floats, Interval
from analysis.study.evaluated import EvaluatedMetric, evaluated_metrics
from analysis.study.ledger import Ledger
from analysis.study.plan import EXPLORATORY, Plan
from analysis.study.resplits import overlap_of, resplits_of
from silhouette.evaluated import Evaluation
from silhouette.geometry.names import MEASURES
from silhouette.metrics import METRICS

GEOMETRY = tuple(f"test_{name}" for name in MEASURES)
"""The geometry of features, which the records of a study have if its configs ask for it."""
OTHER_METRICS = ("test_top1", "test_macro_top1", "test_silhouette", "val_top1", "val_macro_top1", *GEOMETRY)


@dataclass(frozen=True)
class Robustness:
    """One comparison under other tests, without single seeds, and in other metrics (all exploratory).

    `p_dunnett` is adjusted over the family and pools the error of its arms; the other p-values are raw. None in a
    family of one, and where the arms have different seeds.
    """

    treatment: str
    baseline: str
    p_t: float | None
    p_sign_flip: float | None
    p_wilcoxon: float | None
    p_welch: float | None
    p_dunnett: float | None
    leave_one_out: tuple[float, float] | None
    agree: bool
    other_metrics: Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class EvaluatedArm:
    """One arm in a metric that was measured after the study."""

    arm: str
    n: int
    mean: float | None
    sd: float | None
    ci: Interval | None


@dataclass(frozen=True)
class EvaluatedDifference:
    """One declared comparison in such a metric; interval and p are unadjusted."""

    treatment: str
    baseline: str
    n: int
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    p: float | None


@dataclass(frozen=True)
class Evaluated:
    """A metric that was measured after the study, on what its trials kept.

    Attributes:
        metric: Its name.
        function: `module:function` that computed it.
        source_sha256: Digest of its sources.
        missing: Records in use without a value.
        role: Always exploratory: it was chosen when results could be seen.
        arms: Every arm.
        comparisons: Every declared comparison whose seeds all have a value.
    """

    metric: str
    function: str
    source_sha256: str
    missing: int
    role: str
    arms: tuple[EvaluatedArm, ...]
    comparisons: tuple[EvaluatedDifference, ...]


def robustness(plan: Plan, ledger: Ledger, evidence: Sequence[Evidence]) -> tuple[Robustness, ...]:
    """Other tests and metrics for every comparison that was tested; none for unpaired arms, which have Welch's only."""
    if plan.unpaired:
        return ()
    pooled = {f.name: _dunnett([e for e in evidence if e.family.name == f.name]) for f in plan.families}
    return tuple(
        _robustness(plan, ledger, e, pooled[e.family.name].get(e.treatment))
        for e in evidence
        if e.result is not None and e.result.p_t is not None
    )


def _dunnett(family: Sequence[Evidence]) -> dict[str, float]:
    """Dunnett's p by treatment, over all treatments of a family that ran the same seeds on test splits of one kind."""
    tested = [e for e in family if e.result is not None and e.pairs.complete]
    if len(tested) != len(family) or len(family) < 2:
        return {}
    if len({(e.pairs.keys, e.result.overlap if e.result else None) for e in tested}) > 1:
        return {}
    matrix = np.column_stack([tested[0].pairs.baseline, *(e.pairs.treatment for e in tested)])
    found = compare_with_control(matrix, overlap=tested[0].result.overlap if tested[0].result else None)
    return {} if found is None else {e.treatment: p for e, p in zip(tested, found.p, strict=True)}


def _robustness(plan: Plan, ledger: Ledger, e: Evidence, p_dunnett: float | None) -> Robustness:
    r = e.result
    others = {} if r is None else _other_metrics(plan, ledger, e)
    exact = [test.p for test in (r.sign_flip, r.wilcoxon) if test is not None] if r else []
    ps = [r.p_t, *exact] if r and r.p_t is not None else exact
    return Robustness(
        treatment=e.treatment,
        baseline=e.family.baseline,
        p_t=r.p_t if r else None,
        p_sign_flip=r.sign_flip.p if r and r.sign_flip else None,
        p_wilcoxon=r.wilcoxon.p if r and r.wilcoxon else None,
        p_welch=welch_p(e.pairs.treatment, e.pairs.baseline),
        p_dunnett=p_dunnett,
        leave_one_out=r.leave_one_out if r else None,
        agree=len({p <= plan.alpha for p in ps}) <= 1,
        other_metrics=others,
    )


def _other_metrics(plan: Plan, ledger: Ledger, e: Evidence) -> dict[str, dict[str, float | None]]:
    found: dict[str, dict[str, float | None]] = {}
    for metric in _measured(ledger, e):
        if metric == plan.metric:
            continue
        both = pair(ledger.values(e.treatment, metric), ledger.values(e.family.baseline, metric))
        if difference := _difference(plan, ledger, e, both):
            found[metric] = difference
    return found


def _difference(plan: Plan, ledger: Ledger, e: Evidence, both: Pairs) -> dict[str, float | None]:
    """The mean difference of a comparison in another metric, unadjusted; empty where a seed has no value."""
    splits = resplits_of(plan, ledger, (e.treatment, e.family.baseline), both.keys)
    if not both.complete or len(both.keys) < 3 or splits.refusal:
        return {}
    ci, test = (
        mean_interval(both.differences, 1 - plan.alpha, splits.overlap),
        paired_test(both.differences, splits.overlap),
    )
    return {
        "difference": ci.estimate,
        "ci_low": ci.low,
        "ci_high": ci.high,
        "p": 1.0 if test is None else test.p,
    }


def evaluated(
    plan: Plan, ledger: Ledger, evidence: Sequence[Evidence], values: list[Evaluation]
) -> tuple[Evaluated, ...]:
    """Metrics that were measured after the study: arms and declared comparisons in each, unadjusted.

    Args:
        plan: The study.
        ledger: Its records, sorted.
        evidence: The declared comparisons.
        values: What was measured afterwards.
    """
    tested = [e for e in evidence if e.result is not None and e.result.p_t is not None and not plan.unpaired]
    return tuple(_evaluated(plan, ledger, tested, metric) for metric in evaluated_metrics(ledger, values))


def _evaluated(plan: Plan, ledger: Ledger, evidence: Sequence[Evidence], metric: EvaluatedMetric) -> Evaluated:
    arms = {
        arm: describe(values, 1 - plan.alpha, overlap_of(plan, ledger, arm)) for arm, values in metric.values.items()
    }
    pairs = [(e, pair(metric.values[e.treatment], metric.values[e.family.baseline])) for e in evidence]
    differences = [
        EvaluatedDifference(e.treatment, e.family.baseline, len(both.keys), **found)
        for e, both in pairs
        if (found := _difference(plan, ledger, e, both))
    ]
    described = tuple(EvaluatedArm(arm, d.n, d.mean, d.sd, d.ci) for arm, d in arms.items())
    own = (metric.name, metric.function, metric.source_sha256, metric.missing)
    return Evaluated(*own, EXPLORATORY, described, tuple(differences))


def _measured(ledger: Ledger, e: Evidence) -> list[str]:
    """Other metrics of ours, and every own one that both arms have."""
    sides = (ledger.used.get(arm, {}).values() for arm in (e.treatment, e.family.baseline))
    named = [{name for record in side for name in record.metrics} for side in sides]
    own = sorted(
        name for name in set.intersection(*named) if name not in METRICS and name.startswith(("test_", "val_"))
    )
    return [*OTHER_METRICS, *own]


def welch_p(a: Floats, b: Floats) -> float | None:
    """Welch's two-sided p, as if the seeds were not paired; None without spread."""
    if min(a.size, b.size) < 2 or (is_constant(a) and is_constant(b)):
        return None
    return float(welch_test(a, b).pvalue)
