"""Types of the parts that compare further: several datasets, grids of a factor, classes, batches."""

from __future__ import annotations

from typing import Any, TypedDict

from analysis.results.document.summary import IntervalData, TestData


class AverageData(TypedDict):
    """The average difference over fixed datasets."""

    datasets: int
    difference: float
    error: float | None
    ci: IntervalData | None
    t: float | None
    df: float | None
    p: float | None
    method: str
    scope: str


class PooledData(TypedDict):
    """The random-effects mean of the differences, for new datasets."""

    datasets: int
    estimate: float
    ci: IntervalData
    p: float
    tau: float
    prediction: IntervalData | None
    method: str
    scope: str


class PosteriorData(TypedDict):
    """The hierarchical model over datasets: probabilities of the mean difference on a new one."""

    worse: float
    equivalent: float
    better: float
    rope: float
    mean: float
    tau: float
    shrunken: list[float]
    shrunken_sd: list[float]
    mean_low: float
    mean_high: float
    new_low: float
    new_high: float
    shrunken_low: list[float]
    shrunken_high: list[float]
    level: float
    method: str
    scope: str


class AcrossPairData(TypedDict):
    """One treatment against its baseline over all datasets of a condition."""

    treatment: str
    baseline: str
    datasets: list[str]
    differences: dict[str, float]
    intervals: dict[str, list[float] | None]
    average: AverageData
    p_average_adjusted: float | None
    verdict: str
    pooled: PooledData | None
    wilcoxon: TestData | None
    p_wilcoxon_adjusted: float | None
    verdict_new: str
    reason: str
    sign_flip: TestData
    shift: IntervalData
    bayes: PosteriorData | None
    shrunken: dict[str, float]
    warnings: list[str]


class RankTestData(TypedDict):
    """Friedman's test over datasets; F is null below three datasets and where it is infinite.

    On a page p is null too, where a comparison on a single dataset has no verdict.
    """

    datasets: int
    methods: int
    mean_ranks: list[float]
    chi2: float
    p_chi2: float
    f: float | None
    p_f: float | None
    p_permutation: float | None
    permutation_method: str
    critical_difference: float
    alpha: float
    scope: str
    warnings: list[str]


class MethodPairData(TypedDict):
    """Two methods over datasets; `apart` says whether they are different, `reason` why that cannot be said."""

    a: str
    b: str
    difference: float
    wins: int
    losses: int
    p: float | None
    p_adjusted: float | None
    apart: bool
    reason: str


class RanksData(TypedDict):
    """Ranks of all methods over the complete datasets; `cliques` are indices of methods without a difference."""

    methods: list[str]
    datasets: list[str]
    dropped: list[str]
    test: RankTestData
    pairwise: list[MethodPairData]
    cliques: list[list[int]]


class AcrossData(TypedDict):
    """One condition (for example one imbalance) over its datasets."""

    condition: str
    datasets: list[str]
    pairs: list[AcrossPairData]
    ranks: RanksData | None


class LevelData(TypedDict):
    """One level of a factor: its interval, the simultaneous band, the values by seed."""

    value: Any
    arm: str
    n: int
    mean: float | None
    ci_low: float | None
    ci_high: float | None
    band_low: float | None
    band_high: float | None
    values: dict[str, float]
    on_plateau: bool
    worse_by_at_most: float | None
    better_by_at_most: float | None
    insensitive: bool | None


class CurveData(TypedDict):
    """The metric along one factor, everything else equal."""

    block: str
    factor: str
    label: str
    log: bool
    held: str
    levels: list[LevelData]
    default: Any
    best: Any
    plateau: list[Any]
    insensitivity: list[Any] | None
    insensitivity_level: float | None
    error: float | None
    sd_low: float | None
    sd_high: float | None
    reason: str
    reference: IntervalData | None
    n: int
    scope: str
    warnings: list[str]


class EffectData(TypedDict):
    """One line of an ANOVA; F and p are null for the two lines of the seeds."""

    name: str
    df: int
    sum_squares: float
    share: float
    low: float | None
    high: float | None
    noise_floor: float | None
    f: float | None
    p: float | None
    scope: str


class GridCellData(TypedDict):
    """One cell of a complete grid; `at` are its levels."""

    at: list[Any]
    arm: str
    mean: float
    sd: float
    on_plateau: bool


class SharesData(TypedDict):
    """ANOVA shares of the complete grid of a block."""

    block: str
    factors: list[str]
    levels: list[list[Any]]
    n: int
    effects: list[EffectData]
    cells: list[GridCellData]
    left_out: list[str]
    reason: str


class SensitivityData(TypedDict):
    """How the metric depends on the factors."""

    curves: list[CurveData]
    shares: list[SharesData]


class GapData(TypedDict):
    """Paired difference in one group of classes, over the `n` seeds of `of` that have it."""

    name: str
    n: int
    of: int
    treatment: float
    baseline: float
    difference: float
    ci_low: float | None
    ci_high: float | None
    p: float | None
    p_adjusted: float | None
    m: int
    ci_verdict_low: float | None
    ci_verdict_high: float | None
    ci_verdict_level: float | None
    classes: int
    classes_low: int
    train_count: float | None
    train_low: int | None
    train_high: int | None
    scope: str


class ThresholdsData(TypedDict):
    """Shot groups of one arm: more training samples than `many`, fewer than `few`."""

    many: int
    few: int


class TailData(TypedDict):
    """One treatment against its baseline by shot group, class, and macro and worst-class accuracy.

    `thresholds` are those of the treatment and of the baseline.
    """

    family: str
    treatment: str
    baseline: str
    groups: list[GapData]
    overall: list[GapData]
    classes: list[GapData]
    classes_by: str
    empty: list[str]
    thresholds: list[ThresholdsData]
    train_ratio: float
    test_balanced: bool
    seeds: int
    reason: str
    warnings: list[str]


class ContrastData(TypedDict):
    """The gain at one imbalance minus the gain at the mildest with equal other settings, paired by seed."""

    treatment: str
    baseline: str
    block: str
    reference: str
    n: int
    gain: float
    gain_reference: float
    difference: float
    ci_low: float | None
    ci_high: float | None
    p: float | None
    p_adjusted: float | None
    m: int
    ci_verdict_low: float | None
    ci_verdict_high: float | None
    ci_verdict_level: float | None
    verdict: str
    reason: str
    scope: str


class BestArmData(TypedDict):
    """One arm against the best of the others of its block; null where nothing may be said."""

    arm: str
    method: str
    mean: float
    worse_by_at_most: float | None
    better_by_at_most: float | None
    can_be_best: bool | None


class BestData(TypedDict):
    """Hsu's multiple comparisons with the best over the arms of a block; `reason` says why there are none."""

    block: str
    n: int
    level: float
    error: float | None
    sd_low: float | None
    sd_high: float | None
    arms: list[BestArmData]
    scope: str
    reason: str


class GainPointData(TypedDict):
    """The gain of a treatment over n seeds, with the composition of its batches."""

    treatment: str
    baseline: str
    block: str
    n: int
    difference: float
    ci_low: float | None
    ci_high: float | None
    scope: str
    singleton_share: float | None
    classes_per_batch: float | None
    single_class_batches: float | None
