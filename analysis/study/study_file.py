"""The plan of a study, read from its `study.json` and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from analysis.errors import ReportError
from analysis.stats.sequential import nominal_level
from analysis.study.budget import bought
from analysis.study.plan import Arm, Factor, Family, Plan, Validation
from analysis.study.plan_checks import check_plan
from silhouette.config import is_of_version_0_1, with_defaults
from silhouette.results import Store

SYMBOLS_0_1_0 = {"λ_sil": "λ"}
"""Symbols of factors in a `study.json` of version 0.1.0 that differ from those in the labels of its arms."""


def read_plan(store: Store) -> Plan:
    """The plan in a study's `study.json`.

    Raises:
        ReportError: If there is no plan, or it does not have the format of a plan.
    """
    raw, frozen = _read_object(store, "study.json"), _read_object(store, "frozen.json")
    if raw is None:
        raise ReportError(f"{store.shown}/{store.study}: no study.json there; run the study first")
    try:
        return make_plan({**raw, "frozen_plan": frozen})
    except (KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{store.path('study.json')}: not in the format of a study ({error!r})") from None


def _read_object(store: Store, name: str) -> dict[str, Any] | None:
    found = store.read_json(name)
    if found is None or isinstance(found, dict):
        return found
    raise ReportError(
        f"{store.path(name)}: must be a JSON object, got {type(found).__name__} {found!r:.60}; restore it"
    )


def make_plan(raw: Mapping[str, Any]) -> Plan:
    """A checked plan from the parsed `study.json`.

    Raises:
        ReportError: On the first fault in it, naming field, rule and value.
    """
    looks, alpha = tuple(raw.get("looks") or ()), raw.get("alpha") or 0.05
    plan = Plan(
        alpha=alpha,
        declared_alpha=alpha,
        looks=looks,
        extended=tuple(raw.get("extended") or ()),
        study=str(raw["study"]),
        metric=raw["metric"],
        direction=raw["direction"],
        seeds=tuple(raw["seeds"]),
        arms=tuple(_arm(a) for a in raw["arms"]),
        families=_families(raw),
        factors=tuple(_factor(f) for f in raw.get("factors", ())),
        sesoi=raw.get("sesoi"),
        from_0_1=is_of_version_0_1(raw),
        candidates=int((raw.get("tuning") or {}).get("settings") or 0),
        sampler=str((raw.get("tuning") or {}).get("sampler") or ""),
        recipe=_recipe(raw["recipe"]) if raw.get("recipe") else {},
        validation=() if raw.get("experiment") else _validations(raw["arms"]),
        search_space=tuple(_search_space(raw)),
        confirm_on=_confirm_on(raw),
        **{k: raw[k] for k in _OPTIONAL if raw.get(k) is not None},
        **{k: _object(raw, k) for k in _OBJECTS if raw.get(k) is not None},
    )
    check_plan(plan)
    return bought(replace(plan, alpha=nominal_level(alpha, looks)), raw.get("budget"))


_OPTIONAL = (
    "question", "plan_hash", "phase", "frozen", "unpaired", "error_rate", "new_splits", "stop", "mixture",
    "metric_label", "unit", "own_config",
)  # fmt: skip
_OBJECTS = ("frozen_plan", "fixed", "provenance")


def _object(raw: Mapping[str, Any], key: str) -> Any:
    if not isinstance(raw[key], dict):
        raise TypeError(f"{key} must be a JSON object, got {raw[key]!r:.60}")
    return raw[key]


def _arm(raw: Mapping[str, Any]) -> Arm:
    own = (raw.get("config") or {}, raw.get("method") or "", raw.get("block_settings"))
    return Arm(raw["arm"], raw["settings"], raw["block"], bool(raw.get("baseline")), *own)


def _recipe(raw: Mapping[str, Any]) -> dict[str, Any]:
    own = {field: list(values) for field, values in raw["overridden"].items()}
    return {"name": raw["name"], "source": raw["source"], "settings": dict(raw["settings"]), "overridden": own}


def _validations(arms: Sequence[Mapping[str, Any]]) -> tuple[Validation, ...]:
    """The validation data of arms, in order; an own experiment may have others, so it has none here."""
    found: dict[tuple[str, float], list[str]] = {}
    for raw in arms:
        own = raw.get("start") or raw.get("config")
        if own:
            config = with_defaults(own)
            found.setdefault((_profile(config), config["val_fraction"]), []).append(raw["arm"])
    return tuple(Validation(*kind, tuple(labels)) for kind, labels in found.items())


def _confirm_on(raw: Mapping[str, Any]) -> str:
    """What confirm trials of a tuned study train on; a config of a person's own does not say."""
    if not raw.get("tuning") or raw.get("own_config"):
        return ""
    return str(raw["tuning"].get("confirm_on") or "train")


def _search_space(raw: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each nuisance factor, where it was searched, and its choices that could never be proposed."""
    never = list(raw.get("never_proposed") or ())
    for name, domain in ((raw.get("tuning") or {}).get("nuisance") or {}).items():
        own = [{key: one[key] for key in ("value", "arms", "reason")} for one in never if one["name"] == name]
        yield {"name": name, "domain": dict(domain), "never": own}


def _profile(config: Mapping[str, Any]) -> str:
    if config["val_fraction"] == 0:
        return "none"
    return "unchanged" if config["imbalance"] == "none" else str(config["val_profile"])


def _families(raw: Mapping[str, Any]) -> tuple[Family, ...]:
    """The families; where version 0.1 has two of one name, the later ones get a number."""
    families = [_family(f) for f in raw.get("families", ())]
    if not is_of_version_0_1(raw):
        return tuple(families)
    before = [sum(f.name == family.name for f in families[:i]) for i, family in enumerate(families)]
    return tuple(replace(f, name=f"{f.name} ({n + 1})") if n else f for f, n in zip(families, before, strict=True))


def _family(raw: Mapping[str, Any]) -> Family:
    return Family(raw["family"], raw["role"], raw["correction"], raw["baseline"], tuple(raw["treatments"]))


def _factor(raw: Mapping[str, Any]) -> Factor:
    kept = {k: raw[k] for k in ("default", "log", "unit") if raw.get(k) is not None}
    label = raw.get("label") or raw["field"]
    return Factor(raw["field"], SYMBOLS_0_1_0.get(label, label), tuple(raw["values"]), **kept)
