"""The expanded study as `study.json` holds it, and the hash of its plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from ablations.design.arms import Arm
from ablations.design.families import Family
from ablations.design.never import never_proposed
from ablations.design.recipes import describe_recipe
from ablations.design.seeds.stopping import described_stop
from ablations.design.study import Study
from ablations.design.tuning import Tuning
from search_spaces import Choice, Interval, default_of, factors_of, label_of
from silhouette.config import TrialConfig, draws_test_split, is_option, option_default, plan_hash, setting_of

PLAN_VERSION = 1


def describe_study(study: Study) -> dict[str, Any]:
    """The expanded study as `study.json` holds it: all that the analysis needs, and the hash of the plan."""
    plan: dict[str, Any] = {
        "metric": study.metric,
        "direction": study.measure.direction,
        "sesoi": study.sesoi,
        "alpha": study.alpha,
        **({"error_rate": study.error_rate} if study.error_rate != "study" else {}),
        "phase": "confirm",
        "seeds": list(study.seeds),
        "arms": [_describe_arm(arm, study.tuning is not None) for arm in study.start_arms],
        "families": [_describe_family(family) for family in study.all_families()],
        **({"tuning": _describe_tuning(study.tuning, study.model)} if study.tuning else {}),
        **({"looks": list(study.looks)} if study.looks else {}),
        **described_stop(study),
        **({"experiment": study.experiment} if study.experiment else {}),
    }
    recipe, never = describe_recipe(study), never_proposed(study)
    return {
        "schema_version": PLAN_VERSION,
        "study": study.name,
        "question": study.question,
        "plan_hash": plan_hash(plan),
        **plan,
        "error_rate": study.error_rate,  # hashed where it is not the default, so that older plans keep their hash
        "arms": [_complete_arm(hashed, arm, study) for hashed, arm in zip(plan["arms"], study.arms, strict=True)],
        "factors": [_describe_factor(study, field) for field in study.factors],
        **({"plugins": list(study.plugins)} if study.plugins else {}),  # not hashed: the names are settings too
        **({"recipe": recipe} if recipe else {}),  # not hashed: the settings of the arms are
        **({"never_proposed": never} if never else {}),  # not hashed: it follows from the rest
        "fixed": study.fixed,
        **({"own_config": True} if study.model is not TrialConfig else {}),
        **({"metric_label": study.metric_label} if study.metric_label else {}),  # not hashed: words alone
        **({"unit": study.unit} if study.unit else {}),
        **({"keep": study.keep} if study.keep != "none" else {}),  # not hashed: it changes no result
        "new_splits": all(draws_test_split(arm.config) for arm in study.start_arms),
    }


def _describe_arm(arm: Arm, tuned: bool) -> dict[str, Any]:
    """The part of an arm that enters the hash. A tuned arm has a config to start from; the search finds the others."""
    config = arm.config.model_dump(mode="json")
    return {
        "arm": arm.label,
        "settings": arm.settings,
        "block": arm.block,
        "baseline": arm.baseline,
        **({"method": arm.method} if arm.treatment else {}),
        **({"config": {}, "start": config} if tuned else {"config": config}),
    }


def _complete_arm(hashed: Mapping[str, Any], arm: Arm, study: Study) -> dict[str, Any]:
    """The hashed part, with the names that readers need and the config that is confirmed, once that is known.

    `method` and `block_settings` follow from the hashed part. They stay out of the hash, so that plans of version
    0.1.0, which lack them, keep theirs.
    """
    chosen = {"config": arm.config.model_dump(mode="json")} if arm.label in study.winners else {}
    return {**hashed, "method": arm.method, "block_settings": arm.block_settings, **chosen}


def _describe_family(family: Family) -> dict[str, Any]:
    correction = "bh" if family.role == "exploratory" else "holm"
    return {**family.model_dump(mode="json"), "correction": correction}


def _describe_tuning(tuning: Tuning, model: type[BaseModel]) -> dict[str, Any]:
    domains = {name: _describe_domain(tuning.domain(name, model)) for name in tuning.nuisance}
    later = {"confirm_on": "train", "direction": None}  # older plans, which lack these keys, keep their hash
    changed = {name: value for name, default in later.items() if (value := getattr(tuning, name)) != default}
    return {**tuning.model_dump(mode="json", exclude={"nuisance", *later}), **changed, "nuisance": domains}


def _describe_domain(domain: Interval | Choice) -> dict[str, Any]:
    if isinstance(domain, Choice):
        return {"values": list(domain.values)}
    return {"low": domain.low, "high": domain.high, "log": domain.log, "integer": domain.integer}


def _describe_factor(study: Study, field: str) -> dict[str, Any]:
    factor = factors_of(study.model).get(field)
    values = list(dict.fromkeys(setting_of(arm.config, field) for arm in study.arms if field in arm.settings))
    return {
        "field": field,
        "label": factor.label if factor else label_of(field),
        "values": values,
        "default": _default(study, field),
        "log": bool(getattr(factor.domain, "log", False)) if factor else False,
        "unit": factor.unit if factor else "",
    }


def _default(study: Study, field: str) -> Any:
    """The default of a setting; of an option, the one in the first arm that has it."""
    if study.model is not TrialConfig or not is_option(field):
        return default_of(study.model, field)
    found = (option_default(c, field) for arm in study.arms if isinstance(c := arm.config, TrialConfig))
    return next((value for value in found if value is not None), None)
