"""Types of the parts about noise beside that of the seed as a whole: crossed sources of chance, and test samples."""

from __future__ import annotations

from typing import TypedDict


class SourceData(TypedDict):
    """Variance that one source of chance, or an interaction of several, adds to one run, in squared units."""

    sources: list[str]
    df: int
    mean_square: float
    variance: float
    low: float | None
    high: float | None
    share: float
    share_low: float | None
    share_high: float | None
    f: float | None
    p: float | None
    advice: str


class CrossedData(TypedDict):
    """The variance components of one arm whose seeds cross sources of chance; `reason` says why there are none."""

    arm: str
    block: str
    method: str
    sources: list[str]
    levels: list[int]
    runs: int
    planned: int
    level: float
    mean: float | None
    components: list[SourceData]
    reason: str


class SeedCountsData(TypedDict):
    """McNemar's exact test of one seed: samples that only one of the arms has right."""

    seed: int
    only_treatment: int
    only_baseline: int
    p: float | None


class SampleNoiseData(TypedDict):
    """One comparison for new seeds and new test samples beside new seeds; `reason` says why there is no interval."""

    treatment: str
    baseline: str
    n: int
    samples: int | None
    difference: float | None
    ci_seeds_low: float | None
    ci_seeds_high: float | None
    ci_low: float | None
    ci_high: float | None
    level: float
    df: float | None
    error_seeds: float | None
    error: float | None
    sample_error: float | None
    error_bound: float | None
    churn_treatment: float | None
    churn_baseline: float | None
    mcnemar: list[SeedCountsData]
    scope: str
    reason: str
