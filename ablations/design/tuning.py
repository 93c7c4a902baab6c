"""`Tuning`: how a study searches its nuisance settings before it confirms, as data."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from ablations.design.arms import Arm
from ablations.design.models import Declared, as_list
from ablations.design.reachable import active_fields, make_search, reached
from ablations.errors import StudyError
from search_spaces import Choice, Interval, default_of, factor_named, searchable
from silhouette.config import (
    MAX_SEED,
    ConfigError,
    TrialConfig,
    draws_test_split,
    is_option,
    make_config,
    parse_value,
    trial_id,
)
from silhouette.errors import instead
from silhouette.metrics import JUDGED

FIRST_SEED = 1_000_000
"""The first tuning seed by default: far above the usual confirm seeds, since no seed may be both."""
Domain = Interval | Choice


class Tuning(Declared):
    """The search that every arm gets alike, the baseline included.

    Attributes:
        nuisance: What is tuned, by name in `search_spaces.SEARCHABLE`, and where; None takes the factor's domain. In a
            study with an experiment of its own: by field of its config, each with an `Interval` or a `Choice`.
            An arm whose treatment sets such a field, or in which it cannot matter, is not tuned in it.
        settings: Number of candidates (settings of the nuisance factors) that are tried in each arm.
        seeds: Seeds of each candidate, none of them a confirm seed; the search sees their mean only.
        sampler: Which Optuna sampler proposes: `tpe`, `random`, `qmc` (Sobol) or `gp`.
        grace: Epochs before a candidate may be stopped.
        reduction: About one in so many candidates continues at each rung.
        brackets: ASHA brackets; bracket s stops nothing before epoch grace · reduction^s.
        search_seed: Seed of the proposals and of the brackets.
        metric: Validation metric that chooses; None takes the counterpart of the study's metric.
        direction: `max` if more of it is better, `min` if less is; None takes that of the known metric, or of the
            study's.
        confirm_on: What confirm trials train on: `train`, as the candidates did, or `train+val`, all training data. The
            latter sets `val_fraction` to 0 in the confirm phase, whose records then have no validation columns.

    >>> from search_spaces import Interval
    >>> tuning = Tuning(nuisance={"lr": Interval(1e-4, 1e-1, log=True), "weight_decay": None}, settings=20)
    >>> tuning.chooses_by("test_top1")
    'val_top1'
    """

    place = "tuning."

    nuisance: dict[str, Domain | None] = Field(min_length=1)
    settings: int = Field(12, ge=1, le=10_000)
    seeds: tuple[int, ...] = (FIRST_SEED, FIRST_SEED + 1)
    sampler: Literal["tpe", "random", "qmc", "gp"] = "tpe"
    grace: int = Field(3, ge=1)
    reduction: float = Field(3.0, gt=1, le=100, allow_inf_nan=False)
    brackets: int = Field(1, ge=1, le=10)
    search_seed: int = Field(0, ge=0, le=MAX_SEED)
    metric: str | None = None
    direction: Literal["max", "min"] | None = None
    confirm_on: Literal["train", "train+val"] = "train"

    @field_validator("seeds", mode="before")
    @classmethod
    def _any_sequence(cls, value: Any, info: ValidationInfo) -> Any:
        return as_list(f"tuning.{info.field_name}", value)

    @model_validator(mode="after")
    def _check_seeds(self) -> Self:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"tuning.seeds: must be at least one and different, got {list(self.seeds)}")
        if not all(0 <= seed <= MAX_SEED for seed in self.seeds):
            raise ValueError(f"tuning.seeds: must be integers from 0 to {MAX_SEED}, got {list(self.seeds)}")
        return self

    def check_names(self, model: type[BaseModel]) -> None:
        """Check that what is tuned can be searched in a config, and where.

        Args:
            model: Type of the config of the study.

        Raises:
            ValueError: One line for the first fault.
        """
        known = searchable(model)
        for name, domain in self.nuisance.items():
            if name not in known and not (model is TrialConfig and is_option(name)):
                what = instead(name, known, "`ablate list --spaces` lists them")
                raise ValueError(f"tuning.nuisance: must be factors that can be searched; {what}, got {name!r}")
            if name == "epochs":
                raise ValueError("tuning.nuisance: epochs are the budget, the same in every arm, got 'epochs'")
            found = domain or factor_named(model, name).domain
            if found is None:
                raise ValueError(f"tuning.nuisance: {name} needs an Interval or a Choice, got None")
            _check_domain(name, found, model)

    def domain(self, name: str, model: type[BaseModel] = TrialConfig) -> Domain:
        """Where a nuisance factor is searched.

        Raises:
            StudyError: If the study does not say, and the factor has no domain of its own.
        """
        found = self.nuisance[name] or factor_named(model, name).domain
        if found is None:
            raise StudyError(f"tuning.nuisance: {name} needs an Interval or a Choice, got None")
        return found

    @property
    def confirm_settings(self) -> dict[str, Any]:
        """The settings in which confirm trials differ from candidates."""
        return {"val_fraction": 0.0} if self.confirm_on == "train+val" else {}

    def starts(self, model: type[BaseModel] = TrialConfig) -> dict[str, Any]:
        """A value for every tuned field, so that the arms are different before any is tuned."""
        fields = ((f, name) for name in self.nuisance for f in factor_named(model, name).fields)
        return {field: _start(field, self.domain(name, model), model) for field, name in fields}

    def chooses_by(self, metric: str, own: bool = False) -> str:
        """The validation metric that stands for a test metric.

        Args:
            metric: The study's.
            own: Whether an experiment of the study's own trains, whose curve may have metrics of any name.

        Raises:
            StudyError: If there is none; the study then names one.
        """
        found = self.metric or metric.replace("test_", "val_", 1)
        if own and found.startswith("val_"):
            return found
        if self.metric is not None and found not in JUDGED:
            raise StudyError(
                "tuning.metric: must be one on validation data, since test data are not for choosing; "
                f"{instead(found, JUDGED)}, got {found!r}"
            )
        if found not in JUDGED:
            raise StudyError(
                f"tuning.metric: {metric} has no counterpart that every validation measures; "
                f"name one of {', '.join(JUDGED)}, got None"
            )
        return found

    def check(self, seeds: tuple[int, ...], given: Mapping[str, str], config: BaseModel) -> None:
        """Check what needs the rest of the study.

        Args:
            seeds: The confirm seeds.
            given: What the study sets itself, by field: `factors` or `fixed`.
            config: That of an arm: its `epochs` are the budget of a trial.

        Raises:
            StudyError: One line for the first fault.
        """
        both = sorted(set(seeds) & set(self.seeds))
        if both:
            raise StudyError(f"tuning.seeds: must not be confirm seeds, or the search would choose on them, got {both}")
        for field in (f for name in self.nuisance for f in factor_named(type(config), name).fields):
            if field in given:
                raise StudyError(f"{field}: is tuned; remove it from {given[field]}")
        epochs, eval_every = budget_of(config), getattr(config, "eval_every", 1)
        if self.grace * self.reduction ** (self.brackets - 1) >= epochs:
            raise StudyError(
                f"tuning.grace: the last bracket's first rung must come before the last of {epochs} epochs, "
                f"got grace={self.grace} reduction={self.reduction:g} brackets={self.brackets}"
            )
        if eval_every != 1:
            raise StudyError(f"eval_every: must be 1 where a search judges epochs, got {eval_every}")


def budget_of(config: BaseModel) -> int:
    """Return the epochs of a trial, without which a search cannot stop one early.

    Raises:
        StudyError: If the config has no such field.
    """
    epochs = getattr(config, "epochs", None)
    if not isinstance(epochs, int):
        raise StudyError(f"tuning: {type(config).__name__} must have the integer field epochs, the budget of a trial")
    return epochs


def check_test_pool(config: BaseModel) -> None:
    """Check that a search cannot train or choose on samples that a confirm seed tests on.

    Raises:
        StudyError: If each seed draws test samples of its own.
    """
    if draws_test_split(config):
        raise StudyError(
            "vary: with tuning, the test samples must be the same for every seed, or the search would train and choose "
            f"on them; remove tuning or take another vary, got {getattr(config, 'vary', None)!r}"
        )


@dataclass(frozen=True)
class Space:
    """What is tuned in one arm.

    Attributes:
        start: The arm's config before tuning.
        domains: Where each nuisance factor of this arm is searched, by name.
        given: The arm's settings as the study gives them. `start` has those without effect set back to their default;
            under a tuned value they may have one.
        arms: Choices with which this arm would be another one of the study, and its label. They are not proposed: the
            two would be the same trials.
    """

    start: BaseModel
    domains: Mapping[str, Domain]
    given: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    arms: Mapping[tuple[str, Any], str] = dataclasses.field(default_factory=dict)

    def config(self, values: Mapping[str, Any]) -> BaseModel:
        """The arm's config with nuisance values, by name, put in."""
        model = type(self.start)
        return make_config({**self.start.model_dump(mode="json"), **self.given, **fields_of(values, model)}, model)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Return True if these are values of the search: one for each nuisance factor, and each in its domain."""
        return values.keys() == self.domains.keys() and all(v in self.domains[name] for name, v in values.items())

    def proposes(self, values: Mapping[str, Any]) -> bool:
        """Return False for values that make the arm another one of the study."""
        return not any(choice in self.arms for choice in values.items())

    def active(self, options: Set[str] = frozenset()) -> frozenset[str]:
        """Fields, and those of some options, that can change the arm's training under some values of its search."""
        return active_fields(make_search(self.start, self.given, self.domains), frozenset(options))

    @property
    def reached(self) -> tuple[BaseModel, ...]:
        """Configs that have each choice and each end of an interval, as far as one was found, alone and by twos.

        A choice may give a setting its effect, such as an encoder its options.
        """
        starts = (self.start, *self._reached_from(self.start))
        return (*starts, *(config for start in dict.fromkeys(starts) for config in self._reached_from(start)))

    def _reached_from(self, start: BaseModel) -> tuple[BaseModel, ...]:
        found = reached(make_search(start, self.given, self.domains))
        return tuple(r.config for r in found if r.config is not None)

    @property
    def never(self) -> dict[tuple[str, Any], str]:
        """Choices that cannot be proposed, by name and value, each with the reason."""
        found = reached(make_search(self.start, self.given, self.domains))
        broken = {(r.name, r.value): r.reason for r in found if r.reason and isinstance(self.domains[r.name], Choice)}
        return {**broken, **{choice: f"that is arm {label!r}" for choice, label in self.arms.items()}}

    @property
    def size(self) -> float:
        """Number of different settings; infinite with a continuous factor."""
        never = Counter(name for name, _ in self.never)
        return math.prod(_size(domain) - never[name] for name, domain in self.domains.items())

    def at_the_edge(self, values: Mapping[str, Any]) -> list[str]:
        """Names of the factors whose value lies at an end of its range: the best may lie beyond.

        The outer 2 % of an interval, on its own scale, count as its end; unordered choices have none.
        """
        return [name for name, domain in self.domains.items() if _at_edge(domain, values[name])]


