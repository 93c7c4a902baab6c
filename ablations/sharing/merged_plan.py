"""The one plan that contains those of several results folders, by the rules that `ablate run` has for one folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ablations.design.plan import read_description
from ablations.design.plans.fit import covers
from ablations.design.seeds.extension import extension
from ablations.errors import StudyError
from silhouette.config import plan_hash
from silhouette.results import Store


@dataclass(frozen=True)
class MergedPlan:
    """The content of `study.json` and of `frozen.json`, which is None if nothing is frozen."""

    study: dict[str, Any]
    frozen: dict[str, Any] | None


def merge_plans(stores: Sequence[Store], tables: Sequence[pa.Table], *, extend: bool) -> MergedPlan:
    """The largest of the plans, if it contains all others.

    Args:
        stores: The folders of one study, each with a plan.
        tables: Their records.
        extend: Seeds may be added to a plan whose results could be seen; the report then gives no verdict.

    Raises:
        StudyError: One line with the first difference of two plans.
    """
    plans = [_read(store) for store in stores]
    whole = max(plans, key=_size)
    place = next(store for store, plan in zip(stores, plans, strict=True) if plan is whole)
    for store, plan in zip(stores, plans, strict=True):
        _check_part(plan, whole, store, place)
    frozen = _frozen(stores)
    notes = [note for plan in plans for note in plan.get("extended") or ()]
    for store, plan, table in zip(stores, plans, tables, strict=True):
        note = extension(plan, whole, store) if table.num_rows else None
        if note and not note["declared"] and not extend:
            raise StudyError(
                f"--extend: {_where(store)} has results that could be seen, and {_where(place)} has {note['to']} "
                f"instead of {note['from']} seeds; with both the report will give no verdict: extended after looking; "
                "run the same seeds everywhere, or pass --extend"
            )
        notes += [note] if note else []
    return MergedPlan(_confirmed({**whole, **_extended(notes)}, frozen), frozen)


def _read(store: Store) -> dict[str, Any]:
    plan = read_description(store)
    if plan is None or not {"arms", "seeds"} <= plan.keys():
        raise StudyError(f"{_where(store)}/study.json: not in the format of a study; restore it")
    return plan


def _where(store: Store) -> str:
    return f"{store.location}/{store.study}"


def _size(plan: Mapping[str, Any]) -> tuple[int, int, int, bool]:
    candidates = (plan.get("tuning") or {}).get("settings", 0)
    return len(plan["seeds"]), len(plan["arms"]), candidates, "frozen" in plan


def _check_part(plan: Mapping[str, Any], whole: Mapping[str, Any], store: Store, place: Store) -> None:
    try:
        covers(plan, whole, _where(store))
    except StudyError as error:
        said = str(error).partition(f"; {_where(store)} holds")[0]
        raise StudyError(
            f"merge: the plans differ: {said}; first in {_where(store)}, then in {_where(place)}"
        ) from None


def _frozen(stores: Sequence[Store]) -> dict[str, Any] | None:
    """The frozen plan that all folders share that have one."""
    found = [(store, store.read_json("frozen.json")) for store in stores]
    there = [(store, frozen) for store, frozen in found if frozen is not None]
    for store, frozen in there:
        if not isinstance(frozen, dict) or frozen.get("hash") != plan_hash(frozen.get("plan") or {}):
            raise StudyError(f"{_where(store)}/frozen.json: its content does not match its hash; restore it")
        if frozen["hash"] != there[0][1]["hash"]:
            raise StudyError(
                f"merge: two searches chose winners: the frozen plan is {there[0][1]['hash']} in "
                f"{_where(there[0][0])} and {frozen['hash']} in {_where(store)}; confirm one of them only"
            )
    return dict(there[0][1]) if there else None


def _extended(notes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The notes on extensions, each once; a merge that is repeated adds none."""
    once = {(note["from"], note["to"], note["declared"]): note for note in reversed(notes)}
    return {"extended": list(reversed(once.values()))} if once else {}


def _confirmed(plan: dict[str, Any], frozen: Mapping[str, Any] | None) -> dict[str, Any]:
    """The plan with the configs that are confirmed, once these are frozen."""
    if frozen is None:
        return plan
    configs = frozen["plan"]["configs"]
    arms = [{**arm, "config": configs.get(arm["arm"], arm["config"])} for arm in plan["arms"]]
    return {**plan, "arms": arms, "frozen": frozen["hash"]}
