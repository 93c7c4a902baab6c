"""`Study`: one question as validated data, and the arms and trials that it expands to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, partial
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator, model_validator

from ablations.design.arms import Arm, Expansion, Trial, by_block
from ablations.design.batches import check_batches
from ablations.design.data_use import check_validation, confirmed
from ablations.design.effects import Merge, check_effects, check_measured, check_sources, merges
from ablations.design.experiments import TRAINING as TRAINING
from ablations.design.experiments import config_model
from ablations.design.families import Family, Role, check_families
from ablations.design.measures import check_margin, check_metric, measure_of, own_metrics, search_direction
from ablations.design.models import Declared, as_list
from ablations.design.plugins import check_imports, own_names
from ablations.design.seeds.crossed import check_crossed
from ablations.design.seeds.rules import MAX_COUNT, check_looks, check_seeds
from ablations.design.seeds.stopping import check_decidable, check_stop, up_to_the_maximum
from ablations.design.tuning import Space, Tuning, make_space, searched
from ablations.errors import StudyError
from search_spaces import RECIPES, factor_named
from silhouette.config import TrialConfig, first_line, is_option, parse_value, trial_id
from silhouette.metrics import Metric, validation_metric
from silhouette.results import check_name
from silhouette.schema import MAX_TEST_BITS

Keep = Literal["none", "last", "embeddings"]
EXPERIMENT_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


class Study(Declared):
    """A question, the arms it compares and the seeds.

    The arms are the product of `treatments` and `factors`; at least one of the two is needed.

    Attributes:
        name: Name of the study: that of its file.
        question: One sentence that the report answers.
        experiment: What trains a trial, as `module:Class`, in a file beside the study or installed on every node; None
            takes `silhouette.training.run:Training`. Its protocol is `ablations.workers.experiment.Experiment`; the
            settings of the study are the fields of its `Config`.
        treatments: Named settings to compare, where a product of factors does not say it.
        factors: Values of each scientific factor by field of the config, or by an option of your own (`encoder.depth`).
        design: `grid` takes every combination of the factors, `one_at_a_time` those that differ from the baseline
            in one factor at most.
        recipe: Name of the settings that the study starts from (`ablate list --spaces`); None starts from the defaults.
            Everything else that the study sets overrides them, and the report says what.
        fixed: Settings shared by all arms, where they differ from the defaults or from the recipe.
        baseline: Factor values, or name of the treatment, of the arm that the others are compared with.
        blocks: Factors within whose values arms are compared apart, each with the baseline of its block.
        seeds: Replications; the same ones in every arm, which pairs the arms.
        metric: What answers the question, measured on test data: a column of the records, a metric that an own
            experiment reports, or `test_` and the name of an own metric function.
        direction: `max` if more of the metric is better, `min` if less is. Needed for a metric that is not ours.
        metric_label: Name of the metric in the report; empty takes the name that is known, or the metric's own.
        unit: Unit of an own metric, such as `kWh`; `%` for fractions, which are then shown in percent as ours are.
        sesoi: Smallest effect of interest, in the metric's unit (a fraction for accuracies: 0.002 is 0.2 points). None
            declares no margin, and then the report calls nothing equivalent.
        alpha: Level of the tests, two-sided.
        error_rate: What has the level: `study`, all primary comparisons together, or `block`, those of each block. With
            `block`, a study of many blocks makes a false claim more often than `alpha`, and the report says so.
        role: Role of the families that follow from the blocks.
        families: Families of comparisons; by default one per block, all its arms against its baseline.
        tuning: How nuisance settings are searched in every arm before it is confirmed; None confirms as given.
        looks: Numbers of seeds after which the results will be looked at, declared beforehand (group-sequential);
            `seeds` has as many as one of them. With seeds added outside of it, a report gives no verdict.
        stop: `decided`: seeds are run until every comparison is decided, and anyone may look at any time. None: as many
            as `seeds` says.
        max_seeds: With `stop`, the largest number of seeds; more follow those in `seeds`. None takes the number of
            `seeds`.
        mixture: With `stop`, the variance g of the mixture over standardised differences in the test: with 1 it looks
            for differences of about one SD of the paired differences.
        keep: What a complete confirm trial leaves beside its record, below `kept/`: `last` the weights of its network
            (safetensors), `embeddings` features, labels and indices of its test samples (Parquet). `ablate evaluate`
            measures further metrics on them. It may be changed at any time; trials that have finished are as they are.
        max_test_bits: Largest test set of which each record says which samples were right, one bit each; from these the
            report tells the noise of the test samples. 0 leaves them out. It may be changed at any time.
        winners: Nuisance values of each tuned arm, by label: the choice of `ablations.search.selection`. Not for
            study files.

    >>> study = Study(
    ...     question="Which temperature is best?",
    ...     factors={"lambda_sil": (0.0, 0.2), "tau_s": (0.1, 0.3)},
    ...     baseline={"lambda_sil": 0.0},
    ... )
    >>> [arm.label for arm in study.arms]
    ['λ=0', 'λ=0.2 τ_s=0.1', 'λ=0.2 τ_s=0.3']
    """

    name: str = "study"
    question: str = Field(min_length=1)
    experiment: str | None = None
    treatments: dict[str, dict[str, Any]] = Field(default_factory=dict)
    factors: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    design: Literal["grid", "one_at_a_time"] = "grid"
    recipe: str | None = None
    fixed: dict[str, Any] = Field(default_factory=dict)
    baseline: dict[str, Any] | str
    blocks: tuple[str, ...] = ()
    seeds: tuple[int, ...] = tuple(range(10))
    metric: str = "test_top1"
    direction: Literal["max", "min"] | None = None
    metric_label: str = ""
    unit: str = ""
    sesoi: float | None = Field(None, gt=0, allow_inf_nan=False)
    alpha: float = Field(0.05, gt=0, lt=0.5)
    error_rate: Literal["study", "block"] = "study"
    role: Role = "primary"
    families: tuple[Family, ...] = ()
    tuning: Tuning | None = None
    looks: tuple[int, ...] = ()
    stop: Literal["decided"] | None = None
    max_seeds: int | None = Field(None, ge=1, le=MAX_COUNT)
    mixture: float = Field(1.0, gt=0, allow_inf_nan=False)
    keep: Keep = "none"
    max_test_bits: int = Field(MAX_TEST_BITS, ge=0)
    winners: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _seeds_to_the_maximum(cls, values: Any) -> Any:
        default = cls.model_fields["seeds"].default
        return up_to_the_maximum(values, default) if isinstance(values, dict) else values

    @field_validator("treatments")
    @classmethod
    def _typed_treatments(cls, treatments: dict[str, dict[str, Any]], info: ValidationInfo) -> dict[str, Any]:
        return {name: _typed(settings, _model(info)) for name, settings in treatments.items()}

    @field_validator("factors")
    @classmethod
    def _typed_factors(cls, factors: dict[str, tuple[Any, ...]], info: ValidationInfo) -> dict[str, tuple[Any, ...]]:
        model = _model(info)
        return {field: tuple(_parsed(field, value, model) for value in values) for field, values in factors.items()}

    @field_validator("fixed", "baseline")
    @classmethod
    def _typed_settings(cls, settings: dict[str, Any] | str, info: ValidationInfo) -> dict[str, Any] | str:
        return settings if isinstance(settings, str) else _typed(settings, _model(info))

    @field_validator("seeds", "blocks", "looks", mode="before")
    @classmethod
    def _any_sequence(cls, value: Any, info: ValidationInfo) -> Any:
        return as_list(str(info.field_name), value)

    @field_validator("factors", mode="before")
    @classmethod
    def _any_sequences(cls, factors: Any) -> Any:
        if not isinstance(factors, dict):
            return factors
        return {field: as_list(f"factors.{field}", values) for field, values in factors.items()}

    @field_validator("recipe")
    @classmethod
    def _known_recipe(cls, name: str | None) -> str | None:
        if name is not None and name not in RECIPES:
            raise ValueError(f"recipe: must be one of {', '.join(RECIPES)} (`ablate list --spaces`), got {name!r}")
        return name

    @field_validator("experiment")
    @classmethod
    def _importable_name(cls, name: str | None) -> str | None:
        if name is not None and not EXPERIMENT_NAME.fullmatch(name):
            raise ValueError(f"experiment: must be module:Class, such as mypackage.training:MyTraining, got {name!r}")
        config_model(name)  # the settings of the study are read as its fields
        return None if name == TRAINING else name

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_names()
        self._check_baseline()
        check_seeds(self.seeds)
        self._check_metric()
        self._check_model()
        check_stop(self.stop, self.max_seeds, self.mixture, self.looks)
        check_looks(self.looks, self.seeds)
        return self

    def _check_names(self) -> None:
        if not (self.factors or self.treatments):
            raise ValueError("factors: a study compares something; give factors or treatments, got neither")
        for field, values in self.factors.items():
            if not values:
                raise ValueError(f"factors: {field} needs at least one value, got none")
            if len(set(values)) < len(values):
                raise ValueError(f"factors: {field} needs different values, got {list(values)}")
        given = [*self.factors, *{f for settings in self.treatments.values() for f in settings}]
        for field in given:
            if field in self.fixed or given.count(field) > 1:
                raise ValueError(f"{field}: set in more than one of treatments, factors and fixed; give it once")
        for field in self.blocks:
            if field not in self.factors:
                raise ValueError(f"blocks: must be factors ({', '.join(self.factors)}), got {field!r}")

    def _check_baseline(self) -> None:
        if isinstance(self.baseline, str):
            if self.baseline not in self.treatments:
                known = ", ".join(self.treatments) or "none"
                raise ValueError(f"baseline: must be a treatment ({known}) or factor values, got {self.baseline!r}")
            return
        for field in self.baseline:
            if field not in self.factors:
                raise ValueError(f"baseline: must set factors ({', '.join(self.factors)}), got {field!r}")

    def _check_model(self) -> None:
        if self.recipe is not None and not issubclass(self.model, TrialConfig):
            raise ValueError(f"recipe: sets fields of TrialConfig; remove it with experiment={self.experiment}")
        if self.tuning is not None:
            self.tuning.check_names(self.model)

    def _check_metric(self) -> None:
        own = self.experiment is not None or self.metric in own_metrics(self._settings)
        check_metric(self.metric, self.direction, own=own)
        check_margin(self.metric, self.sesoi, self.measure)

    @property
    def _settings(self) -> Iterator[Mapping[str, Any]]:
        """Everything that the study sets, as dicts of settings."""
        yield from (self.fixed, *self.treatments.values())
        yield from ({field: value} for field, values in self.factors.items() for value in values)

    @property
    def measure(self) -> Metric:
        """What is known of the metric: label, direction, and whether it is a fraction shown in percent."""
        return measure_of(self.metric, self.direction, self.metric_label, self.unit)

    @property
    def watched(self) -> str:
        """The validation metric that stands for the metric while the study runs."""
        return validation_metric(self.metric)

    @property
    def chosen_by(self) -> str:
        """The validation metric that a search sees.

        Raises:
            StudyError: If there is none.
        """
        if self.tuning is None:
            raise StudyError(f"tuning: study {self.name!r} has none")
        return self.tuning.chooses_by(self.metric, self.experiment is not None)

    @property
    def search_direction(self) -> Literal["max", "min"]:
        """`max` if the search wants more of what it sees, `min` if it wants less.

        Raises:
            StudyError: If nothing says so.
        """
        given = self.tuning.direction if self.tuning else None
        return search_direction(self.chosen_by, given, self.metric, self.measure)

    def replaced(self, **values: Any) -> Study:
        """The study with other field values, checked as one from a file is.

        Raises:
            StudyError: If the fields cannot be used together.
        """
        return make_study({**{name: getattr(self, name) for name in self.model_fields_set}, **values})

    def check_arms(self) -> None:
        """Check that every arm can be trained, that every setting has an effect, and the search against the rest.

        Raises:
            StudyError: One line for the first fault.
        """
        alone = {"tuning": self.tuning, "looks": self.looks, "stop": self.stop}
        check_crossed(self.start_arms, self.seeds, alone)
        if self.experiment is None:
            check_sources(self.start_arms)
            check_sources(self._confirmed(arm) for arm in self.start_arms)
            check_measured(self.metric, self.start_arms)
        if self.tuning is None:
            for arm in self.start_arms:
                check_batches(arm, {})
            check_effects(self._expansion, self.start_arms, self.fixed, None)
            return
        if any(map(is_option, self.tuning.nuisance)):  # these are checked by signatures
            check_imports(self.start_arms, self.tuning)
        given = {**dict.fromkeys(self.factors, "factors"), **dict.fromkeys(self.fixed, "fixed")}
        self.search_direction  # noqa: B018 - raises if nothing says what is better
        check_validation(self.tuning, self.start_arms, self._compared)
        for arm in self.start_arms:
            self.tuning.check(self.seeds, given, arm.config)
            check_batches(arm, self.space(arm).domains)
        check_effects(self._expansion, self.start_arms, self.fixed, self.tuning)

    @cached_property
    def model(self) -> type[BaseModel]:
        """Type of the config of every trial."""
        return config_model(self.experiment)

    @cached_property
    def _expansion(self) -> Expansion:
        recipe = RECIPES[self.recipe].settings if self.recipe else {}
        fixed = {**recipe, **(self.tuning.starts(self.model) if self.tuning else {}), **self.fixed}
        own = (self.model, partial(searched, self.tuning) if self.tuning else None)
        return Expansion(self.treatments, self.factors, self.design, fixed, self.baseline, self.blocks, *own)

    @cached_property
    def start_arms(self) -> tuple[Arm, ...]:
        """The arms before tuning.

        Raises:
            StudyError: If a setting is invalid, or the arms cannot be compared.
        """
        return self._expansion.arms()

    def space(self, arm: Arm) -> Space:
        """What is tuned in an arm.

        Raises:
            StudyError: If the study tunes nothing, or nothing in this arm.
        """
        if self.tuning is None:
            raise StudyError(f"tuning: study {self.name!r} has none")
        return make_space(self.tuning, arm, self.start_arms)

    @property
    def merges(self) -> tuple[Merge, ...]:
        """Settings that train the same thing, and so are one arm."""
        return tuple(merges(self._expansion, self.start_arms))

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The arms as they are confirmed: with their winners, once the tune phase has chosen them."""
        return tuple(self._confirmed(arm) if arm.label in self.winners else arm for arm in self.start_arms)

    def _confirmed(self, arm: Arm) -> Arm:
        return confirmed(arm, self.tuning, self.winners.get(arm.label, {})) if self.tuning else arm

    @cached_property
    def plugins(self) -> tuple[str, ...]:
        """Names of everything of a person's own that its trials can use, under any value of the search, each once."""
        names = own_names(self.start_arms, self.tuning)
        return tuple(dict.fromkeys((*([self.experiment] if self.experiment else []), *names)))

    @property
    def _compared(self) -> Iterator[str]:
        """The fields in which arms or candidates may differ."""
        yield from self.factors
        yield from (field for settings in self.treatments.values() for field in settings)
        yield from (
            (field for name in self.tuning.nuisance for field in factor_named(self.model, name).fields)
            if self.tuning
            else ()
        )

    def trials(self) -> Iterator[Trial]:
        """All planned trials, seed by seed over all arms, so that early results are already paired."""
        for seed in self.seeds:
            for arm in self.arms:
                yield Trial(trial_id(arm.config, seed, "confirm", self.experiment), arm, seed, "confirm")

    def all_families(self) -> tuple[Family, ...]:
        """The families declared, or those that follow from the blocks.

        Raises:
            StudyError: If a family names an arm that does not exist, or a comparison is declared twice.
        """
        check_families(self.families, {arm.label for arm in self.arms})
        return self.families or tuple(self._families_of_blocks())

    def _families_of_blocks(self) -> Iterable[Family]:
        for block, arms in by_block(self.arms).items():
            treatments = tuple(arm.label for arm in arms if not arm.baseline)
            if treatments:
                baseline = next(arm.label for arm in arms if arm.baseline)
                yield Family(family=block, role=self.role, baseline=baseline, treatments=treatments)


def make_study(values: Mapping[str, Any]) -> Study:
    """Validated study from plain values.

    Raises:
        StudyError: One line naming the field, the rule and the value given.
    """
    try:
        check_name("study", str(values.get("name", "study")))
        study = Study(**values)
        study.all_families()  # expansion is part of validation
        study.check_arms()
        check_decidable(study)
    except ValidationError as error:
        raise StudyError(first_line(error)) from None
    return study


def _model(info: ValidationInfo) -> type[BaseModel]:
    """Type of the config; that of a wrong experiment does not matter, since its own fault comes first."""
    return config_model(info.data.get("experiment"))


def _typed(settings: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    return {field: _parsed(field, value, model) for field, value in settings.items()}


def _parsed(field: str, value: Any, model: type[BaseModel]) -> Any:
    if model is TrialConfig and field == "dataset" and value in tuple(RECIPES):
        raise ValueError(f"dataset: {value} is a recipe; give recipe={value}, got {value!r}")
    return parse_value(field, value, model)