def make_space(tuning: Tuning, arm: Arm, arms: Iterable[Arm] = ()) -> Space:
    """What of `tuning` applies to an arm.

    Args:
        tuning: The search of the study.
        arm: An arm of it.
        arms: All arms, so that none is searched where it is another one.

    Raises:
        StudyError: If nothing does, or there are fewer different settings than the search wants.
    """
    names, model = searched(tuning, arm.settings, arm.config, arm.given), type(arm.config)
    domains = {name: tuning.domain(name, model) for name in names}
    space = Space(arm.config, domains, arm.given, dict(_other_arms(arm, domains, arms)))
    if not names:
        raise StudyError(f"tuning.nuisance: no field of it has an effect in arm {arm.label!r}")
    if space.size < tuning.settings:
        raise StudyError(
            f"tuning.settings: arm {arm.label!r} has only {space.size:g} different settings, got {tuning.settings}"
        )
    return space


def searched(
    tuning: Tuning, settings: Mapping[str, Any], config: BaseModel, given: Mapping[str, Any]
) -> tuple[str, ...]:
    """Names of what is tuned in an arm: what its settings leave open, and can matter under some values of the search.

    Args:
        tuning: The search of the study.
        settings: What factors and treatment set in the arm.
        config: Its config before tuning.
        given: All settings as the study gives them.
    """
    model = type(config)
    fields = {name: factor_named(model, name).fields for name in tuning.nuisance}
    free = {n: tuning.domain(n, model) for n, own in fields.items() if not any(f in settings for f in own)}
    active = active_fields(make_search(config, given, free), frozenset(tuning.nuisance))
    return tuple(name for name in free if any(field in active for field in fields[name]))


