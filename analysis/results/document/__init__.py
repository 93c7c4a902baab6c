"""The document of a report: the types of `report.json`, key by key.

Sections, figures and writers read this document and nothing else. A misspelt key is an error of mypy.
Numbers have full precision and the unit of the records. A value that does not exist is null.
"""

from __future__ import annotations

from analysis.results.document.comparisons import (
    AcrossData,
    AcrossPairData,
    AverageData,
    BestArmData,
    BestData,
    ContrastData,
    CurveData,
    EffectData,
    GainPointData,
    GapData,
    GridCellData,
    LevelData,
    MethodPairData,
    PooledData,
    PosteriorData,
    RanksData,
    RankTestData,
    SensitivityData,
    SharesData,
    TailData,
    ThresholdsData,
)
from analysis.results.document.noise import CrossedData, SampleNoiseData, SeedCountsData, SourceData
from analysis.results.document.plain import to_plain
from analysis.results.document.runs import (
    AnswerData,
    ArmCurveData,
    ComponentData,
    EvaluatedArmData,
    EvaluatedData,
    EvaluatedDifferenceData,
    ExtensionData,
    FailureData,
    FrozenData,
    ImportanceData,
    LearningData,
    OtherMetricData,
    ProvenanceData,
    RankCorrelationData,
    RobustnessData,
    TuningData,
    WinnerData,
)
from analysis.results.document.summary import (
    REPORT_VERSION,
    ArmData,
    ArmLedgerData,
    ComparisonData,
    DescriptionData,
    DetailData,
    ExclusionData,
    FactorData,
    FamilyData,
    FaultData,
    FeasibilityData,
    FindingData,
    IntervalData,
    LedgerData,
    MetricData,
    NoticeData,
    RecipeData,
    SearchSpaceData,
    Summary,
    TestData,
    ValidationData,
    scale_of,
)
from analysis.results.document.until_decided import AheadData, SequenceData, UntilDecidedData

__all__ = [
    "REPORT_VERSION",
    "AcrossData",
    "AcrossPairData",
    "AheadData",
    "AnswerData",
    "ArmCurveData",
    "ArmData",
    "ArmLedgerData",
    "AverageData",
    "BestArmData",
    "BestData",
    "ComparisonData",
    "ComponentData",
    "ContrastData",
    "CrossedData",
    "CurveData",
    "DescriptionData",
    "DetailData",
    "Document",
    "EffectData",
    "EvaluatedArmData",
    "EvaluatedData",
    "EvaluatedDifferenceData",
    "ExclusionData",
    "ExtensionData",
    "FactorData",
    "FailureData",
    "FamilyData",
    "FaultData",
    "FeasibilityData",
    "FindingData",
    "FrozenData",
    "GainPointData",
    "GapData",
    "GridCellData",
    "ImportanceData",
    "IntervalData",
    "LearningData",
    "LedgerData",
    "LevelData",
    "MethodPairData",
    "MetricData",
    "NoticeData",
    "OtherMetricData",
    "PooledData",
    "PosteriorData",
    "ProvenanceData",
    "RankCorrelationData",
    "RankTestData",
    "RanksData",
    "RecipeData",
    "RobustnessData",
    "SampleNoiseData",
    "SearchSpaceData",
    "SeedCountsData",
    "SensitivityData",
    "SequenceData",
    "SharesData",
    "SourceData",
    "Summary",
    "TailData",
    "TestData",
    "ThresholdsData",
    "TuningData",
    "UntilDecidedData",
    "ValidationData",
    "WinnerData",
    "scale_of",
    "to_plain",
]


class Document(Summary):
    """The whole document; a part for which a study has no data is empty or null."""

    until_decided: UntilDecidedData | None
    across: list[AcrossData]
    best: list[BestData]
    sensitivity: SensitivityData
    importance: list[ImportanceData]
    tail: list[TailData]
    interactions: list[ContrastData]
    composition: list[GainPointData]
    tuning: list[TuningData]
    variance: list[ComponentData]
    crossed: list[CrossedData]
    samples: list[SampleNoiseData]
    robustness: list[RobustnessData]
    evaluated: list[EvaluatedData]
    failures: list[FailureData]
    learning: LearningData | None
    frozen: FrozenData
    checklist: list[AnswerData]
    provenance: ProvenanceData
