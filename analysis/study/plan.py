"""The plan of a study: arms, families, metric and seeds, declared before the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from analysis.formatting import count, show_level
from analysis.stats.anytime import MIXTURE
from analysis.stats.types import SCOPE_SEEDS, SCOPE_SPLITS
from silhouette.config import crossed_sources, with_defaults
from silhouette.metrics import METRICS

EXPLORATORY = "exploratory"
PER_STUDY, PER_BLOCK = "study", "block"
"""Over which comparisons the error rate is held: all of one role together, or those of each block apart."""
UNTIL_DECIDED = "decided"
"""The value of `stop` in a plan whose seeds are run until all comparisons are decided."""
FIELD = "vary"
"""The setting that names the one source of randomness which the seed moves in an arm of a seed study."""
ALL = "all"
"""Its value in the arm whose seed moves every source."""


@dataclass(frozen=True)
class Arm:
    """One setting of the scientific factors.

    Attributes:
        label: Unique name; the `arm` column of the records.
        settings: Values of the scientific factors.
        block: The condition (dataset, imbalance) inside which it is compared.
        baseline: Whether the others of its block are compared with it.
        config: The full configuration, or empty when it is not known (a plain table).
        method: What it does, the same words in every block; empty where `study.json` is from version 0.1.0.
        block_settings: The settings that make its block; None where `study.json` is from version 0.1.0.
    """

    label: str
    settings: Mapping[str, Any]
    block: str
    baseline: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)
    method: str = ""
    block_settings: Mapping[str, Any] | None = None

    @property
    def crossed(self) -> tuple[str, ...]:
        """The sources of chance that its seeds cross (`vary="init*order"`); empty where they cross none."""
        vary = self.config.get(FIELD, self.settings.get(FIELD))
        return crossed_sources(vary) if isinstance(vary, str) else ()


@dataclass(frozen=True)
class Family:
    """Comparisons declared together, usually those of one block: each treatment against one baseline.

    Attributes:
        name: The family's name; usually its block.
        role: `primary`, `ablation` or `exploratory`.
        correction: `holm` (family-wise error) or `bh` (false discovery rate).
        baseline: Label of the arm compared with.
        treatments: Labels of the arms compared.
    """

    name: str
    role: str
    correction: str
    baseline: str
    treatments: tuple[str, ...]


@dataclass(frozen=True)
class Validation:
    """Arms whose trials have validation data of the same kind.

    Attributes:
        profile: `balanced`: taken from all training data, before the imbalance. `train`: with the imbalance of the
            training data. `unchanged`: the training data have no imbalance. `none`: no validation data.
        fraction: Their share of the data, in [0, 1).
        arms: Labels of the arms.
    """

    profile: str
    fraction: float
    arms: tuple[str, ...]


@dataclass(frozen=True)
class Factor:
    """A field that the study varies, with its grid.

    Attributes:
        name: The config field.
        label: What a reader sees.
        values: The grid.
        default: The value the field has elsewhere.
        log: Whether its axis is logarithmic.
        unit: Unit, or empty.
    """

    name: str
    label: str
    values: tuple[Any, ...]
    default: Any = None
    log: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Plan:
    """A study as frozen before its confirm phase. `direction` is `max` or `min`; `sesoi` is in the metric's unit.

    Attributes:
        error_rate: `study`: all families of a role are corrected together. `block`: each family holds its own level.
        stop: `decided`: seeds are run until all comparisons are decided, at most those in `seeds`. Empty: all of them.
        mixture: Variance of the mixture over standardised differences in the confidence sequences of such a study.
        alpha: Level of this look: `declared_alpha` unless several `looks` at the seeds were declared.
        extended: Seeds that were added later.
        new_splits: Whether each seed draws a test split of its own.
        from_table: Whether it was made from a plain table, which tells nothing of how the runs were made.
        own_seeds: The seeds of each arm, where the arms of an unpaired table have different ones, or where a study
            stops when it is decided: those that the arm needs.
        from_0_1: Whether version 0.1 wrote it, so that it was declared under other rules.
        candidates: Settings that the search tried in each arm; 0 where nothing was tuned.
        sampler: How it proposed them: `tpe`, `random`, `qmc` or `gp`; empty where nothing was tuned.
        frozen: Hash of a tuned study's `frozen.json`.
        frozen_plan: Its content.
        recipe: `name`, `source`, `settings` and `overridden` of the recipe that the study starts from; empty without.
        validation: The validation data of the arms; of the tune phase where there is one. Empty where not known.
        search_space: `name`, `domain` and `never` of each nuisance factor: where it was searched, and the choices that
            no candidate could have, each with `value`, `arms` and `reason`. Empty where nothing was tuned.
        confirm_on: What the confirm trials of a tuned study train on: `train` or `train+val`; empty where nothing was
            tuned.
        metric_label: Name of the metric for people, where the study gives it one.
        unit: Unit of a metric that is not ours; `%` for fractions, which are shown in percent.
        own_config: Whether the settings are fields of a config of a person's own.
        budget: `limits`, `declared` and `ended` of the budget that has ended the study; empty where none has.
        dropped_seeds: Declared seeds that the budget could not pay for.
    """

    study: str
    metric: str
    direction: str
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]
    families: tuple[Family, ...]
    question: str = ""
    plan_hash: str = ""
    sesoi: float | None = None
    alpha: float = 0.05
    phase: str = "confirm"
    unpaired: bool = False
    error_rate: str = PER_STUDY
    new_splits: bool = False
    from_table: bool = False
    own_seeds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    from_0_1: bool = False
    candidates: int = 0
    sampler: str = ""
    factors: tuple[Factor, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    looks: tuple[int, ...] = ()
    declared_alpha: float = 0.05
    extended: tuple[Mapping[str, Any], ...] = ()
    stop: str = ""
    mixture: float = MIXTURE
    frozen: str = ""
    frozen_plan: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    validation: tuple[Validation, ...] = ()
    search_space: tuple[Mapping[str, Any], ...] = ()
    confirm_on: str = ""
    metric_label: str = ""
    unit: str = ""
    own_config: bool = False
    budget: Mapping[str, Any] = field(default_factory=dict)
    dropped_seeds: tuple[int, ...] = ()

    def whole(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A config with the defaults of fields that came later; one of a person's own as it is."""
        return dict(config) if self.own_config else with_defaults(config)

    @property
    def scope(self) -> str:
        """What an interval over the seeds describes."""
        return self.scope_of(self.new_splits)

    def scope_of(self, new_splits: bool) -> str:
        """What an interval describes, by whether its seeds draw test splits of their own."""
        return self.scope_for(SCOPE_SPLITS if new_splits else SCOPE_SEEDS)

    def scope_for(self, data: str) -> str:
        """What an interval describes for some seeds or samples, by whether the settings were tuned."""
        if not self.frozen:
            return data
        search = f"one search of {count(self.candidates, 'candidate')} in each arm" if self.candidates else "one search"
        return f"{data}, for these tuned settings ({search})"

    @property
    def corrected_together(self) -> tuple[tuple[Family, ...], ...]:
        """Families whose comparisons share one correction.

        All families of a role and a correction are one; where the study declared an error rate per block, those of
        each block are.
        """
        groups: dict[tuple[str, str, str], list[Family]] = {}
        for family in self.families:
            groups.setdefault((family.role, family.correction, self.unit_of(family)), []).append(family)
        return tuple(tuple(group) for group in groups.values())

    def unit_of(self, family: Family) -> str:
        """What holds one error rate: the whole study (empty), or the family's block where the study declared that."""
        return self.block_of(family) if self.error_rate == PER_BLOCK else ""

    def block_of(self, family: Family) -> str:
        """The block of a family's baseline; empty for a baseline that is no arm, which the checks of a plan refuse."""
        return self.arm[family.baseline].block if family.baseline in self.arm else ""

    def seeds_of(self, arm: str) -> tuple[int, ...]:
        """The planned seeds of an arm."""
        return self.own_seeds.get(arm, self.seeds)

    @cached_property
    def arm(self) -> dict[str, Arm]:
        """Arms by label."""
        return {arm.label: arm for arm in self.arms}

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """Blocks in the order in which the arms name them."""
        return tuple(dict.fromkeys(arm.block for arm in self.arms))

    @cached_property
    def block_fields(self) -> frozenset[str]:
        """Settings that make the blocks: those that the study says, else those that are constant in each block."""
        stated = [arm.block_settings for arm in self.arms]
        if all(settings is not None for settings in stated):
            return frozenset(name for settings in stated for name in settings or ())
        fields = {name for arm in self.arms for name in arm.settings}
        return frozenset(name for name in fields if self._constant_in_blocks(name))

    def _constant_in_blocks(self, name: str) -> bool:
        seen: dict[str, set[str]] = {}
        for arm in self.arms:
            seen.setdefault(arm.block, set()).add(repr(arm.settings.get(name)))
        return all(len(values) == 1 for values in seen.values())

    def method(self, label: str) -> str:
        """Name of what an arm does, the same in every block: its label without the words of the block."""
        arm = self.arm[label]
        return arm.method or self._without_block(arm)

    def _without_block(self, arm: Arm) -> str:
        """The method in the label of an arm that version 0.1.0 described: settings in the order of the factors."""
        words = arm.label.removeprefix(f"{arm.block} ").removesuffix(f" {arm.block}")
        if words != arm.label or not self.block_fields:
            return words
        kept = {k: v for k, v in arm.settings.items() if k not in self.block_fields}
        return " ".join(self._named(name, value) for name, value in kept.items()) or arm.label

    def _named(self, name: str, value: Any) -> str:
        """A text value as it is; a number with its symbol."""
        symbol = next((f.label for f in self.factors if f.name == name), name)
        return value if isinstance(value, str) else f"{symbol}={show_level(value)}"

    @property
    def in_percent(self) -> bool:
        """True for fractions that are shown in percent; a plain table has the unit that its values show."""
        if self.from_table or self.metric not in METRICS:
            return self.unit == "%"
        return METRICS[self.metric].percent

    @property
    def better(self) -> int:
        """+1 where more is better, -1 where less is."""
        return 1 if self.direction == "max" else -1


def dataset_of(arm: Arm) -> str | None:
    """The dataset that an arm is trained on, or None if the study does not say."""
    name = arm.settings.get("dataset", arm.config.get("dataset"))
    return None if name is None else str(name)