def _other_arms(arm: Arm, domains: Mapping[str, Domain], arms: Iterable[Arm]) -> Iterator[tuple[tuple[str, Any], str]]:
    """The choices with which an arm has the settings of another one, which is not tuned in them."""
    model = type(arm.config)
    for other in arms:
        own = other.settings.keys() - arm.settings.keys()
        for name, domain in domains.items():
            if isinstance(domain, Choice) and own and own <= {*factor_named(model, name).fields}:
                same = (v for v in domain.values if other.given == {**arm.given, **fields_of({name: v}, model)})
                yield from (((name, value), other.label) for value in same)


def fields_of(values: Mapping[str, Any], model: type[BaseModel] = TrialConfig) -> dict[str, Any]:
    """Config values by field from nuisance values by name; a tied factor sets several fields.

    >>> fields_of({"tau": 0.2, "lr": 0.01})
    {'tau_s': 0.2, 'tau_m': 0.2, 'lr': 0.01}
    """
    return {field: value for name, value in values.items() for field in factor_named(model, name).fields}


def candidate_id(arm: str, config: BaseModel, seeds: tuple[int, ...], experiment: str | None = None) -> str:
    """Identity of a candidate, the unit of the search: 16 hex digits over its arm and its trials."""
    what = [arm, *(trial_id(config, seed, "tune", experiment) for seed in seeds)]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


