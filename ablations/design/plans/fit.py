"""Whether two plans fit together: the same one, a part of it, or one that extends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablations.design.seeds.stopping import same_order
from ablations.errors import StudyError
from silhouette.config import NEW_TEST_SPLITS, OLD_SPLIT, as_version_0_2, is_of_version_0_1, with_defaults

FILE = "study.json"
ABSENT = {"error_rate": "study"}
"""What a plan means that lacks a key, since it was written before there was one."""


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
    for key in ("metric", "direction", "sesoi", "alpha", "error_rate", "looks", "stop", "mixture", "experiment"):
        before, after = (plan.get(key, ABSENT.get(key)) for plan in (stored, new))
        if before != after:
            hint = f"; to keep it, write {key}={before!r} into the study" if after is None else ""
            raise StudyError(f"{key}: was {before!r} and is now {after!r}{hint}; {advice}")
    _check_same_search(stored, new, advice)
    old_arms, new_arms = ({arm["arm"]: arm for arm in plan["arms"]} for plan in (stored, new))
    for label in old_arms.keys() & new_arms.keys():
        _check_same_arm(old_arms[label], new_arms[label], advice, stored)
    _check_same_families(stored, new, advice)
    if new.get("stop") and not same_order(stored["seeds"], new["seeds"]):
        raise StudyError(f"seeds: with stop='decided' their order must stay, got {new['seeds']}; {advice}")
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
