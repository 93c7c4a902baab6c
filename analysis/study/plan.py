"""The plan of a study, read from `study.json`: arms, families, metric and seeds, declared before the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from analysis.errors import ReportError
from analysis.formatting import show_level
from analysis.stats.sequential import nominal_level
from analysis.stats.types import SCOPE_SEEDS, SCOPE_SPLITS
from silhouette.results import Store

ROLES = ("primary", "ablation", "exploratory")
CORRECTIONS = ("holm", "bh")
SYMBOLS_0_1_0 = {"λ_sil": "λ"}
"""Symbols of factors in a `study.json` of version 0.1.0 that differ from those in the labels of its arms."""
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


@dataclass(frozen=True)
class Family:
    """Comparisons that share one error rate: each treatment against one baseline.

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

    `alpha` is the level of this look: `declared_alpha` unless several `looks` at the seeds were declared. `extended`
    lists seeds added later; `new_splits` says that each seed draws a test split of its own; `frozen` and `frozen_plan`
    are hash and content of a tuned study's `frozen.json`.
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
    new_splits: bool = False
    factors: tuple[Factor, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    looks: tuple[int, ...] = ()
    declared_alpha: float = 0.05
    extended: tuple[Mapping[str, Any], ...] = ()
    frozen: str = ""
    frozen_plan: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scope(self) -> str:
        """What an interval over the seeds describes."""
        return SCOPE_SPLITS if self.new_splits else SCOPE_SEEDS

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
    def better(self) -> int:
        """+1 where more is better, -1 where less is."""
        return 1 if self.direction == "max" else -1


def dataset_of(arm: Arm) -> str | None:
    """The dataset that an arm is trained on, or None if the study does not say."""
    name = arm.settings.get("dataset", arm.config.get("dataset"))
    return None if name is None else str(name)


def read_plan(store: Store) -> Plan:
    """The plan in a study's `study.json`.

    Raises:
        ReportError: If there is no plan, or it does not have the format of a plan.
    """
    raw = store.read_json("study.json")
    if raw is None:
        raise ReportError(f"{store.shown}/{store.study}: no study.json there; run the study first")
    try:
        return make_plan({**raw, "frozen_plan": store.read_json("frozen.json")})
    except (KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{store.path('study.json')}: not in the format of a study ({error!r})") from None


def make_plan(raw: Mapping[str, Any]) -> Plan:
    """A checked plan from the parsed `study.json`.

    Raises:
        ReportError: If a label occurs twice or is unknown, or a word is not one of those allowed.
    """
    looks, alpha = tuple(raw.get("looks") or ()), raw.get("alpha") or 0.05
    plan = Plan(
        alpha=nominal_level(alpha, looks),
        declared_alpha=alpha,
        looks=looks,
        extended=tuple(raw.get("extended") or ()),
        study=str(raw["study"]),
        metric=raw["metric"],
        direction=raw["direction"],
        seeds=tuple(raw["seeds"]),
        arms=tuple(_arm(a) for a in raw["arms"]),
        families=tuple(_family(f) for f in raw.get("families", ())),
        factors=tuple(_factor(f) for f in raw.get("factors", ())),
        sesoi=raw.get("sesoi"),
        **{k: raw[k] for k in _OPTIONAL if raw.get(k) is not None},
    )
    check_plan(plan)
    return plan


_OPTIONAL = ("question", "plan_hash", "phase", "frozen", "frozen_plan", "unpaired", "new_splits", "fixed", "provenance")


def _arm(raw: Mapping[str, Any]) -> Arm:
    own = (raw.get("config") or {}, raw.get("method") or "", raw.get("block_settings"))
    return Arm(raw["arm"], raw["settings"], raw["block"], bool(raw.get("baseline")), *own)


def _family(raw: Mapping[str, Any]) -> Family:
    return Family(raw["family"], raw["role"], raw["correction"], raw["baseline"], tuple(raw["treatments"]))


def _factor(raw: Mapping[str, Any]) -> Factor:
    kept = {k: raw[k] for k in ("default", "log", "unit") if raw.get(k) is not None}
    label = raw.get("label") or raw["field"]
    return Factor(raw["field"], SYMBOLS_0_1_0.get(label, label), tuple(raw["values"]), **kept)


def check_plan(plan: Plan) -> None:
    """Check what every later step assumes.

    Raises:
        ReportError: On the first fault, naming field, rule and value.
    """
    if len(plan.arm) != len(plan.arms):
        raise ReportError(f"{plan.study}: arm labels must be unique in study.json")
    if plan.direction not in ("max", "min"):
        raise ReportError(f"{plan.study}: direction must be max or min, got {plan.direction!r}")
    for family in plan.families:
        _check_family(plan, family)


def _check_family(plan: Plan, family: Family) -> None:
    if family.role not in ROLES or family.correction not in CORRECTIONS:
        raise ReportError(f"{family.name}: role one of {ROLES}, correction one of {CORRECTIONS}")
    for label in (family.baseline, *family.treatments):
        if label not in plan.arm:
            raise ReportError(f"{family.name}: no arm {label!r} in study.json")
    if family.baseline in family.treatments:
        raise ReportError(f"{family.name}: the baseline {family.baseline!r} is also a treatment")
