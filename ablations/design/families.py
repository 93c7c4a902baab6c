"""Families of comparisons, and the faults that their declaration can have."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from ablations.design.models import Declared
from ablations.errors import StudyError

Role = Literal["primary", "ablation", "exploratory"]


class Family(Declared):
    """A group of comparisons with one baseline. Primary ones are corrected together, over all families of a study.

    Attributes:
        family: Its name in the report; no two have the same.
        role: `primary` and `ablation` families are corrected by Holm, `exploratory` ones by Benjamini-Hochberg.
        baseline: Label of the arm that the treatments are compared with.
        treatments: Labels of the arms compared. No two arms may be compared twice in a study.

    >>> Family(family="long tail", baseline="λ=0", treatments=("λ=0.1", "λ=0.5")).role
    'primary'
    """

    place = "families."

    family: str = Field(min_length=1)
    role: Role = "primary"
    baseline: str
    treatments: tuple[str, ...] = Field(min_length=1)

    @field_validator("treatments", mode="before")
    @classmethod
    def _has_members(cls, treatments: Any, info: ValidationInfo) -> Any:
        if isinstance(treatments, list | tuple) and not treatments:
            name = info.data.get("family")
            raise ValueError(f"families: {name!r} has no treatments; name at least one arm, or remove it, got none")
        return treatments


def check_families(families: Sequence[Family], labels: Collection[str]) -> None:
    """Check that each family names arms of the study, and that no family and no comparison is declared twice.

    Raises:
        StudyError: One line for the first fault.
    """
    names = [family.family for family in families]
    for name in names:
        if names.count(name) > 1:
            raise StudyError(f"families: {name!r} is declared twice; give each family another name, or remove one")
    seen: dict[frozenset[str], str] = {}
    for family in families:
        _check_labels(family, labels)
        for treatment in family.treatments:
            _check_once(family, treatment, seen)


def _check_labels(family: Family, labels: Collection[str]) -> None:
    for label in (family.baseline, *family.treatments):
        if label not in labels:
            raise StudyError(f"families: {family.family!r} needs labels of arms, got {label!r}")
    if family.baseline in family.treatments:
        raise StudyError(
            f"families: the baseline of {family.family!r} is also a treatment of it, got {family.baseline!r}"
        )


def _check_once(family: Family, treatment: str, seen: dict[frozenset[str], str]) -> None:
    """A comparison that is declared twice would be counted twice, and could get two verdicts."""
    pair = frozenset((family.baseline, treatment))
    if pair in seen:
        where = " and ".join(map(repr, dict.fromkeys((seen[pair], family.family))))
        raise StudyError(
            f"families: {treatment!r} against {family.baseline!r} is declared twice, in {where}; declare it once"
        )
    seen[pair] = family.family
