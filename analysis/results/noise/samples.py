"""The noise of the test samples: every comparison for new seeds and new test samples, beside new seeds alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.results.comparisons import Evidence
from analysis.results.standing import BY_SEQUENCE
from analysis.stats.description import mean_interval
from analysis.stats.designs.samples import (
    SCOPE_SAMPLES,
    Crossed,
    Right,
    churn,
    crossed_difference,
    mcnemar,
    sample_error_bound,
)
from analysis.study.ledger import Ledger
from analysis.study.plan import UNTIL_DECIDED, Plan
from analysis.study.records import Record
from analysis.study.resplits import resplits_of
from silhouette.bits import unpack

ACCURACY = "test_top1"
"""The metric of ours that is a share of test samples."""
ROUNDING = 1e-6
"""Largest difference of a share and its metric, which an own experiment may compute in single precision."""
MOVING = "each seed draws test samples of its own, so the interval over seeds contains their noise"
UNNAMED = "the records do not name their test samples (test_pool_sha256)"
NO_SPREAD = "the difference does not vary"


@dataclass(frozen=True)
class SeedCounts:
    """McNemar's test of one seed: its scope is new test samples for these two trained models.

    Attributes:
        seed: The seed.
        only_treatment: Samples that only the treatment has right.
        only_baseline: Samples that only the baseline has right.
        p: Exact two-sided p, not corrected.
    """

    seed: int
    only_treatment: int
    only_baseline: int
    p: float


@dataclass(frozen=True)
class SampleNoise:
    """One comparison with the noise of its test samples, in fractions (0.01 is one point of accuracy).

    Attributes:
        treatment: Label of the treatment.
        baseline: Label of the baseline.
        n: Seeds.
        samples: Test samples; None where the records do not tell.
        difference: Mean difference.
        ci_seeds_low: Lower bound for new seeds on these samples.
        ci_seeds_high: Upper bound.
        ci_low: Lower bound for new seeds and new test samples.
        ci_high: Upper bound.
        level: Coverage of both intervals; neither is corrected for several comparisons.
        df: Satterthwaite's degrees of freedom of the second one.
        error_seeds: Standard error for new seeds.
        error: Standard error for new seeds and new test samples.
        sample_error: What the samples alone add to it, σ_sample / √N.
        error_bound: The most that they can add, where the records have no bits.
        churn_treatment: Share of samples on which two seeds of the treatment differ; None below two seeds.
        churn_baseline: The same of the baseline.
        mcnemar: One test for each seed.
        scope: What the interval describes; empty without one.
        reason: Why there is no such interval, or an empty text.
    """

    treatment: str
    baseline: str
    n: int
    samples: int | None
    difference: float | None = None
    ci_seeds_low: float | None = None
    ci_seeds_high: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    level: float = 0.95
    df: float | None = None
    error_seeds: float | None = None
    error: float | None = None
    sample_error: float | None = None
    error_bound: float | None = None
    churn_treatment: float | None = None
    churn_baseline: float | None = None
    mcnemar: tuple[SeedCounts, ...] = ()
    scope: str = ""
    reason: str = ""


@dataclass(frozen=True)
class _Pair:
    """The records of one comparison: those of the treatment and of the baseline under the seeds that both have."""

    plan: Plan
    evidence: Evidence
    seeds: tuple[Any, ...]
    ours: tuple[Record, ...]
    theirs: tuple[Record, ...]

    @property
    def records(self) -> tuple[Record, ...]:
        return (*self.ours, *self.theirs)


def sample_noise(plan: Plan, ledger: Ledger, evidence: Sequence[Evidence]) -> tuple[SampleNoise, ...]:
    """The declared comparisons whose metric is a share of test samples; empty for other metrics and for plain tables.

    Arms that were tested on other samples than their baseline, or whose seeds draw test samples of their own, are
    refused in words. Where records do not say which samples were right, the largest error that the samples can add is
    given instead.
    """
    if plan.unpaired or plan.from_table:
        return ()
    rows = (_row(ledger, _pair(plan, ledger, e)) for e in evidence if e.pairs.keys)
    return tuple(row for row in rows if row is not None)


def _pair(plan: Plan, ledger: Ledger, evidence: Evidence) -> _Pair:
    seeds: tuple[Any, ...] = tuple(evidence.pairs.keys)
    arms = (evidence.treatment, evidence.family.baseline)
    ours, theirs = (tuple(ledger.used[arm][seed] for seed in seeds) for arm in arms)
    return _Pair(plan, evidence, seeds, ours, theirs)


def _row(ledger: Ledger, pair: _Pair) -> SampleNoise | None:
    """None where the metric is no share of test samples, or the records say nothing of these."""
    bits = [_right(record) for record in pair.records]
    known = [(record, right) for record, right in zip(pair.records, bits, strict=True) if right is not None]
    fits = [abs(record.metrics[pair.plan.metric] - right.mean()) <= ROUNDING for record, right in known]
    if pair.plan.metric != ACCURACY and not (any(fits) and len(known) == len(bits)):
        return None
    if not known and _number_of_samples(pair.records) is None:
        return None
    reason = _refusal(ledger, pair) or _fault_of_bits(pair, known, fits)
    if reason:
        return _without_interval(pair, reason)
    both: Right = np.stack([right for _, right in known])
    return _with_interval(pair, both[: len(pair.seeds)], both[len(pair.seeds) :])


def _right(record: Record) -> Right | None:
    """Which samples a record has right; None where it does not say, or not for as many samples as it names."""
    try:
        return unpack(record.bits, record.samples) if record.bits and record.samples else None
    except ValueError:
        return None


def _refusal(ledger: Ledger, pair: _Pair) -> str:
    """Why the test samples of both arms are not the same ones, or an empty text."""
    arms = (pair.evidence.treatment, pair.evidence.family.baseline)
    splits = resplits_of(pair.plan, ledger, arms, pair.seeds)
    adaptive = BY_SEQUENCE if pair.plan.stop == UNTIL_DECIDED else ""
    return adaptive or splits.refusal or (MOVING if splits.moving else "")


def _fault_of_bits(pair: _Pair, known: Sequence[tuple[Record, Right]], fits: Sequence[bool]) -> str:
    """Why the bits of the records cannot be compared, or an empty text."""
    if len(known) < len(pair.records):
        lacking = len(pair.records) - len(known)
        return f"{lacking} of {len(pair.records)} records do not say which test samples were right"
    if any(not record.origin.get("test_pool_sha256") for record, _ in known):
        return UNNAMED
    if len({len(right) for _, right in known}) > 1:
        return "the records have different numbers of test samples"
    wrong = next((record for (record, _), fit in zip(known, fits, strict=True) if not fit), None)
    return f"the test samples of {wrong.arm}, seed {wrong.seed}, do not give its {pair.plan.metric}" if wrong else ""


def _without_interval(pair: _Pair, reason: str) -> SampleNoise:
    """What can be said without bits: the binomial bound, where both arms were tested on the same samples."""
    samples = _number_of_samples(pair.records)
    arms = (pair.evidence.treatment, pair.evidence.family.baseline)
    ours, theirs = (float(np.mean([r.metrics[pair.plan.metric] for r in side])) for side in (pair.ours, pair.theirs))
    bounded = samples is not None and reason.endswith("do not say which test samples were right")
    bound = sample_error_bound(ours, theirs, samples) if bounded and samples else None
    return SampleNoise(*arms, len(pair.seeds), samples, ours - theirs, error_bound=bound, reason=reason)


def _number_of_samples(records: Sequence[Record]) -> int | None:
    """The number of test samples that all records agree on, by their bits or their classes."""
    numbers = {record.samples or sum(record.classes.get("class_total", ())) for record in records}
    return numbers.pop() or None if len(numbers) == 1 else None


def _with_interval(pair: _Pair, ours: Right, theirs: Right) -> SampleNoise:
    arms = (pair.evidence.treatment, pair.evidence.family.baseline)
    level = 1 - pair.plan.alpha
    found = crossed_difference(ours, theirs)
    gaps = ours.mean(axis=1) - theirs.mean(axis=1)
    own = SampleNoise(
        *arms, len(pair.seeds), ours.shape[1], float(gaps.mean()), level=level,
        churn_treatment=churn(ours), churn_baseline=churn(theirs),
        mcnemar=tuple(_counts(seed, *both) for seed, *both in zip(pair.seeds, ours, theirs, strict=True)),
        reason="" if found else NO_SPREAD,
    )  # fmt: skip
    return _measured(own, found, gaps.tolist(), pair.plan.scope_for(SCOPE_SAMPLES)) if found else own


def _measured(own: SampleNoise, found: Crossed, gaps: Sequence[float], scope: str) -> SampleNoise:
    seeds, whole = mean_interval(gaps, own.level), found.interval(own.level)
    return replace(
        own, ci_seeds_low=seeds.low, ci_seeds_high=seeds.high, ci_low=whole.low, ci_high=whole.high, df=found.df,
        error_seeds=found.error_seeds, error=found.error, sample_error=math.sqrt(found.sample_variance / found.samples),
        scope=scope,
    )  # fmt: skip


def _counts(seed: int, ours: Right, theirs: Right) -> SeedCounts:
    test = mcnemar(ours, theirs)
    return SeedCounts(seed, test.only_treatment, test.only_baseline, test.p)
