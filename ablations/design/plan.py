"""The only owner of `study.json`: what it holds, its hash, and which plans fit together.

A results folder belongs to one plan. A later run may repeat it, run a part of it, or extend it by arms and seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from ablations.design.arms import Arm
from ablations.design.families import Family
from ablations.design.never import never_proposed
from ablations.design.recipes import describe_recipe
from ablations.design.seeds.extension import extension, extension_notes
from ablations.design.study import Study
from ablations.design.tuning import Tuning
from ablations.errors import StudyError
from search_spaces import Choice, Interval, default_of, factors_of, label_of
from silhouette.config import (
    NEW_TEST_SPLITS,
    OLD_SPLIT,
    TrialConfig,
    as_version_0_2,
    draws_test_split,
    is_of_version_0_1,
    is_option,
    option_default,
    plan_hash,
    setting_of,
    with_defaults,
)
from silhouette.results import Store

FILE = "study.json"
PLAN_VERSION = 1
ABSENT = {"error_rate": "study"}
"""What a plan means that lacks a key, since it was written before there was one."""


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


def adopt_plan(study: Study, store: Store, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The plan that the results folder now follows; written unless the stored one covers the study.

    Args:
        study: The study to run.
        store: Its results folder.
        provenance: Code, versions and command of this run, written beside the plan.

    Raises:
        StudyError: If the folder holds a plan that contradicts the study.
    """
    stored, new = store.read_json(FILE), describe_study(study)
    if covers(stored, new, store.root):
        return _with_keep(stored, study, store)
    new |= extension_notes(stored, new, store)
    if stored is not None and is_of_version_0_1(stored):  # a report must still know that other rules held then
        new.pop("error_rate")
    new["provenance"] = dict(provenance)
    store.write_json(new, FILE)
    return new


