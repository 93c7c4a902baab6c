"""Types of what every report has: plan, ledger, arms and comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from analysis.formatting import Scale

REPORT_VERSION = 1


class MetricData(TypedDict):
    """The metric of the study, and how its values are shown."""

    name: str
    label: str
    direction: str
    shown_times: float
    unit: str
    symbol: str
    decimals: int


class FactorData(TypedDict):
    """A factor that the study varies, with its grid."""

    name: str
    label: str
    values: list[Any]
    default: Any
    log: bool
    unit: str


class RecipeData(TypedDict):
    """The settings that a study starts from, and those that are others in some arm: the values of the arms."""

    name: str
    source: str
    settings: dict[str, Any]
    overridden: dict[str, list[Any]]


class NeverData(TypedDict):
    """A choice that no candidate of some arms could have, and why."""

    value: Any
    arms: list[str]
    reason: str


class SearchSpaceData(TypedDict):
    """A nuisance factor: its choices (`values`) or its interval, and those of the choices that were never possible."""

    name: str
    domain: dict[str, Any]
    never: list[NeverData]


class ValidationData(TypedDict):
    """Arms with the same kind of validation data; `profile` is `balanced`, `train`, `unchanged` or `none`."""

    profile: str
    fraction: float
    arms: list[str]


class ArmLedgerData(TypedDict):
    """What became of the planned trials of one arm, in numbers of seeds."""

    arm: str
    planned: int
    complete: int
    stopped: int
    diverged: int
    failed: int
    missing: int
    missing_seeds: list[int]
    stopped_at: dict[str, int]


class ExclusionData(TypedDict):
    """A record that is not used, and why."""

    trial_id: str
    arm: str
    seed: int
    reason: str


class FaultData(TypedDict):
    """A trial that did not complete."""

    trial_id: str
    arm: str
    seed: int
    status: str
    epochs: int | None
    error: str


class LedgerData(TypedDict):
    """What became of all planned trials, without the records themselves."""

    planned: int
    complete: int
    stopped: int
    diverged: int
    failed: int
    missing: int
    duplicate: int
    excluded: int
    tune_phase: int
    arms: list[ArmLedgerData]
    exclusions: list[ExclusionData]
    faults: list[FaultData]


class DescriptionData(TypedDict):
    """Values of one arm over seeds; `values` by seed."""

    n: int
    mean: float | None
    sd: float | None
    ci_low: float | None
    ci_high: float | None
    sd_low: float | None
    sd_high: float | None
    median: float | None
    min: float | None
    max: float | None
    values: dict[str, float]
    scope: str
    warnings: list[str]


class ArmData(DescriptionData):
    """One arm: what it is, its values, and the status of its failed seeds."""

    arm: str
    method: str
    block: str
    dataset: str | None
    baseline: bool
    settings: Mapping[str, Any]
    failed: dict[str, str]


class FamilyData(TypedDict):
    """A family of comparisons; `role` is the role after gatekeeping, `m` the number that were corrected together."""

    family: str
    declared_role: str
    role: str
    correction: str
    baseline: str
    treatments: list[str]
    m: int


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


class DetailData(TypedDict):
    """The further tests and effect sizes of a comparison."""

    method: str
    assumptions: str
    sd_difference: float | None
    error: float | None
    t: float | None
    df: float | None
    sign_flip: TestData | None
    wilcoxon: TestData | None
    shift: IntervalData | None
    d_z: IntervalData | None
    g_z: IntervalData | None
    rank_biserial: float | None
    p_better: IntervalData | None
    wins: int | None
    ties: int | None
    correlation: float | None
    variance_ratio: float | None
    leave_one_out: list[float] | None
    overlap: float | None
    groups: list[int] | None


class FeasibilityData(TypedDict):
    """What a comparison with this n can show; effects in the unit of the records."""

    smallest_p: float
    smallest_p_adjusted: float
    smallest_n: int
    detectable: float | None
    detectable_low: float | None
    detectable_high: float | None
    seeds_for_effect: int | None
    seeds_for_effect_high: int | None
    seconds_for_effect: float | None
    device: str


class FindingData(TypedDict):
    """The tests of one comparison; the optional keys are absent where the arms have no common seed."""

    n: int
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    ci_90_low: NotRequired[float | None]
    ci_90_high: NotRequired[float | None]
    p_t: float | None
    p_sign_flip: float | None
    p_wilcoxon: float | None
    p_equivalence: NotRequired[float | None]
    d_z: float | None
    detail: NotRequired[DetailData]
    scope: str
    warnings: list[str]


class CollapseData(TypedDict):
    """A seed far on the worse side of all others of its arm, which lie from `low` to `high`."""

    arm: str
    seed: int
    value: float
    low: float
    high: float


class ComparisonData(FindingData):
    """One treatment against its baseline: tests, adjusted p-values and verdict; `differences` by seed."""

    family: str
    role: str
    correction: str
    m: int
    block: str
    treatment: str
    baseline: str
    p_adjusted: float | None
    p_equivalence_adjusted: float | None
    p_max_t: float | None
    ci_adjusted_low: float | None
    ci_adjusted_high: float | None
    ci_verdict_low: float | None
    ci_verdict_high: float | None
    ci_verdict_level: float | None
    verdict: str
    size: str
    reason: str
    sentence: str
    collapsed: list[CollapseData]
    feasibility: FeasibilityData | None
    feasibility_line: str
    differences: dict[str, float]
    unpaired_seeds: list[int | str]


class NoticeData(TypedDict):
    """What a reader must know before any verdict: a key for programs, a few words, whole sentences."""

    key: str
    title: str
    text: str


class Summary(TypedDict):
    """What every report has: the plan, the ledger, the arms, the comparisons."""

    schema_version: int
    rules: str
    notices: list[NoticeData]
    study: str
    question: str
    answer: str
    plan_hash: str
    metric: MetricData
    alpha: float
    error_rate: str
    sesoi: float | None
    seeds: list[int]
    stop: str
    phase: str
    unpaired: bool
    from_table: bool
    scope: str
    blocks: list[str]
    datasets: list[str]
    recipe: RecipeData | None
    validation: list[ValidationData]
    search_space: list[SearchSpaceData]
    confirm_on: str | None
    factors: list[FactorData]
    block_fields: list[str]
    ledger: LedgerData
    arms: list[ArmData]
    families: list[FamilyData]
    comparisons: list[ComparisonData]


def scale_of(document: Summary) -> Scale:
    """How the values of a document's metric are shown."""
    m = document["metric"]
    return Scale(m["shown_times"], m["unit"], m["symbol"], m["decimals"], m["label"])
