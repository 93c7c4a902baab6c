"""Types of the parts about runs: tuning, variance, robustness, learning curves, the frozen plan, the checklist."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from analysis.results.document.summary import IntervalData


class ImportanceData(TypedDict):
    """Importance of one tuned field in the search of one arm."""

    arm: str
    name: str
    share: float
    noise_floor: float
    above_noise: bool
    n: int
    method: str


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
    optimism_low: float | None
    optimism_high: float | None
    expected_optimism: float | None
    expected_optimism_low: float | None
    expected_optimism_high: float | None
    evp: list[float]
    warnings: list[str]


class ComponentData(TypedDict):
    """Spread that one source of randomness makes alone."""

    block: str
    method: str
    source: str
    n: int
    sd: float
    sd_low: float | None
    sd_high: float | None
    share: float | None
    share_low: float | None
    share_high: float | None
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
    p_dunnett: float | None
    leave_one_out: list[float] | None
    agree: bool
    other_metrics: dict[str, OtherMetricData]


class EvaluatedArmData(TypedDict):
    """One arm in a metric that was measured after the study."""

    arm: str
    n: int
    mean: float | None
    sd: float | None
    ci: IntervalData | None


class EvaluatedDifferenceData(TypedDict):
    """One declared comparison in such a metric, unadjusted."""

    treatment: str
    baseline: str
    n: int
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    p: float | None


class EvaluatedData(TypedDict):
    """A metric that was measured after the study; `role` is `exploratory`, `missing` counts records without a value."""

    metric: str
    function: str
    source_sha256: str
    missing: int
    role: str
    arms: list[EvaluatedArmData]
    comparisons: list[EvaluatedDifferenceData]


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
    p_last: float | None
    p_last_adjusted: float | None
    verdict_last: str


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
    trusted: bool | None


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


ProvenanceData = TypedDict(
    "ProvenanceData",
    {
        "git_commit": NotRequired[str | None],
        "git_dirty": NotRequired[bool | None],
        "versions": NotRequired[dict[str, str]],
        "command": NotRequired[str],
        "fixed settings": NotRequired[dict[str, object]],
        "commits of the records": NotRequired[dict[str, int]],
        "source digests of the records": NotRequired[dict[str, int]],
        "plugins of the records": NotRequired[dict[str, int]],
        "versions of the records": NotRequired[dict[str, int]],
        "devices": NotRequired[dict[str, int]],
        "computing time, hours": NotRequired[float | None],
        "trial_ids": NotRequired[dict[str, list[str]]],
        "table": NotRequired[str],
        "SHA-256 of the file": NotRequired[str],
        "SHA-256 of the values": NotRequired[str],
        "rows": NotRequired[int],
        "columns": NotRequired[str],
    },
)
"""Where the numbers come from: the run and the records of a study, or a plain table (the last five keys)."""


class AnswerData(TypedDict):
    """A request of the referees with its answer."""

    request: str
    answer: str
    where: str