def _with_keep(stored: Mapping[str, Any], study: Study, store: Store) -> dict[str, Any]:
    """The stored plan, which also says what the trials of this run keep; a change of that is noted in it."""
    before = stored.get("keep", "none")
    if before == study.keep:
        return dict(stored)
    change = {"from": before, "to": study.keep, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    plan = {**stored, "keep": study.keep, "keep_changes": [*stored.get("keep_changes", ()), change]}
    store.write_json(plan, FILE)
    return plan


def read_description(store: Store) -> dict[str, Any] | None:
    """Return the content of `study.json`; None if nothing has run there.

    Raises:
        StudyError: If it is not in the format of a study.
    """
    stored = store.read_json(FILE)
    needed = ("study", "question", "plan_hash")
    if stored is not None and not (isinstance(stored, dict) and all(isinstance(stored.get(k), str) for k in needed)):
        raise StudyError(f"{store.root}/{FILE}: not in the format of a study; restore it")
    return stored


def planned_trials(store: Store) -> set[tuple[str, int]]:
    """Label and seed of every confirm trial of the stored plan; none where there is no plan."""
    stored = store.read_json(FILE)
    if not isinstance(stored, Mapping) or not {"arms", "seeds"} <= stored.keys():
        return set()
    return {(arm["arm"], seed) for arm in stored["arms"] for seed in stored["seeds"]}


def planned_extension(study: Study, store: Store) -> dict[str, Any] | None:
    """The note on seeds that the study would add to a plan whose results could be seen; None if it adds none."""
    return extension(store.read_json(FILE), describe_study(study), store)


def last_command(store: Store) -> str | None:
    """The command line that last wrote the stored plan; None if there is none."""
    command = ((read_description(store) or {}).get("provenance") or {}).get("command")
    return command if isinstance(command, str) and command.startswith("ablate run ") else None


def check_plan(study: Study, store: Store) -> None:
    """Raise `StudyError` if the results folder holds a plan that contradicts the study."""
    covers(store.read_json(FILE), describe_study(study), store.root)


def as_stored(study: Study, store: Store) -> tuple[Study, list[str]]:
    """The study with all seeds of the stored plan, which the report shows, and what else differs, in words.

    Args:
        study: The study as its file and the command line define it.
        store: Its results folder.
    """
    stored = store.read_json(FILE)
    try:
        if stored is None or not covers(stored, describe_study(study), store.root):
            return study, []
    except StudyError as error:
        return study, [f"note: the report shows another plan than this one: {error}"]
    others = len(stored["arms"]) - len(study.start_arms)
    notes = [f"note: the report shows {others} more of the arms; give the --set that they were run with"]
    return study.replaced(seeds=stored["seeds"]), notes if others else []


def note_winners(study: Study, frozen_hash: str, description: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """Write the confirmed configs, and the hash they are frozen under, into `study.json`; returns its content.

    Args:
        study: The study with its winners.
        frozen_hash: Hash of `frozen.json`.
        description: The present content of `study.json`.
        store: The results folder.
    """
    configs = {arm.label: arm.config.model_dump(mode="json") for arm in study.arms}
    arms = [{**arm, "config": configs.get(arm["arm"], arm["config"])} for arm in description["arms"]]
    confirmed = {**description, "arms": arms, "frozen": frozen_hash}
    if confirmed != description:
        store.write_json(confirmed, FILE)
    return confirmed


def covers(stored: Mapping[str, Any] | None, new: Mapping[str, Any], where: str) -> bool:
    """Return True if the stored plan contains all of the new one, and so stays.

    A plan may equal the stored one, be part of it, or extend it; in the last case False is returned.

    Raises:
        StudyError: If the two contradict each other. The line names the first difference.
    """
    if stored is None:
        return False
    if not isinstance(stored, Mapping) or not {"plan_hash", "arms", "seeds"} <= stored.keys():
        raise StudyError(f"{where}/{FILE}: holds no plan; give another --results, or remove the file and run again")
    if stored["plan_hash"] == new["plan_hash"]:
        return True
    advice = f"{where} holds records of another plan; give another --results or undo the change"
    for key in ("metric", "direction", "sesoi", "alpha", "error_rate", "looks", "experiment"):
        before, after = (plan.get(key, ABSENT.get(key)) for plan in (stored, new))
        if before != after:
            hint = f"; to keep it, write {key}={before!r} into the study" if after is None else ""
            raise StudyError(f"{key}: was {before!r} and is now {after!r}{hint}; {advice}")
    _check_same_search(stored, new, advice)
    old_arms, new_arms = ({arm["arm"]: arm for arm in plan["arms"]} for plan in (stored, new))
    for label in old_arms.keys() & new_arms.keys():
        _check_same_arm(old_arms[label], new_arms[label], advice, stored)
    _check_same_families(stored, new, advice)
    if _is_part(new, stored, new_arms, old_arms):
        return True
    if _is_part(stored, new, old_arms, new_arms):
        return False
    raise StudyError(f"plan: neither extends nor is part of the one before (arms or seeds removed); {advice}")


def _is_part(part: Mapping[str, Any], whole: Mapping[str, Any], arms: Any, all_arms: Any) -> bool:
    candidates, at_most = ((plan.get("tuning") or {}).get("settings", 0) for plan in (part, whole))
    return set(part["seeds"]) <= set(whole["seeds"]) and arms.keys() <= all_arms.keys() and candidates <= at_most


def _check_same_search(stored: Mapping[str, Any], new: Mapping[str, Any], advice: str) -> None:
    """More candidates may be tried until the winners are frozen; any other change would be another search."""
    old, now = stored.get("tuning") or {}, new.get("tuning") or {}
    for field in sorted(old.keys() | now.keys()):
        before, after = old.get(field), now.get(field)
        grows = field == "settings" and before and after and after > before and "frozen" not in stored
        if before != after and not grows:
            raise StudyError(f"tuning.{field}: was {before!r} and is now {after!r}; {advice}")


def _check_same_families(stored: Mapping[str, Any], new: Mapping[str, Any], advice: str) -> None:
    """Comparisons are declared before results can be seen: only other arms may change them, more seeds may not."""
    common = {arm["arm"] for arm in stored["arms"]} & {arm["arm"] for arm in new["arms"]}
    if _comparisons(stored, common) != _comparisons(new, common):
        raise StudyError(f"families: the comparisons are not those that were declared with these arms; {advice}")


def _comparisons(plan: Mapping[str, Any], arms: set[str]) -> set[tuple[str, str, str]]:
    """Role, treatment and baseline of every declared comparison between some arms."""
    declared = {(f["role"], t, f["baseline"]) for f in plan.get("families") or () for t in f["treatments"]}
    return {found for found in declared if {*found[1:]} <= arms}


def _check_same_arm(old: Mapping[str, Any], new: Mapping[str, Any], advice: str, stored: Mapping[str, Any]) -> None:
    completed = dict if stored.get("own_config") else with_defaults
    configs = [completed(arm.get("start") or arm["config"]) for arm in (old, new)]
    if is_of_version_0_1(stored):
        configs[0] = as_version_0_2(configs[0])
        _check_test_split(configs[0]["vary"], configs[1]["vary"], old["arm"], advice)
    for field in configs[0].keys() | configs[1].keys():
        before, after = (config.get(field) for config in configs)
        if before != after:
            raise StudyError(f"{field}: was {before!r} and is now {after!r} in arm {old['arm']!r}; {advice}")
    if old["baseline"] != new["baseline"]:
        raise StudyError(f"baseline: arm {old['arm']!r} changed its role; {advice}")


def _check_test_split(before: str, after: str, arm: str, advice: str) -> None:
    """A study of version 0.1 is extended with what its seeds drew then, if a value of `vary` still means that."""
    if before == OLD_SPLIT:
        raise StudyError(
            f"vary: arm {arm!r} was run by version 0.1, where 'split' also moved class order and subset; "
            "no value means that now: this folder is read and reported, but only version 0.1 extends it; give another "
            "--results"
        )
    if before == NEW_TEST_SPLITS != after:
        raise StudyError(
            f"vary: arm {arm!r} was run by version 0.1, where every seed drew its own test samples; to extend it, give "
            f"--set vary={NEW_TEST_SPLITS}; {advice}"
        )
