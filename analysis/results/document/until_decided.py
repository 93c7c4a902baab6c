"""Types of the part on seeds until it is decided."""

from __future__ import annotations

from typing import TypedDict


class SequenceData(TypedDict):
    """The confidence sequence of one comparison, one element per seed; bounds are null where so few seeds give none."""

    family: str
    treatment: str
    baseline: str
    verdict: str
    decided_at: int
    evidence_at: int
    level: float | None
    difference: list[float]
    low: list[float | None]
    high: list[float | None]
    blocked: str


class AheadData(TypedDict):
    """Seeds of an arm that ran ahead of a decision and are not used."""

    arm: str
    seeds: list[int]


class UntilDecidedData(TypedDict):
    """How the seeds of a study decided it, and what that saved against the largest number of seeds."""

    max_seeds: int
    mixture: float
    first: int
    comparisons: list[SequenceData]
    trials: int
    trials_at_most: int
    seconds: float | None
    seconds_saved: float | None
    ahead: list[AheadData]