def _check_domain(name: str, domain: Domain, model: type[BaseModel]) -> None:
    """The ends must be values of the field, and in order."""
    ends = domain.values if isinstance(domain, Choice) else (domain.low, domain.high)
    if isinstance(domain, Interval) and not domain.low < domain.high:
        raise ValueError(f"tuning.nuisance: {name} needs low < high, got {domain.low:g} and {domain.high:g}")
    if isinstance(domain, Interval) and domain.log and domain.low <= 0:
        raise ValueError(f"tuning.nuisance: {name} needs low > 0 on a logarithmic scale, got {domain.low:g}")
    if not ends or len(set(ends)) < len(ends):
        raise ValueError(f"tuning.nuisance: {name} needs different values, got {list(ends)}")
    for field in factor_named(model, name).fields:
        for value in ends:
            _check_value(field, value, model)


def _check_value(field: str, value: Any, model: type[BaseModel]) -> None:
    try:
        parse_value(field, value, model)
    except ConfigError as error:
        raise ValueError(f"tuning.nuisance: {error}") from None


def _start(field: str, domain: Domain, model: type[BaseModel]) -> Any:
    """The field's default where the domain holds it, else the middle."""
    default = default_of(model, field)
    if default in domain:
        return default
    if isinstance(domain, Choice):
        return domain.values[0]
    middle = math.sqrt(domain.low * domain.high) if domain.log else (domain.low + domain.high) / 2
    return round(middle) if domain.integer else middle


def _size(domain: Domain) -> float:
    if isinstance(domain, Choice):
        return len(domain.values)
    return domain.high - domain.low + 1 if domain.integer else math.inf


EDGE = 0.02


def _at_edge(domain: Domain, value: Any) -> bool:
    if isinstance(domain, Choice):
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in domain.values)
        return numbers and len(domain.values) > 1 and value in (min(domain.values), max(domain.values))
    low, high, x = (math.log(v) if domain.log else v for v in (domain.low, domain.high, value))
    return bool((x - low) / (high - low) <= EDGE or (high - x) / (high - low) <= EDGE)


def rungs(tuning: Tuning, epochs: int) -> Iterator[int]:
    """Epochs after which some bracket decides, in order; the last epoch is no decision."""
    found = set()
    for bracket in range(tuning.brackets):
        at = tuning.grace * tuning.reduction**bracket
        while math.ceil(at) < epochs:
            found.add(math.ceil(at))
            at *= tuning.reduction
    yield from sorted(found)
