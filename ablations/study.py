"""`Study`: one question as data, and its expansion into arms and trials. No Ray in here."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from ablations.errors import StudyError
from search_spaces import FACTORS, describe
from silhouette.config import (
    MAX_SEED,
    ConfigError,
    Phase,
    TrialConfig,
    first_line,
    inert_fields,
    make_config,
    parse_value,
    trial_id,
)
from silhouette.metrics import METRICS
from silhouette.results import check_name

PLAN_VERSION = 1


@dataclass(frozen=True)
class Arm:
    """One setting of the scientific factors.

    Attributes:
        label: Unique in the study; the `arm` column of the records.
        settings: Values of the factors that matter in this arm.
        config: The whole config of its trials.
        block: Label of the block whose arms are compared with each other.
        baseline: Whether the others of the block are compared with this one.
    """

    label: str
    settings: dict[str, Any]
    config: TrialConfig
    block: str
    baseline: bool


@dataclass(frozen=True)
class Trial:
    """One training run that the study wants."""

    trial_id: str
    arm: Arm
    seed: int
    phase: Phase


class Study(BaseModel):
    """A question, the arms it compares and the seeds.

    Attributes:
        name: Name of the study: that of its file.
        question: One sentence that the report answers.
        factors: Values of each scientific factor by `TrialConfig` field; the arms are their product,
            or one factor at a time around the baseline.
        design: `grid` or `one_at_a_time`.
        fixed: Settings shared by all arms, where they differ from the defaults.
        baseline: Factor values of the arm that the others are compared with.
        blocks: Factors within whose values arms are compared (and corrected for multiplicity) apart.
        seeds: Replications; the same ones in every arm, which pairs the arms.
        metric: Column of the records that answers the question, measured on test data.
        sesoi: Smallest effect of interest, in the metric's unit (a fraction for accuracies).
        alpha: Level of the tests, two-sided.
        role: `primary` families are corrected by Holm, `exploratory` ones by Benjamini-Hochberg.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = "study"
    question: str = Field(min_length=1)
    factors: dict[str, tuple[Any, ...]] = Field(min_length=1)
    design: Literal["grid", "one_at_a_time"] = "grid"
    fixed: dict[str, Any] = {}
    baseline: dict[str, Any]
    blocks: tuple[str, ...] = ()
    seeds: tuple[int, ...] = tuple(range(10))
    metric: str = "test_top1"
    sesoi: float = Field(0.002, gt=0, lt=1, allow_inf_nan=False)
    alpha: float = Field(0.05, gt=0, lt=0.5)
    role: Literal["primary", "ablation", "exploratory"] = "primary"

    @field_validator("factors")
    @classmethod
    def _typed_factors(cls, factors: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        return {field: tuple(parse_value(field, value) for value in values) for field, values in factors.items()}

    @field_validator("baseline", "fixed")
    @classmethod
    def _typed_settings(cls, settings: dict[str, Any]) -> dict[str, Any]:
        return {field: parse_value(field, value) for field, value in settings.items()}

    @field_validator("seeds", mode="before")
    @classmethod
    def _any_sequence(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, range | list) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        for check in (self._check_names, self._check_seeds, self._check_metric):
            check()
        return self

    def _check_names(self) -> None:
        for field in self.factors:
            if not self.factors[field]:
                raise ValueError(f"factors: {field} needs at least one value, got none")
            if field in self.fixed:
                raise ValueError(f"fixed: {field} is a factor already; it cannot be fixed as well")
        for where in ("baseline", "blocks"):
            for field in getattr(self, where):
                if field not in self.factors:
                    raise ValueError(f"{where}: {field!r} is no factor; factors are {', '.join(self.factors)}")

    def _check_seeds(self) -> None:
        if not self.seeds:
            raise ValueError("seeds: at least one, got none")
        for seed in self.seeds:
            if not 0 <= seed <= MAX_SEED:
                raise ValueError(f"seeds: integers from 0 to {MAX_SEED}, got {seed}")
        if len(set(self.seeds)) < len(self.seeds):
            twice = next(seed for seed in self.seeds if self.seeds.count(seed) > 1)
            raise ValueError(f"seeds: each one once, got {twice} twice")

    def _check_metric(self) -> None:
        if self.metric not in METRICS or not self.metric.startswith("test_"):
            known = ", ".join(name for name in METRICS if name.startswith("test_"))
            raise ValueError(f"metric: one of {known} (a claim is made on test data), got {self.metric!r}")

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The arms, in the order of the factors; settings that train the same thing are one arm.

        Raises:
            StudyError: If a setting is invalid or a block has not exactly one baseline.
        """
        arms: dict[TrialConfig, Arm] = {}
        for settings in self._settings():
            config = self._config(settings)
            arms.setdefault(config, self._arm(config))
        self._check_arms(list(arms.values()))
        return tuple(arms.values())

    def _settings(self) -> Iterator[dict[str, Any]]:
        """The combinations of factor values that the design asks for."""
        for values in itertools.product(*self.factors.values()):
            settings = dict(zip(self.factors, values, strict=True))
            moved = [f for f in self.factors if f not in self.blocks and settings[f] != self._centre(f)]
            if self.design == "grid" or len(moved) <= 1:
                yield settings

    def _centre(self, field: str) -> Any:
        """The value around which a one-at-a-time design varies a factor."""
        return self.baseline.get(field, self.fixed.get(field, TrialConfig.model_fields[field].default))

    def _config(self, settings: Mapping[str, Any]) -> TrialConfig:
        try:
            return make_config({**self.fixed, **settings})
        except ConfigError as error:
            raise StudyError(str(error)) from None

    def _arm(self, config: TrialConfig) -> Arm:
        inert = inert_fields(config)
        fields = tuple(f for f in self.factors if f not in inert)
        shown = [*fields, *(FACTORS[f].qualifier for f in fields if f in FACTORS)]
        settings = {f: getattr(config, f) for f in shown if f is not None and f not in inert}
        blocks = tuple(f for f in self.blocks if f not in inert)
        return Arm(
            label=describe(config, fields),
            settings=settings,
            config=config,
            block=describe(config, blocks) if blocks else "all arms",
            baseline=self._is_baseline(config, inert),
        )

    def _is_baseline(self, config: TrialConfig, inert: frozenset[str]) -> bool:
        """Whether an arm has the baseline's factor values, compared as the config reads them."""
        return all(getattr(config, f) == value for f, value in self.baseline.items() if f not in inert)

    def _check_arms(self, arms: list[Arm]) -> None:
        labels = [arm.label for arm in arms]
        for label in labels:
            if labels.count(label) > 1:
                raise StudyError(f"factors: two arms would both be called {label!r}; values must differ visibly")
        for block in dict.fromkeys(arm.block for arm in arms):
            found = [arm.label for arm in arms if arm.block == block and arm.baseline]
            if len(found) != 1:
                got = " and ".join(found) or "none of the arms"
                raise StudyError(f"baseline: must be exactly one arm of block {block!r}, got {got}")

    def trials(self) -> Iterator[Trial]:
        """The trials wanted, seed by seed over all arms, so that early results are already paired."""
        for seed in self.seeds:
            for arm in self.arms:
                yield Trial(trial_id(arm.config, seed, "confirm"), arm, seed, "confirm")

    def describe(self) -> dict[str, Any]:
        """The expanded study as `study.json` holds it: what the analysis needs to know, and the plan's hash."""
        plan = {
            "metric": self.metric,
            "direction": METRICS[self.metric].direction,
            "sesoi": self.sesoi,
            "alpha": self.alpha,
            "phase": "confirm",
            "seeds": list(self.seeds),
            "arms": [_describe_arm(arm) for arm in self.arms],
            "families": self._families(),
        }
        return {
            "schema_version": PLAN_VERSION,
            "study": self.name,
            "question": self.question,
            "plan_hash": _hash(plan),
            **plan,
            "factors": [self._describe_factor(field) for field in self.factors],
            "fixed": self.fixed,
        }

    def _families(self) -> list[dict[str, Any]]:
        """One family of comparisons per block: every arm against the block's baseline."""
        families = []
        for block in dict.fromkeys(arm.block for arm in self.arms):
            arms = [arm for arm in self.arms if arm.block == block]
            treatments = [arm.label for arm in arms if not arm.baseline]
            if treatments:
                families.append(
                    {
                        "family": block,
                        "role": self.role,
                        "correction": "bh" if self.role == "exploratory" else "holm",
                        "baseline": next(arm.label for arm in arms if arm.baseline),
                        "treatments": treatments,
                    }
                )
        return families

    def _describe_factor(self, field: str) -> dict[str, Any]:
        factor = FACTORS.get(field)
        values = list(dict.fromkeys(getattr(arm.config, field) for arm in self.arms if field in arm.settings))
        return {
            "field": field,
            "label": factor.label if factor else field,
            "values": values,
            "default": TrialConfig.model_fields[field].default,
            "log": bool(getattr(factor.domain, "log", False)) if factor else False,
            "unit": factor.unit if factor else "",
        }


def make_study(values: Mapping[str, Any]) -> Study:
    """Validated study from plain values.

    Raises:
        StudyError: One line naming the field, the rule and the value given.
    """
    try:
        check_name("study", str(values.get("name", "study")))
        study = Study(**values)
        _ = study.arms  # expansion is part of validation
    except ValidationError as error:
        raise StudyError(first_line(error)) from None
    return study


def _describe_arm(arm: Arm) -> dict[str, Any]:
    return {
        "arm": arm.label,
        "settings": arm.settings,
        "block": arm.block,
        "baseline": arm.baseline,
        "config": arm.config.model_dump(mode="json"),
    }


def _hash(plan: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]
