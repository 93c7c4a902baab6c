"""Types of the parts of a report's document that only some studies have: datasets, grids, tuning and so on."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class IntervalData(TypedDict):
    """An estimate with its interval; an infinite bound is null."""

    estimate: float
    low: float | None
    high: float | None
    level: float
    method: str


class TestData(TypedDict):
    """One significance test; `smallest` is the smallest p that it can give with this n."""

    p: float
    n: int
    smallest: float
    method: str
    statistic: float | None


class AverageData(TypedDict):
    """The average difference over fixed datasets."""

    datasets: int
    difference: float
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
    p: float | None
    tau: float
    prediction: IntervalData | None
    method: str
    scope: str


class PosteriorData(TypedDict):
    """The Bayesian signed-rank probabilities over datasets."""

    worse: float
    equivalent: float
    better: float
    rope: float
    draws: int
    method: str
    scope: str


class AcrossPairData(TypedDict):
    """One treatment against its baseline over all datasets of a condition."""

    treatment: str
    baseline: str
    datasets: list[str]
    differences: dict[str, float]
    average: AverageData
    p_average_adjusted: float | None
    verdict: str
    pooled: PooledData | None
    wilcoxon: TestData
    p_wilcoxon_adjusted: float
    verdict_new: str
    sign_flip: TestData
    shift: IntervalData
    bayes: PosteriorData
    warnings: list[str]


class RankTestData(TypedDict):
    """Friedman's test over datasets; an infinite F is null."""

    datasets: int
    methods: int
    mean_ranks: list[float]
    chi2: float
    p_chi2: float
    f: float | None
    p_f: float
    p_permutation: float
    permutation_method: str
    critical_difference: float
    alpha: float
    scope: str
    warnings: list[str]


class MethodPairData(TypedDict):
    """Two methods over datasets; `apart` says whether the adjusted test rejects."""

    a: str
    b: str
    difference: float
    wins: int
    losses: int
    p: float
    p_adjusted: float
    apart: bool


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
    reference: IntervalData | None
    n: int
    scope: str
    warnings: list[str]


class EffectData(TypedDict):
    """One line of an ANOVA; F and p are null for the seeds."""

    name: str
    df: int
    sum_squares: float
    share: float
    low: float
    high: float
    noise_floor: float
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


class SensitivityData(TypedDict):
    """How the metric depends on the factors."""

    curves: list[CurveData]
    shares: list[SharesData]


class ImportanceData(TypedDict):
    """Importance of one tuned field."""

    name: str
    share: float
    noise_floor: float
    above_noise: bool
    n: int
    method: str


class GapData(TypedDict):
    """Paired difference in one group of classes."""

    name: str
    n: int
    treatment: float
    baseline: float
    difference: float
    ci_low: float | None
    ci_high: float | None
    p: float
    p_adjusted: float
    classes: int
    train_count: float | None
    scope: str


class TailData(TypedDict):
    """One treatment against its baseline by shot group, class, and macro and worst-class accuracy."""

    family: str
    treatment: str
    baseline: str
    groups: list[GapData]
    overall: list[GapData]
    classes: list[GapData]
    empty: list[str]
    test_balanced: bool


class ContrastData(TypedDict):
    """The gain at one imbalance minus the gain at the mildest, paired by seed."""

    treatment: str
    block: str
    reference: str
    n: int
    gain: float
    gain_reference: float
    difference: float
    ci_low: float | None
    ci_high: float | None
    p: float
    p_adjusted: float
    scope: str


class GainPointData(TypedDict):
    """The gain of a treatment, with the composition of its batches."""

    treatment: str
    baseline: str
    block: str
    difference: float
    ci_low: float | None
    ci_high: float | None
    singleton_share: float | None
    classes_per_batch: float | None
    single_class_batches: float | None


class TuningData(TypedDict):
    """The tune phase of one arm, on validation data."""

    arm: str
    metric: str
    started: int
    configs: int
    seeds: int
    stopped: dict[str, int]
    failed: int
    epochs: int
    values: list[float]
    best: float | None
    confirmed: float | None
    optimism: float | None
    expected_optimism: float | None
    evp: list[float]
    warnings: list[str]


class ComponentData(TypedDict):
    """Spread that one source of randomness makes alone."""

    block: str
    method: str
    source: str
    n: int
    sd: float
    sd_low: float
    sd_high: float
    share: float | None
    p_less: float | None
    method_note: str


class OtherMetricData(TypedDict):
    """A comparison in another metric."""

    difference: float
    ci_low: float
    ci_high: float
    p: float


class RobustnessData(TypedDict):
    """One comparison under other tests, without single seeds, and in other metrics."""

    treatment: str
    baseline: str
    p_t: float | None
    p_sign_flip: float | None
    p_wilcoxon: float | None
    p_welch: float | None
    leave_one_out: list[float] | None
    agree: bool
    other_metrics: dict[str, OtherMetricData]


class FailureData(TypedDict):
    """Trials of one arm by intention to treat."""

    arm: str
    planned: int
    no_result: int
    rate: float
    rate_low: float
    rate_high: float
    p_better: float | None
    p_better_low: float | None
    p_better_high: float | None


class NegativeControlData(TypedDict):
    """P-values of comparisons without any difference."""

    arm: str
    n: int
    splits: int
    p_values: list[float]
    below_alpha: float
    method: str


class ArmCurveData(TypedDict):
    """Learning curve of one arm: rows (epoch, mean, SD, runs), and rows (epoch, value) of each stopped run."""

    arm: str
    method: str
    block: str
    points: list[tuple[int, float, float | None, int]]
    stopped: list[list[tuple[int, float]]]


class LearningData(TypedDict):
    """Learning curves in one metric."""

    metric: str
    arms: list[ArmCurveData]


class WinnerData(TypedDict):
    """The winner of one arm, as `frozen.json` has it."""

    arm: str
    values: dict[str, Any]
    setting: int
    score: float
    settings: dict[str, int]
    epochs: int
    epochs_unstopped: int
    edges: list[str]
    rank_correlation: float | None
    rank_pairs: int
    flags: list[str]


class RankCorrelationData(TypedDict):
    """Rank correlation of first rung and full budget over all arms."""

    rho: float | None
    settings: int
    trusted: bool


ExtensionData = TypedDict("ExtensionData", {"from": int, "to": int, "at": str, "declared": bool})
"""Seeds that were added after results could be seen: numbers of seeds, time, and whether a look was declared."""


class FrozenData(TypedDict):
    """The frozen plan; the optional keys are absent in a study that tunes nothing."""

    looks: list[int]
    declared_alpha: float
    extended: list[ExtensionData]
    hash: NotRequired[str]
    frozen_at: NotRequired[str]
    plan: NotRequired[dict[str, Any]]
    arms: NotRequired[list[WinnerData]]
    rank_correlation: NotRequired[RankCorrelationData]
    git_commit: NotRequired[str | None]
    git_dirty: NotRequired[bool | None]
    intact: NotRequired[bool]


class AnswerData(TypedDict):
    """A request of the referees with its answer."""

    request: str
    answer: str
    where: str
